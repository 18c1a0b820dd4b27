from __future__ import annotations

import pytest

from bertkit.corpus.document import RawDocument
from bertkit.corpus.download.sample import write_sample
from bertkit.corpus.forms.text import FORM
from bertkit.corpus.inputs import gather, list_inputs
from bertkit.errors import DataError, UsageError
from bertkit.manifests.manifest import Manifest
from corpus.forms.reading import read, write


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


def test_real_metadata_lists_over_the_unpacked_miniature(openwebtext, shared):
    mini = shared / "data/owt/mini"
    prefix = str(openwebtext)
    train = list_inputs([f"@{mini}/metadata/train_mini.txt"], prefix)
    valid = list_inputs([f"@{mini}/metadata/val_mini.txt"], prefix)
    assert (len(train), len(valid)) == (108, 12)
    assert not set(train) & set(valid)
    found = [item for path in train for item in read(FORM, path)]
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


def test_gathering_keeps_order_and_size():
    sizes = [10, 10, 10, 100, 5, 5, 30]
    groups = gather("abcdefg", sizes, 30)
    assert groups == [["a", "b", "c"], ["d"], ["e", "f"], ["g"]]
    assert gather([], [], 30) == []
