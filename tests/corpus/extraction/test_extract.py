from __future__ import annotations

import errno
import hashlib
import json
import lzma
import os
import sys
from pathlib import Path

import pytest

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.document import read_documents
from bertkit.corpus.extraction import extract as extraction
from bertkit.corpus.extraction.extract import extract, plan
from bertkit.errors import DataError, MissingDependencyError
from bertkit.manifests.manifest import read_manifest

LINES = ExtractConfig(splitter="lines")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("part-*"))}


def make_files(folder: Path, count: int, size: int = 1000) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"f{number:03d}.txt").write_text(f"File {number}.\n" + "word " * (size // 5))
    return folder


@pytest.mark.slow
def test_real_wikiextractor_files(shared, tmp_path):
    folder = shared / "data/mlperf_sample"
    pattern = str(folder / "wiki_01*")
    result = extract([pattern], str(tmp_path / "out"))
    blobs = [path.read_text("utf-8") for path in sorted(folder.glob("wiki_01"))]
    assert result.documents == sum(blob.count("</doc>") for blob in blobs) == 41
    documents = list(read_documents(str(tmp_path / "out/part-00000-of-00001.txt")))
    assert len(documents) == 41
    assert sum(len(item.sentences) for item in documents) == result.sentences > 5_000
    # Every word of the source is there but the titles, and nothing else.
    inside = "".join(
        line
        for blob in blobs
        for block in blob.split("<doc id=")[1:]
        for line in block.split("</doc>")[0].splitlines(keepends=True)[2:]
    )
    letters = "".join(inside.split())
    written = "".join("".join(s.split()) for d in documents for s in d.sentences)
    assert len(written) == pytest.approx(len(letters), rel=0.001)


def test_manifest_describes_the_parts(tmp_path):
    folder = make_files(tmp_path / "in", 3)
    result = extract([str(folder)], str(tmp_path / "out"), LINES)
    manifest = read_manifest(tmp_path / "out")
    assert manifest.complete
    (facts,) = manifest.outputs.values()
    blob = (tmp_path / "out/part-00000-of-00001.txt").read_bytes()
    assert facts["sha256"] == hashlib.sha256(blob).hexdigest()
    assert facts["bytes"] == len(blob) == result.bytes
    assert manifest.inputs[0]["files"] == 3
    assert manifest.stats["documents"] == 3
    assert "workers" not in manifest.config


def test_bytes_do_not_depend_on_workers(tmp_path):
    folder = make_files(tmp_path / "in", 6, 400_000)
    config = ExtractConfig(splitter="lines", part_megabytes=1)
    one = extract([str(folder)], str(tmp_path / "one"), config, workers=1)
    two = extract([str(folder)], str(tmp_path / "two"), config, workers=2)
    assert one.parts == two.parts == 3
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")
    outputs = [list(read_manifest(tmp_path / name).outputs) for name in ("one", "two")]
    assert outputs[0] == outputs[1] == sorted(outputs[0])


def test_openwebtext_documents_by_list(shared, openwebtext, tmp_path):
    mini = shared / "data/owt/mini"
    result = extract(
        [f"@{mini}/metadata/val_mini.txt"],
        str(tmp_path / "out"),
        prefix=str(openwebtext),
    )
    assert (result.files, result.documents, result.rejected) == (12, 12, 0)


def test_packed_multi_document_corpus(shared, tmp_path):
    path = shared / "data/corpus/openstax_ccby_paragraphs.txt.xz"
    config = ExtractConfig(form="documents", splitter="lines", limit=40)
    result = extract([str(path)], str(tmp_path / "out"), config)
    assert result.documents == 40
    found = list(read_documents(str(tmp_path / "out/part-00000-of-00001.txt")))
    with lzma.open(path, "rt", encoding="utf-8") as stream:
        blocks = stream.read(6_000_000).split("\n\n")[:40]
    assert [len(item.sentences) for item in found] == [
        sum(bool(line.strip()) for line in block.split("\n")) for block in blocks
    ]


def test_bad_documents_are_counted_and_named(tmp_path):
    rows = [b'{"text": "Good one. Good two."}', b"{broken", b'{"text": " "}', b'{"text": "B."}']
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(rows))
    result = extract([str(tmp_path / "a.jsonl")], str(tmp_path / "out"))
    assert (result.documents, result.sentences) == (2, 3)
    assert (result.rejected, result.empty) == (1, 1)
    (facts,) = read_manifest(tmp_path / "out").outputs.values()
    assert facts["named"][0].startswith(f"{tmp_path}/a.jsonl:2: not JSON")


def test_strict_stops_at_the_first_bad_document(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"fine\n")
    (tmp_path / "b.txt").write_bytes(b"bad \xff\n")
    config = ExtractConfig(splitter="lines", strict=True)
    with pytest.raises(DataError, match=r"b\.txt: not UTF-8 at byte 4") as caught:
        extract([str(tmp_path / "*.txt")], str(tmp_path / "out"), config)
    assert caught.value.exit_code == 3
    assert read_manifest(tmp_path / "out") is None
    assert bytes_of(tmp_path / "out") == {}


@pytest.mark.parametrize(
    ("blob", "reason"),
    [
        (b"", "no document with text"),
        (b" \n\t\n", "no document"),
        (b"\xff\n", "not UTF-8 at byte 0"),
    ],
)
def test_empty_corpus_is_refused_and_looks_unfinished(tmp_path, blob, reason):
    (tmp_path / "a.txt").write_bytes(blob)
    with pytest.raises(DataError, match=reason):
        extract([str(tmp_path / "a.txt")], str(tmp_path / "out"), LINES)
    assert read_manifest(tmp_path / "out") is None


def test_huge_document_is_rejected_not_read(tmp_path):
    (tmp_path / "big.txt").write_bytes(b"x" * 3_000_000)
    (tmp_path / "small.txt").write_bytes(b"ok\n")
    config = ExtractConfig(splitter="lines", max_document_megabytes=1)
    result = extract([str(tmp_path / "*.txt")], str(tmp_path / "out"), config)
    assert (result.documents, result.rejected) == (1, 1)


def test_hostile_strings_make_lines_that_read_back(shared, tmp_path):
    path = str(shared / "data/multilingual/blns.txt")
    config = ExtractConfig(form="documents", splitter="lines")
    result = extract([path], str(tmp_path / "out"), config)
    part = tmp_path / "out/part-00000-of-00001.txt"
    found = list(read_documents(str(part)))
    assert sum(len(item.sentences) for item in found) == result.sentences
    text = part.read_text("utf-8")
    assert text.splitlines() == text.split("\n")[:-1], "a separator other than LF is left"


def test_limit_counts_over_all_files_in_order(tmp_path):
    folder = make_files(tmp_path / "in", 6, 900_000)
    config = ExtractConfig(splitter="lines", part_megabytes=1, limit=4)
    result = extract([str(folder)], str(tmp_path / "out"), config, workers=2)
    assert (result.parts, result.documents) == (1, 4)
    found = list(read_documents(str(tmp_path / "out/part-00000-of-00001.txt")))
    assert [item.sentences[0] for item in found] == [f"File {n}." for n in range(4)]


def test_remote_input_is_read_through_fsspec(tmp_path):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/corpus/a.jsonl", b'{"text": "One.\\nTwo."}\n')
    result = extract(["memory://corpus/a.jsonl"], str(tmp_path / "out"), LINES, workers=1)
    assert (result.documents, result.sentences) == (1, 2)
    assert extract(["memory://corpus/a.jsonl"], str(tmp_path / "out"), LINES).up_to_date
    memory.pipe("/corpus/a.jsonl", b'{"text": "Changed."}\n')
    with pytest.raises(DataError, match="1 of them changed"):
        extract(["memory://corpus/a.jsonl"], str(tmp_path / "out"), LINES)


def test_full_disk_keeps_finished_parts_and_looks_unfinished(tmp_path, monkeypatch):
    folder = make_files(tmp_path / "in", 4, 900_000)
    config = ExtractConfig(splitter="lines", part_megabytes=1)
    real, written = os.fsync, []

    def third_is_full(handle: int) -> None:
        written.append(handle)
        # File and folder of the manifest, names, a part, the manifest, names, a part.
        if len(written) == 11:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", third_is_full)
    with pytest.raises(OSError, match="No space"):
        extract([str(folder)], str(tmp_path / "out"), config, workers=1)
    monkeypatch.undo()
    left = read_manifest(tmp_path / "out")
    assert not left.complete
    assert 0 < len(left.outputs) < 4
    assert extract([str(folder)], str(tmp_path / "out"), config, workers=1).documents == 4


def test_own_output_can_be_read_again(tmp_path):
    folder = make_files(tmp_path / "in", 3)
    extract([str(folder)], str(tmp_path / "one"), LINES)
    extract([str(tmp_path / "one")], str(tmp_path / "two"))
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


def test_same_call_again_has_nothing_to_do_and_another_is_refused(tmp_path):
    folder = make_files(tmp_path / "in", 2)
    extract([str(folder)], str(tmp_path / "out"), LINES)
    assert extract([str(folder)], str(tmp_path / "out"), LINES).up_to_date
    other = ExtractConfig(splitter="lines", limit=1)
    with pytest.raises(DataError, match="limit null, now 1"):
        extract([str(folder)], str(tmp_path / "out"), other)
    (folder / "f000.txt").write_text("changed")
    with pytest.raises(DataError, match="changed"):
        extract([str(folder)], str(tmp_path / "out"), LINES)
    assert extract([str(folder)], str(tmp_path / "out"), LINES, overwrite=True).documents == 2


@pytest.mark.parametrize("form", ["auto", "mediawiki"])
def test_missing_parser_is_told_before_the_work_begins(shared, tmp_path, monkeypatch, form):
    path = str(shared / "data/wikidump/enwiki-table-markup.xml.bz2")
    monkeypatch.setitem(sys.modules, "mwparserfromhell", None)
    with pytest.raises(MissingDependencyError, match="mwparserfromhell is not installed") as caught:
        extract([path], str(tmp_path / "out"), ExtractConfig(form=form, splitter="lines"))
    assert caught.value.exit_code == 4
    assert "pip install" in caught.value.hint
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    assert extract([path], str(tmp_path / "out"), LINES, workers=1).documents == 5


def test_plan_estimates_and_writes_nothing(tmp_path):
    folder = make_files(tmp_path / "in", 3)
    values = plan([str(folder)], str(tmp_path / "out"), ExtractConfig())
    assert values["files"] == 3
    assert values["forms"] == ["text"]
    assert values["parts"] == 1
    json.dumps(values)
    assert not (tmp_path / "out").exists()


def test_a_folder_of_a_version_that_did_not_cut_the_file_is_told_as_such(tmp_path, monkeypatch):
    """Parts of two divisions are never mixed; the finished ones stay until --overwrite."""
    path = tmp_path / "a.jsonl"
    rows = (json.dumps({"text": f"Text {n}. " * 20}) for n in range(300))
    path.write_text("\n".join(rows))
    with monkeypatch.context() as before:
        before.setattr(extraction, "_cut", lambda group, size, config: [group])
        extract([str(path)], str(tmp_path / "out"), LINES, workers=1, part_bytes=9_000)
    old = bytes_of(tmp_path / "out")
    with pytest.raises(DataError, match=r"1 inputs, now [5-9], of the same bytes: this version"):
        extract([str(path)], str(tmp_path / "out"), LINES, workers=1, part_bytes=9_000)
    assert bytes_of(tmp_path / "out") == old
    again = extract(
        [str(path)], str(tmp_path / "out"), LINES, workers=1, part_bytes=9_000, overwrite=True
    )
    assert len(bytes_of(tmp_path / "out")) == again.parts > 4
