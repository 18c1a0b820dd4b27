from __future__ import annotations

import gzip
import json
import tarfile

import pytest

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.download.sample import write_sample
from bertkit.corpus.forms.text import detect_form, list_inputs, read_blocks, read_jsonl, read_text
from bertkit.errors import DataError, UsageError
from bertkit.manifest import Manifest

LIMIT = 64_000_000


def write(tmp_path, name: str, blob: bytes) -> str:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(blob)
    return str(path)


def test_forms_are_recognised(tmp_path, shared):
    assert detect_form(str(shared / "data/mlperf_sample/wiki_00")) == "wikiextractor"
    assert detect_form(write(tmp_path, "a.jsonl", b"")) == "jsonl"
    assert detect_form(write(tmp_path, "a.jsonl.gz", gzip.compress(b"x"))) == "jsonl"
    assert detect_form(write(tmp_path, "wiki", b'\n{"text": "x"}\n')) == "jsonl"
    assert detect_form(write(tmp_path, "a.txt", b"{not json}\n")) == "text"
    assert detect_form(write(tmp_path, "b.txt", b"plain\n")) == "text"
    assert detect_form(write(tmp_path, "empty", b"")) == "text"


def test_own_output_is_recognised_as_sentences(tmp_path):
    path = write(tmp_path, "split/train/part-00000-of-00001.txt", b"A.\nB.\n")
    Manifest("split", {}, state="complete").write(tmp_path / "split")
    assert detect_form(path) == "sentences"


def test_tar_is_recognised_also_inside_xz(shared):
    assert detect_form(str(shared / "data/owt/mini/openwebtext.tar.xz")) == "tar"


def test_archives_are_refused_with_what_to_do_and_dumps_are_known(shared):
    with pytest.raises(DataError, match="archive") as caught:
        detect_form(str(shared / "data/multilingual/udhr2.zip"))
    assert caught.value.hint
    for name in (shared / "data/wikidump").iterdir():
        assert detect_form(str(name)) == "mediawiki"


def test_lists_with_and_without_prefix(tmp_path):
    a, b = write(tmp_path, "d/a.txt", b"a"), write(tmp_path, "d/s/b.txt", b"b")
    names = write(tmp_path, "list.txt", b"s/b.txt\r\n\na.txt\n")
    assert list_inputs([f"@{names}"], str(tmp_path / "d")) == [b, a]
    full = write(tmp_path, "full.txt", f"{a}\n".encode())
    assert list_inputs([f"@{full}", b]) == [a, b]
    with pytest.raises(UsageError, match="list of names"):
        list_inputs([a], "prefix")
    with pytest.raises(DataError, match="names no files"):
        list_inputs(["@" + write(tmp_path, "none.txt", b"\n")])
    with pytest.raises(DataError, match="no such file"):
        list_inputs([f"@{names}"], str(tmp_path / "elsewhere"))


def test_real_metadata_lists_over_the_unpacked_miniature(tmp_path, shared):
    mini = shared / "data/owt/mini"
    with tarfile.open(mini / "openwebtext.tar.xz") as outer:
        outer.extractall(tmp_path, filter="data")
    for packed in sorted((tmp_path / "openwebtext").glob("*.xz")):
        with tarfile.open(packed) as inner:
            inner.extractall(packed.with_suffix(""), filter="data")
    prefix = str(tmp_path / "openwebtext")
    train = list_inputs([f"@{mini}/metadata/train_mini.txt"], prefix)
    valid = list_inputs([f"@{mini}/metadata/val_mini.txt"], prefix)
    assert (len(train), len(valid)) == (108, 12)
    assert not set(train) & set(valid)
    found = [item for path in train for item in read_text(path, LIMIT)]
    assert len(found) == 108
    assert all(isinstance(item, RawDocument) and item.text.strip() for item in found)


def test_folder_of_a_download_gives_its_text_only(tmp_path):
    write_sample(str(tmp_path / "raw"))
    found = list_inputs([str(tmp_path / "raw")])
    assert found == [str(path) for path in found if "/text/" in path]
    assert len(found) > 60


def test_unfinished_folder_is_refused(tmp_path):
    write(tmp_path, "docs/part.txt", b"x\n")
    Manifest("extract", {}).write(tmp_path / "docs")
    with pytest.raises(DataError, match="incomplete"):
        list_inputs([str(tmp_path / "docs")])


def test_empty_folder_and_missing_file(tmp_path):
    with pytest.raises(DataError, match="no files"):
        list_inputs([str(tmp_path)])
    with pytest.raises(DataError, match="no such file"):
        list_inputs([str(tmp_path / "none")])


def test_blocks_are_documents_with_their_line(tmp_path):
    path = write(tmp_path, "a.txt", b"\n\none\nmore\n \n\ntwo")
    assert list(read_blocks(path, LIMIT)) == [
        RawDocument(f"{path}:3", "", "one\nmore\n"),
        RawDocument(f"{path}:7", "", "two"),
    ]


def test_bad_block_costs_one_document(tmp_path):
    path = write(tmp_path, "a.txt", b"one\n\nt\xffwo\n\n" + b"x" * 3000 + b"\n\nfour\n")
    one, two, three, four = read_blocks(path, 1000)
    assert one.text == "one\n"
    assert two == Rejected(f"{path}:3", f"not UTF-8 at byte 6 of {path}")
    assert isinstance(three, Rejected)
    assert four.text == "four\n"


def test_text_file_is_one_document_or_one_rejection(tmp_path, shared):
    book = str(shared / "data/corpus/gutenberg17/austen-persuasion.txt")
    (item,) = read_text(book, LIMIT)
    assert (
        item.text.encode()
        == (shared / "data/corpus/gutenberg17/austen-persuasion.txt").read_bytes()
    )
    (big,) = read_text(book, 1000)
    assert isinstance(big, Rejected)
    latin = str(shared / "data/corpus/gutenberg17/shakespeare-caesar.txt")
    (bad,) = read_text(latin, LIMIT)
    blob = (shared / "data/corpus/gutenberg17/shakespeare-caesar.txt").read_bytes()
    byte = next(i for i, value in enumerate(blob) if value > 127)
    assert f"not UTF-8 at byte {byte}" in bad.reason


def test_json_lines_good_and_bad(tmp_path):
    good = {"id": 5, "url": "u", "title": "T", "text": "x \ud800 \n\ny"}
    rows = [
        json.dumps(good).encode(),
        b'{"text": "only"}',
        b'{"txt": "x"}',
        b"[1]",
        b'{"text": 5}',
        b"{broken",
        b"",
        b'{"text": "\xff"}',
        b"[" * 100_000,
        b'{"text": "last"}',
    ]
    path = write(tmp_path, "a.jsonl", b"\n".join(rows))
    found = list(read_jsonl(path, LIMIT))
    assert found[0] == RawDocument("5", "T", "x \ud800 \n\ny")
    assert found[1] == RawDocument(f"{path}:2", "", "only")
    assert all(isinstance(item, Rejected) for item in [*found[2:6], *found[7:9]])
    assert found[6].text == ""
    assert found[9].text == "last"
    assert [item.id for item in found[2:]] == [f"{path}:{n}" for n in range(3, 11)]
