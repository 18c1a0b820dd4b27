"""The oracle's labels are looked for once, and never taken for those of anything else."""

from __future__ import annotations

import pytest

from bertkit.tasks.summarise import summarise
from bertkit.tasks.summarise.documents import Document
from bertkit.tasks.summarise.oracle import ORACLES, greedy
from bertkit.tasks.summarise.oracle_cache import NAME, kept_labels, key
from tasks.summarise.conftest import documents
from tasks.summarise.test_summarise import last

FEW = [
    Document("a:1", ["one two", "three four", "five"], ["three four"]),
    Document("a:2", ["six"], ["six"]),
]
MADE = [[0, 1, 0], [1]]


def test_what_was_kept_is_what_was_made(tmp_path, caplog):
    own = key(FEW, "greedy", 3)
    path = tmp_path / "new" / NAME
    assert kept_labels(path, own, [3, 1], lambda: MADE, write=False) == MADE
    assert not path.exists()
    assert kept_labels(path, own, [3, 1], lambda: MADE) == MADE
    assert kept_labels(path, own, [3, 1], pytest.fail) == MADE
    assert kept_labels(tmp_path / "none", key([], "greedy", 3), [], list) == []


@pytest.mark.parametrize(
    "other",
    [
        key(FEW[:1], "greedy", 3),
        key(FEW, "combination", 3),
        key(FEW, "greedy", 2),
        key([Document("a:1", ["one two", "three four", "five"], ["one two"]), FEW[1]], "greedy", 3),
        key([Document("", ["one", "two three four", "five"], ["three four"]), FEW[1]], "greedy", 3),
        key([FEW[0], Document("a:2", ["six"], ["s", "ix"])], "greedy", 3),
    ],
)  # fmt: skip
def test_labels_of_anything_else_are_made_again(tmp_path, other):
    own = key(FEW, "greedy", 3)
    kept_labels(tmp_path / NAME, other, [3, 1], lambda: [[1, 1, 1], [0]])
    assert kept_labels(tmp_path / NAME, own, [3, 1], lambda: MADE) == MADE
    assert own == key([Document("b:9", FEW[0].sentences, FEW[0].summary, name="x"), FEW[1]],
                      "greedy", 3)  # fmt: skip


def test_no_changed_byte_gives_other_labels(tmp_path):
    own = key(FEW, "greedy", 3)
    path = tmp_path / NAME
    kept_labels(path, own, [3, 1], lambda: MADE)
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        path.write_bytes(bytes(damaged))
        assert kept_labels(path, own, [3, 1], lambda: MADE) == MADE
    path.write_bytes(whole[: len(whole) // 2])
    assert kept_labels(path, own, [3, 1], lambda: MADE) == MADE
    assert path.read_bytes() == whole  # in place of the damaged one


@pytest.fixture
def asked(monkeypatch):
    """Summaries that the oracle was asked for."""
    found = []

    def counted(document, summary, most):
        found.append(summary)
        return greedy(document, summary, most)

    monkeypatch.setitem(ORACLES, "greedy", counted)
    monkeypatch.setattr(summarise, "ORACLES", ORACLES)
    return found


def test_a_run_that_goes_on_asks_no_oracle(command, tmp_path, bertkit, asked):
    command = [*command, "--max-steps", 6, "--save-every", 3]
    assert bertkit(*command).status == 0
    assert len(asked) == 24
    del asked[:]
    stopped = [*command, "--output", tmp_path / "stopped"]
    assert bertkit(*stopped, "--steps-this-run", 3).status == 75
    assert len(asked) == 24 and (tmp_path / "stopped" / NAME).is_file()
    done = bertkit(*stopped)
    assert done.status == 0 and len(asked) == 24 and "labels of 24 documents from" in done.err
    whole, parts = last(tmp_path / "run"), last(tmp_path / "stopped")
    assert all(value.equal(parts[name]) for name, value in whole.items())


def test_runs_share_a_folder_and_a_dry_run_writes_nothing(command, write, tmp_path, bertkit, asked):
    folder = tmp_path / "cache"
    command = [*command, "--max-steps", 1, "--cache", folder]
    assert bertkit(*command, "--dry-run").status == 0 and not folder.exists()
    del asked[:]
    assert bertkit(*command).status == 0 and len(asked) == 24
    again = bertkit(*command, "--output", tmp_path / "again", "--seed", 4)
    assert again.status == 0 and len(asked) == 24 and len(list(folder.iterdir())) == 1
    assert not (tmp_path / "again" / NAME).exists()
    # Others, some of which say their labels themselves: only the rest is looked for.
    marked = [dict(record, labels=[1] + [0] * (len(record["document"]) - 1))
              for record in documents(4)]  # fmt: skip
    mixed = write("mixed.jsonl", [*marked, *documents(6, seed=5)])
    done = bertkit(*command, "--train-file", mixed, "--output", tmp_path / "mixed")
    assert done.status == 0 and len(asked) == 24 + 6 and len(list(folder.iterdir())) == 2
