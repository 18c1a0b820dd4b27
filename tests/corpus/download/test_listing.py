from __future__ import annotations

from bertkit.corpus.download.catalogue import catalogue, find_source
from bertkit.corpus.download.download import DownloadResult
from bertkit.corpus.download.listing import download_text, listing, plan, sample_text
from bertkit.corpus.download.sample import SampleResult


def result(kind: str, *names: str) -> DownloadResult:
    facts = {"bytes": 5, "fetched_bytes": 5}
    return DownloadResult("out", "x", kind, dict.fromkeys(names, facts), 5, 5, 1.0, False)


def test_files_are_counted():
    assert "2 files" in download_text(result("questions", "dev.json", "train.json"))


def test_listing_has_a_line_per_source():
    values, text = listing(catalogue())
    assert len(values["sources"]) == len(catalogue())
    assert all(source.name in text for source in catalogue())
    assert "{" not in text


def test_plan_names_checksum_link_and_free_space(tmp_path):
    values, text = plan(find_source("squad-v2.0"), ["dev-v2.0.json"], str(tmp_path))
    assert [item["name"] for item in values["files"]] == ["dev-v2.0.json"]
    assert "https://rajpurkar" in text
    assert "4.4 MB" in text
    assert values["free_bytes"] > 0


def test_left_out_questions_are_told():
    text = sample_text(SampleResult("out", 79, 1, 60, 20, 3, 0.1, False))
    assert "3 questions left out" in text
    text = sample_text(SampleResult("out", 79, 1, 60, 20, 0, 0.1, False))
    assert "left out" not in text


def test_the_list_fits_80_columns_and_keeps_every_fact(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, text = listing(catalogue())
    assert max(map(len, text.splitlines())) <= 80
    words = " ".join(text.split())
    for source in catalogue():
        assert f"{source.title} ({source.licence})" in words
        (row,) = [line for line in text.splitlines() if line.split()[:1] == [source.name]]
        assert row.split()[-1] == source.state
