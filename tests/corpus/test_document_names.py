from __future__ import annotations

import pytest

from bertkit.corpus.document_names import (
    NameIndex,
    name_line,
    named_documents,
    names_beside,
    path_of,
)
from bertkit.errors import DataError


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a/owt.tar.xz!openwebtext/s-1_data.xz!1-f.txt", "a/owt/openwebtext/s-1_data/1-f.txt"),
        ("a.tgz!b/c.txt", "a/b/c.txt"),
        ("plain/file.txt", "plain/file.txt"),
        ("data.xz", "data.xz"),
    ],
)
def test_names_in_archives_are_paths_of_unpacked_files(name, path):
    assert path_of(name) == path


def test_listed_names_are_found_at_the_end_of_paths():
    index = NameIndex(["s-1_data/1.txt", "./deep/s-2_data/2.txt", "3.txt"])
    assert index.find("x.tar!owt/s-1_data.xz!1.txt") == "s-1_data/1.txt"
    assert index.find("/deep/s-2_data/2.txt") == "./deep/s-2_data/2.txt"
    assert index.find("3.txt") == index.find("a/3.txt") == "3.txt"
    assert index.find("owt/other-1_data/1.txt") is None
    # No part of a component matches.
    assert index.find("owt/another-s-1_data/1.txt") is None


def test_names_and_documents_must_be_as_many(tmp_path):
    part = tmp_path / "part-00000-of-00001.txt"
    part.write_text("One.\nTwo.\n\nThree.\n")
    with pytest.raises(DataError, match="no names of its documents"):
        list(named_documents(str(part)))
    beside = tmp_path / ".part-00000-of-00001.txt.names"
    assert names_beside(str(part)) == str(beside)
    beside.write_bytes(name_line("a\nb.txt") + name_line("c.txt"))
    found = [(name, len(document.sentences)) for name, document in named_documents(str(part))]
    assert found == [("a b.txt", 2), ("c.txt", 1)]
    for names, says in ((b"a\n", "1 names and more"), (b"a\nb\nc\n", "3 names and 2 documents")):
        beside.write_bytes(names)
        with pytest.raises(DataError, match=says):
            list(named_documents(str(part)))
