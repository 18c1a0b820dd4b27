from __future__ import annotations

import pytest

from bertkit.corpus.cleaning.config import CleanConfig
from bertkit.corpus.cleaning.findings import Findings
from bertkit.corpus.cleaning.scratch import Scratch
from bertkit.errors import DataError
from bertkit.workers.engine import Engine
from corpus.cleaning import readable


def findings(tmp_path, files, config=CleanConfig(min_words=0)):  # noqa: B008
    return Findings(
        files, [], config, scratch=Scratch(str(tmp_path / "scratch")), hashes=[""] * len(files),
        pool=Engine(1), examples=1,
    )  # fmt: skip


def test_documents_are_found_by_number_across_files(tmp_path):
    (tmp_path / "empty.txt").write_text("\n")
    files = [str(readable.write(tmp_path / name, [["One."], ["Two.", "Three."]])) for name in "ab"]
    found = findings(tmp_path, [files[0], str(tmp_path / "empty.txt"), files[1]])
    places = [(found.row_of(n)[0], found.row_of(n)[1].file) for n in range(4)]
    assert places == [(0, 0), (1, 0), (0, 2), (1, 2)]
    assert [int(found.row_of(n)[2]["line"]) for n in range(4)] == [0, 2, 0, 2]
    tasks = found.write_tasks("out", ["x", "y", "z"])
    assert [(task.start, task.first_line) for task in tasks] == [(0, 0), (2, 3), (2, 3)]


def test_no_documents_at_all(tmp_path):
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(DataError, match=r"no documents in 1 file$"):
        findings(tmp_path, [str(tmp_path / "empty.txt")])
