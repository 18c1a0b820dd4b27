from __future__ import annotations

import pytest

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.extraction.input_forms import take_inputs
from bertkit.corpus.inputs import list_inputs
from bertkit.errors import NotTextError, UsageError
from bertkit.manifests.manifest import read_manifest
from corpus.forms.reading import write

ROW = b'{"text": "Cats sleep a lot."}\n'
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"


def take(*inputs: object, **settings: object):
    names = [str(name) for name in inputs]
    return take_inputs(list_inputs(names, texts=False), names, ExtractConfig(**settings))


def test_files_of_one_folder_and_kind_are_one_line(tmp_path):
    for name in ("a.jsonl", "b", "deep/c.txt"):
        write(tmp_path, f"raw/{name}", ROW)
    write(tmp_path, "raw/d.txt", b"Prose.\n")
    one = write(tmp_path, "e.csv", b"text\nHello\n")
    found = take(tmp_path / "raw", one)
    assert found.lines == [
        f'{tmp_path}/raw/: 3 files as jsonl (its first line is a JSON object, text under "text")',
        f"{tmp_path}/raw/: 1 file as text (it looks like nothing else)",
        f'{one}: read as csv (by the ending of its name, text in column "text")',
    ]
    assert found.names == ["jsonl", "jsonl", "text", "jsonl", "csv"]


def test_a_named_file_must_be_text_and_one_of_a_folder_is_left_out(tmp_path):
    write(tmp_path, "raw/a.txt", b"Prose.\n")
    path = write(tmp_path, "raw/b.txt", PDF)
    with pytest.raises(NotTextError, match="looks like a PDF document"):
        take(tmp_path / "raw", path)
    with pytest.raises(NotTextError):
        take(tmp_path / "raw", strict=True)
    found = take(tmp_path / "raw")
    assert found.left_out == {"not text": 1}
    assert found.named == [f"{path}: looks like a PDF document"]
    (tmp_path / "raw/a.txt").unlink()
    with pytest.raises(NotTextError):  # nothing else is there
        take(tmp_path / "raw")
    assert take(path, form="text").names == ["text"]


def test_metadata_of_a_data_set_is_left_out_and_readme_only_beside_data(tmp_path):
    for name in ("README.md", "LICENSE"):
        write(tmp_path, f"set/{name}", b"About it.\n")
    assert take(tmp_path / "set").names == ["text", "text"]
    for name in ("dataset_infos.json", "_SUCCESS", "a.jsonl.md5"):
        write(tmp_path, f"set/{name}", b"{}")
    write(tmp_path, "set/data/a.jsonl", ROW)
    found = take(tmp_path / "set")
    assert found.names == ["jsonl"]
    assert found.left_out == {"metadata": 5}
    assert take(tmp_path / "set" / "README.md").names == ["text"]


def test_arrow_files_that_the_data_set_does_not_list_are_left_out(tmp_path):
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"text": ["Cats sleep."]})
    for name in ("data-00000-of-00001.arrow", "cache-1.arrow"):
        with pa.ipc.new_stream(write(tmp_path, f"set/{name}", b""), table.schema) as writer:
            writer.write_table(table)
    write(
        tmp_path, "set/state.json", b'{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}'
    )
    found = take(tmp_path / "set")
    assert found.names == ["arrow"]
    assert found.left_out == {"metadata": 1, "not in state.json": 1}


def test_keys_need_a_form_that_has_them(tmp_path):
    path = write(tmp_path, "a.txt", b"Prose.\n")
    with pytest.raises(UsageError, match="--text-key goes with forms that have keys"):
        take(path, text_key="body")
    assert ExtractConfig(form="text", text_key="body").problems()
    assert ExtractConfig(chain="mlperf", title_key="body").problems()
    assert not ExtractConfig(form="jsonl", text_key="body").problems()
    assert ExtractConfig(encoding="klingon").problems()
    assert ExtractConfig(encoding="hex").problems()


@pytest.mark.slow  # importing datasets takes seconds
def test_a_data_set_of_save_to_disk(tmp_path, bertkit):
    datasets = pytest.importorskip("datasets")
    rows = [{"content": f"Cats sleep a lot {number} times.", "n": number} for number in range(30)]
    parts = {
        name: datasets.Dataset.from_list(rows[start : start + 10])
        for name, start in (("train", 0), ("valid", 10), ("test", 20))
    }
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "set"))
    # What map() leaves beside it is no part of the data set.
    stale = next((tmp_path / "set/train").glob("data-*.arrow"))
    (tmp_path / "set/train/cache-0123.arrow").write_bytes(stale.read_bytes())
    run = bertkit("extract", "-i", tmp_path / "set", "-o", tmp_path / "out", "--json")
    assert run.status == 0, run.err
    assert (run.result["documents"], run.result["rejected"]) == (30, 0)
    assert '3 files as arrow (by its first bytes, text in column "content")' in run.err
    text = (tmp_path / "out/part-00000-of-00001.txt").read_text()
    assert all(row["content"] in text for row in rows)
    manifest = read_manifest(tmp_path / "out")
    assert manifest.outputs["part-00000-of-00001.txt"]["forms"] == {"arrow": 3}
    assert manifest.stats["left_out"] == {"metadata": 7, "not in state.json": 1}


def test_the_line_stands_in_log_plan_and_manifest(tmp_path, bertkit):
    path = write(tmp_path, "a", b'{"body": "Cats sleep a lot."}\n')
    line = f'{path}: read as jsonl (its first line is a JSON object, text under "body")'
    plan = bertkit("extract", "-i", path, "-o", tmp_path / "out", "--dry-run", "--json")
    assert plan.result["taken_as"] == [line]
    run = bertkit("extract", "-i", path, "-o", tmp_path / "out")
    assert line in run.err
    assert read_manifest(tmp_path / "out").stats["taken_as"] == [line]


def test_encoding_and_keys_are_settings_of_the_run(tmp_path, bertkit):
    path = write(tmp_path, "a.csv", "review;name\n„Grüße“, sagte er.;Ä\n".encode("cp1252"))
    flags = ["--encoding", "cp1252", "--text-key", "review", "--title-key", "name"]
    run = bertkit("extract", "-i", path, "-o", tmp_path / "out", *flags)
    assert run.status == 0, run.err
    assert "„Grüße“, sagte er." in (tmp_path / "out/part-00000-of-00001.txt").read_text("utf-8")
    config = read_manifest(tmp_path / "out").config
    assert (config["encoding"], config["text_key"], config["title_key"]) == (
        "cp1252",
        "review",
        "name",
    )


def test_files_of_another_encoding_than_the_named_one_are_told(tmp_path):
    write(tmp_path, "set/a.txt", "Größe.\n".encode())
    write(tmp_path, "set/b.txt", "Größe.\n".encode("cp1252"))
    write(tmp_path, "set/c.txt", b"plain\n")
    write(tmp_path, "set/d.csv", "id,text\n1,Größe.\n".encode())
    said = "2 files are UTF-8 and read as such, not as cp1252"
    assert said in take(tmp_path / "set", encoding="cp1252").lines
    assert said not in take(tmp_path / "set").lines
