from __future__ import annotations

from bertkit.corpus.document import RawDocument
from bertkit.corpus.forms.tar import FORM
from corpus.forms.reading import read, write

from .archives.test_tar_members import tar_of


def test_row_reads_the_members(tmp_path):
    path = write(tmp_path, "a.tar", tar_of({"a.txt": b"A.", "b.txt": b"B."}))
    assert FORM.container
    assert read(FORM, path) == [
        RawDocument(f"{path}!a.txt", "", "A."),
        RawDocument(f"{path}!b.txt", "", "B."),
    ]
