"""When work is run, recorded and started from its recording."""

from __future__ import annotations

import pytest
import torch

from backends.torch.graphs.replaying import ReplayingRecorder
from bertkit.backends.torch.graphs import recorder
from bertkit.backends.torch.graphs.recorder import Recordings, what_failed
from bertkit.errors import BertkitError


def test_work_is_run_once_then_recorded_then_replayed():
    made = ReplayingRecorder()
    recordings, calls = Recordings(made), []
    total, step = torch.zeros(2), torch.tensor([1.0, 2.0])

    def work():
        calls.append(1)
        total.add_(step)

    for _ in range(4):
        recordings.run("add", work)
    assert (made.runs, made.records, len(calls)) == (1, 1, 2)
    assert total.tolist() == [4.0, 8.0]
    step.fill_(0.5)  # recordings read what is in memory now
    recordings.run("add", work)
    assert total.tolist() == [4.5, 8.5]


def test_kinds_are_recorded_by_themselves_and_forgotten_together():
    made = ReplayingRecorder()
    recordings, total = Recordings(made), torch.zeros(1)
    for kind, addend in (("a", 1), ("b", 10), ("a", 1), ("b", 10)):
        recordings.run(kind, lambda addend=addend: total.add_(addend))
    assert (made.runs, made.records, total.item()) == (2, 2, 22)
    recordings.forget()
    recordings.run("a", lambda: total.add_(100))
    assert (made.runs, made.records, total.item()) == (3, 2, 122)


def test_there_are_no_more_recordings_than_memory_is_for(monkeypatch):
    monkeypatch.setattr(recorder, "_MOST", 2)
    made = ReplayingRecorder()
    recordings, total = Recordings(made), torch.zeros(1)
    for kind in range(4):
        for _ in range(3):
            recordings.run(kind, lambda: total.add_(1))
    assert made.records == 2 and total.item() == 12


def test_the_stand_in_refuses_reads_and_keeps_numbers_of_python():
    value, made = torch.ones(2), ReplayingRecorder()
    with pytest.raises(RuntimeError, match="waits for the device"):
        made.record(lambda: value.sum().item())
    number = [3.0]
    replay = made.record(lambda: value.mul_(number[0]))
    number[0] = 5.0
    replay()
    assert value.tolist() == [3.0, 3.0]


def ended(first):
    """The error by which PyTorch ends a recording in which one has come up before."""
    error = RuntimeError("CUDA error: operation failed due to a previous error during capture")
    error.__context__ = first
    return error


@pytest.mark.parametrize("wrapped", [False, True])
def test_what_cannot_be_recorded_is_told_in_one_line(wrapped):
    first = RuntimeError("CUDA error: operation not permitted when stream is capturing\nSearch")
    found = what_failed(ended(first) if wrapped else first)
    assert isinstance(found, BertkitError) and found.hint == "give --set cuda.graphs=false"
    assert found.message == (
        "the GPU cannot record a step: CUDA error: operation not permitted when stream is capturing"
    )


def test_errors_that_recording_has_no_part_in_stay_what_they_are():
    shapes, memory = RuntimeError("shapes cannot be multiplied"), torch.OutOfMemoryError("CUDA")
    assert what_failed(shapes) is shapes and what_failed(memory) is memory
    assert what_failed(ended(shapes)) is shapes and what_failed(ended(memory)) is memory
    alone = ended(None)
    assert isinstance(what_failed(alone), BertkitError)
