"""The short form of `make soak`, and that its driver notices what it should notice."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from soak import crash_points, damage, disk, hostile, kills, pairs
from soak.campaign import Campaign
from soak.children import Result, run_words
from soak.hooks import Events
from soak.table import BEGIN, END, table, write_into
from soak.trees import differences, half_written, tree


def test_a_watched_process_fails_at_the_event_that_was_chosen(tmp_path):
    """Each of the events of writing a file as a whole, counted by hand."""
    place = tmp_path / "place"

    def child(at: int, fault: str, record: str = "") -> int:
        pid = os.fork()
        if pid:
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        from bertkit.storage.files import write_text

        events = Events(str(place), at, fault, record)
        events.install()
        try:
            write_text(place / "a", "text")
        except BaseException as error:
            os._exit({OSError: 1, MemoryError: 2, KeyboardInterrupt: 3}.get(type(error), 4))
        if record:
            events.write_record()
        os._exit(0)

    place.mkdir()
    record = tmp_path / "record"
    assert child(0, "kill", str(record)) == 0
    names = [line.split(" ")[0] for line in record.read_text().splitlines()]
    assert names == ["open", "write", "fsync", "after", "os.rename", "fsync", "after"]
    (place / "a").unlink()
    for at in range(1, len(names) + 1):
        assert child(at, "kill") == -signal.SIGKILL
        assert (place / "a").exists() == (at > 5)
        for path in place.iterdir():
            path.unlink()
    for fault, status in (("ENOSPC", 1), ("EIO", 1), ("memory", 2), ("interrupt", 3)):
        assert child(2, fault) == status
        assert list(place.iterdir()) == []


def test_what_differs_is_seen(tmp_path):
    for name, content in (("a", b"1"), ("b.json", b'{"seconds": 1, "x": 2}'), ("c", b"3")):
        (tmp_path / name).write_bytes(content)
    wanted = tree(tmp_path)
    (tmp_path / "b.json").write_bytes(b'{"seconds": 5, "x": 2}')
    assert differences(wanted, tree(tmp_path)) == []
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "c").unlink()
    (tmp_path / ".d").mkdir()
    assert differences(wanted, tree(tmp_path)) == ["missing c", "extra .d", "changed a"]
    assert half_written(wanted, tree(tmp_path)) == ["a"]


def test_faults_of_a_command_are_seen(tmp_path):
    assert Result(0, "Error: one\nHint: two\n", 1).one_error
    assert not Result(0, "", 1).one_error
    assert "traceback" in Result(1, "Traceback (most recent call last):\n  x\nKeyError", 1).fault

    def before() -> None:
        raise KeyError("x")

    result = run_words(["--help"], tmp_path, tmp_path / "log", before)
    assert result.status == 98 and "KeyError" in result.fault
    result = run_words(["--version"], tmp_path, tmp_path / "log")
    assert result.status == 0 and "bertkit" in result.text and not result.fault


def test_the_table_goes_between_its_marks(tmp_path):
    row = {"part": "kills", "name": "split", "cases": 5, "good": 5, "counts": {"status -9": 30},
           "seconds": 60.0, "problems": []}  # fmt: skip
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_into(page, table([row]))
    text = page.read_text()
    assert "old" not in text and text.startswith("before\n") and text.endswith("\nafter\n")
    assert "| kills: split | 5 | 5 | status -9: 30 |" in text


def test_the_page_has_the_marks():
    text = (Path(__file__).resolve().parents[2] / "docs" / "reliability.md").read_text("utf-8")
    assert text.index(BEGIN) < text.index(END)


@pytest.mark.long
@pytest.mark.slow
def test_the_short_form_finds_nothing(tmp_path):
    """A few cases of each part; `make soak` has all of them."""
    # Forks are made from a process of its own, which nothing but this has used.
    pid = os.fork()
    if not pid:
        os._exit(_short(tmp_path))
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    problems = (tmp_path / "problems").read_text()
    assert (status, problems) == (0, "")


def _short(folder: Path) -> int:
    campaign = Campaign(folder, share=0.02, job=1, say=lambda text: None)
    campaign.prepare()
    crash_points.run(campaign, "split,train-vocab,records jsonl,pretrain")
    kills.run(campaign, "split,records tfrecord,pretrain")
    kills.run_signals(campaign, "split")
    damage.run(campaign, "tfrecord,jsonl,manifest,model.safetensors,optimizer.pt,machine")
    hostile.run(campaign, "YAML,manifest,HDF5,XML,pickle")
    disk.run(campaign, "split,convert")
    pairs.run(campaign, "split")
    problems = [text for row in campaign.outcomes() for text in row["problems"]]
    (folder / "problems").write_text("\n".join(problems))
    return 0
