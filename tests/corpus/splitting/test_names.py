from __future__ import annotations

import shutil

import pytest

from bertkit.corpus.config import ExtractConfig, SplitConfig
from bertkit.corpus.document import read_documents
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.splitting.split import split
from bertkit.errors import DataError
from bertkit.manifests.manifest import Manifest

LINES = ExtractConfig(splitter="lines", part_megabytes=0.2)


@pytest.fixture
def metadata(shared) -> list[str]:
    return [str(shared / f"data/owt/mini/metadata/{side}_mini.txt") for side in ("train", "val")]


@pytest.fixture
def parts(shared, tmp_path) -> str:
    """The archive of archives, extracted as it is."""
    archive = str(shared / "data/owt/mini/openwebtext.tar.xz")
    extract([archive], str(tmp_path / "docs"), LINES, workers=1)
    return str(tmp_path / "docs")


def texts(path) -> list[tuple[str, ...]]:
    return [document.sentences for document in read_documents(str(path))]


def test_archive_and_unpacked_files_give_the_same_sides(parts, metadata, openwebtext, tmp_path):
    config = SplitConfig(method="lists", metadata=metadata, splitter="lines")
    by_name = split([parts], str(tmp_path / "names"), config)
    unpacked = split([], str(tmp_path / "files"), config, prefix=str(openwebtext))
    counts = {name: facts["documents"] for name, facts in by_name.splits.items()}
    assert counts == {"train": 108, "valid": 12}
    assert by_name.sentences == unpacked.sentences
    assert by_name.across == unpacked.across
    for file in ("valid.txt", "train/part-00000-of-00001.txt"):
        assert sorted(texts(tmp_path / "names" / file)) == sorted(texts(tmp_path / "files" / file))
    assert split([parts], str(tmp_path / "names"), config).up_to_date


def test_documents_of_no_list_are_left_out_and_missing_ones_named(parts, metadata, tmp_path):
    result = split([parts], str(tmp_path / "a"), SplitConfig(method="lists", metadata=metadata[1:]))
    assert (result.documents, set(result.splits)) == (12, {"valid"})
    (tmp_path / "train.txt").write_text("urlsf_subset99-9_data/1.txt\n")
    config = SplitConfig(method="lists", metadata=[str(tmp_path / "train.txt")])
    with pytest.raises(DataError, match=r"1 of 1 listed documents are not in .*subset99-9"):
        split([parts], str(tmp_path / "b"), config)


def test_parts_of_the_training_text(parts, metadata, tmp_path, monkeypatch):
    config = SplitConfig(method="lists", metadata=metadata, part_megabytes=0.3)
    whole = split([parts], str(tmp_path / "whole"), config)
    assert whole.splits["train"]["files"] > 2
    # Interrupted after two files, the same command goes on to the same bytes.
    writes = iter(range(100))
    write = Manifest.write

    def killed(self, folder):
        if next(writes) == 3:
            raise KeyboardInterrupt
        write(self, folder)

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            split([parts], str(tmp_path / "cut"), config)
    split([parts], str(tmp_path / "cut"), config)
    for path in sorted((tmp_path / "whole").rglob("*.txt")):
        other = tmp_path / "cut" / path.relative_to(tmp_path / "whole")
        assert other.read_bytes() == path.read_bytes()


def test_text_without_names_and_a_name_that_is_there_twice(parts, metadata, tmp_path):
    (tmp_path / "own.txt").write_text("One.\n")
    config = SplitConfig(method="lists", metadata=metadata)
    with pytest.raises(DataError, match="no names of its documents"):
        split([str(tmp_path / "own.txt")], str(tmp_path / "a"), config)
    shutil.copytree(parts, tmp_path / "again")
    twice = [f"{folder}/part-00000-of-00001.txt" for folder in (parts, tmp_path / "again")]
    with pytest.raises(DataError, match="is the name of two documents"):
        split(twice, str(tmp_path / "b"), config)
