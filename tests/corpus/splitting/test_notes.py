"""Parts are written by tasks in any order; what is noted of them comes in order."""

from __future__ import annotations

from typing import NamedTuple

from bertkit.corpus.journal import Journal
from bertkit.corpus.output_folder import open_output_folder
from bertkit.corpus.splitting.notes import Note, Sides, Written, hash_of, written_parts
from bertkit.manifests.manifest import Manifest
from bertkit.workers import engine as engines
from bertkit.workers.engine import Engine


class Task(NamedTuple):
    name: str
    folder: str


def write(task: Task) -> Written:
    with open(f"{task.folder}/{task.name}", "x") as stream:  # never twice
        stream.write(task.name)
    return Written(task.name, {"bytes": len(task.name)}, Note([hash_of(task.name)], [task.name]))


def test_notes_come_in_order_from_this_run_and_from_one_before(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "run_tasks", lambda work, tasks, **_: map(work, list(tasks)[::-1]))
    tasks = [Task(f"part-{number}.txt", str(tmp_path)) for number in range(5)]
    wanted = [(task.name, Note([hash_of(task.name)], [task.name])) for task in tasks]
    manifest = Manifest("split", {})
    with open_output_folder(str(tmp_path)) as target:
        journal = Journal(manifest, target)
        few = list(written_parts(write, tasks[1:3], journal, Engine()))
        assert few == wanted[1:3]
        assert list(written_parts(write, tasks, journal, Engine(workers=2))) == wanted
    assert list(manifest.outputs) == [task.name for task in tasks]


def test_copies_are_counted_on_one_side_and_across():
    sides = Sides()
    assert sides.duplicates() == (0, 0)
    sides.add("train", [hash_of("One two."), hash_of("one  TWO."), hash_of("Three.")])
    sides.add("valid", [hash_of("three."), hash_of("Four.")])
    assert sides.duplicates() == (2, 1)
