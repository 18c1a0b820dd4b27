"""Remote inputs and outputs against a real S3 server process on loopback, and in memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from storage_server import s3_server

from bertkit.corpus.config import ExtractConfig, SplitConfig
from bertkit.corpus.document import read_documents
from bertkit.corpus.extraction import extract as extraction
from bertkit.corpus.extraction.extract import extract, plan
from bertkit.corpus.splitting import split as division
from bertkit.corpus.splitting.split import split
from bertkit.errors import DataError, UsageError
from bertkit.manifests.manifest import read_manifest
from corpus.stopping import noted_writes

LINES = ExtractConfig(splitter="lines", part_megabytes=1)


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    import fsspec

    with s3_server():
        fsspec.filesystem("s3").mkdir("corpora")
        yield "s3://corpora"


@pytest.fixture(params=["s3", "memory"])
def storage(request):
    if request.param == "s3":
        yield request.getfixturevalue("s3")
        return
    import fsspec

    yield "memory://corpora"
    fsspec.filesystem("memory").store.clear()


def put(url: str, text: str) -> str:
    import fsspec

    with fsspec.open(url, "wb") as stream:
        stream.write(text.encode())
    return url


def get(url: str) -> bytes:
    import fsspec

    with fsspec.open(url, "rb") as stream:
        return stream.read()


def test_extract_and_split_from_storage_to_storage(storage, tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(3):
        text = f"Document {i} speaks.\nTwice.\n"
        put(f"{storage}/in/{i}.txt", text)
        (tmp_path / f"in/{i}.txt").write_text(text)
    here = extract([str(tmp_path / "in")], str(tmp_path / "docs"), LINES, workers=1)
    assert plan([f"{storage}/in"], str(tmp_path / "out"), LINES)["files"] == 3
    for number, source in enumerate((f"{storage}/in", f"{storage}/in/*.txt")):
        there = extract([source], f"{storage}/docs{number}", LINES, workers=1)
        assert there.output == f"{storage}/docs{number}"
        assert (there.documents, there.sentences) == (here.documents, here.sentences) == (3, 6)
        part = "part-00000-of-00001.txt"
        assert get(f"{storage}/docs{number}/{part}") == (tmp_path / "docs" / part).read_bytes()
    again = extract([f"{storage}/in"], f"{storage}/docs0", LINES, workers=1)
    assert again.up_to_date
    assert again.documents == 3
    with pytest.raises(DataError, match="another run"):
        extract([f"{storage}/in/1.txt"], f"{storage}/docs0", LINES, workers=1)
    config = SplitConfig(valid=0.4, seed=3)
    result = split([f"{storage}/docs0"], f"{storage}/split", config)
    assert result.documents == 3
    assert list(read_documents(f"{storage}/split/valid.txt"))


def test_nothing_is_uploaded_by_a_failed_run(storage):
    import fsspec

    put(f"{storage}/bad/a.jsonl", '{"text": "good"}\nnot json\n')
    with pytest.raises(DataError, match="not JSON"):
        extract(
            [f"{storage}/bad/a.jsonl"], f"{storage}/failed", ExtractConfig(strict=True), workers=1
        )
    filesystem, place = fsspec.core.url_to_fs(f"{storage}/failed")
    assert not filesystem.exists(place)


@pytest.mark.slow
def test_interrupted_run_keeps_its_finished_parts(storage, tmp_path, monkeypatch):
    import fsspec

    names = [f"{storage}/parts/{i}.txt" for i in range(4)]
    for i, name in enumerate(names):
        put(name, f"Document {i} speaks.\n" + "word " * 200_000)
    here = extract(names, str(tmp_path / "docs"), LINES, workers=1)
    wanted = read_manifest(tmp_path / "docs").outputs
    assert here.parts == len(wanted) == 4
    made: list[str] = []
    real = extraction.make_part

    def third_is_killed(part):
        made.append(part.name)
        if len(made) == 3:
            raise KeyboardInterrupt
        return real(part)

    monkeypatch.setattr(extraction, "make_part", third_is_killed)
    with pytest.raises(KeyboardInterrupt):
        extract(names, f"{storage}/kept", LINES, workers=1)
    first = list(wanted)[:2]
    assert json.loads(get(f"{storage}/kept/manifest.json"))["state"] == "incomplete"
    assert [get(f"{storage}/kept/{name}") for name in first] == [
        (tmp_path / "docs" / name).read_bytes() for name in first
    ]
    with pytest.raises(DataError, match="incomplete"):
        extract([f"{storage}/kept"], str(tmp_path / "no"), LINES, workers=1)
    result = extract(names, f"{storage}/kept", LINES, workers=1)
    assert made == [*list(wanted)[:3], *list(wanted)[2:]], "a finished part was made again"
    assert result.documents == here.documents
    manifest = json.loads(get(f"{storage}/kept/manifest.json"))
    assert manifest["outputs"] == wanted
    for name in wanted:
        assert get(f"{storage}/kept/{name}") == (tmp_path / "docs" / name).read_bytes()
    again = extract(names[:1], f"{storage}/kept", LINES, workers=1, overwrite=True)
    assert again.parts == 1
    filesystem, place = fsspec.core.url_to_fs(f"{storage}/kept")
    left = {name.rpartition("/")[2] for name in filesystem.find(place)}
    assert left == {
        "manifest.json",
        "part-00000-of-00001.txt",
        ".part-00000-of-00001.txt.names",
    }


def test_interrupted_split_goes_on_in_storage(storage, tmp_path, monkeypatch):
    put(f"{storage}/one/a.txt", "".join(f"Document {i}.\n\n" for i in range(300)))
    config = SplitConfig(valid=0.2, parts=4)
    split([f"{storage}/one/a.txt"], str(tmp_path / "split"), config)
    written = noted_writes(monkeypatch, division, stop_at=3)
    with pytest.raises(KeyboardInterrupt):
        split([f"{storage}/one/a.txt"], f"{storage}/cut", config)
    split([f"{storage}/one/a.txt"], f"{storage}/cut", config)
    wanted = read_manifest(tmp_path / "split").outputs
    names = [Path(name).name for name in wanted]
    assert written == [*names[:3], *names[2:]]
    assert json.loads(get(f"{storage}/cut/manifest.json"))["outputs"] == wanted
    for name in wanted:
        assert get(f"{storage}/cut/{name}") == (tmp_path / "split" / name).read_bytes()


def test_errors_of_storage_are_one_line(storage):
    with pytest.raises(DataError):
        extract([f"{storage}/nothing/*.txt"], f"{storage}/out", LINES, workers=1)
    with pytest.raises(DataError):
        extract([f"{storage}/nothing.txt"], f"{storage}/out", LINES, workers=1)
    with pytest.raises(DataError, match="cannot use"):
        extract([put(f"{storage}/x.txt", "x\n")], "http://127.0.0.1:9/out", LINES, workers=1)
    with pytest.raises(UsageError, match="all workers see"):
        extract([], f"{storage}/out", LINES, executor="dask", scheduler="tcp://x:1")
