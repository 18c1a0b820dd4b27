from __future__ import annotations

import hashlib
import json

import pytest


def test_list_names_everything(bertkit):
    shown = bertkit("download", "--list")
    assert shown.status == 0
    for name in ("sample", "squad-v1.1", "openwebtext", "enwiki-20200101"):
        assert name in shown.out
    values = bertkit("download", "--list", "--json").result
    assert values["command"] == "download"
    assert {"name", "kind", "licence", "state"} <= values["sources"][0].keys()


def test_dry_run_shows_files_sizes_and_links_without_output(bertkit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = bertkit("download", "squad-v1.1", "--dry-run")
    assert shown.status == 0
    assert "train-v1.1.json" in shown.out
    assert "981b29407e0affa3b1b156f72073b945" in shown.out
    assert not list(tmp_path.iterdir())
    shown = bertkit("download", "wikipedia", "--language", "de", "--date", "20260901", "--dry-run")
    assert "dewiki-20260901-pages-articles-multistream.xml.bz2" in shown.out


def test_many_files_of_which_only_the_place_is_known_are_one_row(bertkit):
    shown = bertkit("download", "mlperf-text", "--dry-run")
    assert "part-00003-of-00500 to part-00496-of-00500: 494 files" in shown.out
    assert "\npart-00497-of-00500 " in shown.out and len(shown.out.splitlines()) < 40
    assert len(bertkit("download", "mlperf-text", "--dry-run", "--json").result["files"]) == 502


@pytest.mark.slow
def test_sample_to_documents_to_split(bertkit, tmp_path):
    raw, docs, parts = tmp_path / "raw", tmp_path / "docs", tmp_path / "split"
    got = bertkit("download", "sample", "--output", raw, "--json")
    assert got.result["train_questions"] + got.result["dev_questions"] >= 60
    assert f"bertkit extract --input {raw}" in got.err
    made = bertkit("extract", "--input", raw, "--output", docs, "--json")
    assert made.result["documents"] == got.result["documents"]
    assert f"bertkit split --input {docs}" in made.err
    done = bertkit(
        "split", "--input", docs, "--output", parts, "--valid", "0.1", "--parts", "2", "--json"
    )
    assert done.result["splits"]["train"]["files"] == 2
    assert done.result["splits"]["valid"]["documents"] >= 1
    assert "bertkit train-vocab" in done.err


def test_without_output_or_with_an_unknown_name_it_is_wrong_usage(bertkit):
    shown = bertkit("download", "sample")
    assert shown.status == 2
    assert "--output is required" in shown.err
    shown = bertkit("download", "sampel", "--output", "x")
    assert shown.status == 2
    assert "did you mean sample" in shown.err


def test_dead_link_is_one_line_and_says_what_to_do(bertkit, tmp_path, monkeypatch):
    from bertkit.corpus.download import http

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setattr(http, "_wait", lambda *rest: None)
    shown = bertkit("download", "squad-v1.1", "--output", tmp_path / "s", "--retries", 0)
    assert shown.status == 1
    error, hint = [line for line in shown.err.splitlines() if ": " in line][-2:]
    assert error.startswith("Error: squad-v1.1: train-v1.1.json could not be fetched")
    assert "--from-file" in hint


def test_check_asks_the_links_and_its_status_says_whether_all_are_right(bertkit, monkeypatch):
    from bertkit.corpus.download import links

    asked = ("download", "squad-v1.1", "--check", "--file", "dev-v1.1.json", "--retries", 0)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    shown = bertkit(*asked, "--json")
    assert shown.status == 1 and json.loads(shown.out.splitlines()[-1])["wrong"] == 1
    assert "dataset/dev-v1.1.json: " in bertkit(*asked).out
    monkeypatch.setattr(links, "served_bytes", lambda item, *rest: item.size)
    shown = bertkit(*asked)
    assert shown.status == 0 and shown.out.endswith("1 link, 0 wrong\n")


def test_file_fetched_by_browser(bertkit, shared, tmp_path):
    path = shared / "data/squad/dev-v1.1.json"
    shown = bertkit(
        "download", "squad-v1.1", "--file", "dev-v1.1.json", "--from-file", path,
        "--output", tmp_path / "s", "--json",
    )  # fmt: skip
    assert shown.status == 0
    copied = (tmp_path / "s/dev-v1.1.json").read_bytes()
    assert hashlib.md5(copied).hexdigest() == "3e85deb501d4e538b6bc56f786231552"
    manifest = json.loads((tmp_path / "s/manifest.json").read_text())
    assert manifest["state"] == "complete"
    wrong = shared / "data/squad/cs224n_dev-v2.0.json"
    shown = bertkit(
        "download", "squad-v1.1", "--file", "dev-v1.1.json", "--from-file", wrong,
        "--output", tmp_path / "t",
    )  # fmt: skip
    assert shown.status == 3
    assert "expected 4,854,279" in shown.err
