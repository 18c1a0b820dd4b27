"""The loop alone, with a stepper that only counts."""

from __future__ import annotations

import contextlib
import math
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from bertkit.backends.base import Ticket
from bertkit.backends.process_group import ProcessGroup, Topology
from bertkit.data.prefetch import Prefetch
from bertkit.data.step_batch import MicroBatch, StepBatch
from bertkit.errors import BertkitError, StoppedError
from bertkit.log import logger
from bertkit.train.metrics import MetricsFile, Recorder, read
from bertkit.train.trainer import LoopSettings, Progress, Trainer


class Counting:
    """Loss is the step's number; notes when numbers were read."""

    def __init__(self, at=None) -> None:
        self.at = at or {}
        self.trained: list[int] = []
        self.reads: list[int] = []

    def train(self, batch, step):
        self.trained.append(step)
        action = self.at.get(step, float(step))
        loss = action() if callable(action) else action
        return Ticket({"loss": loss, "grad_norm": 1.0}, {"learning_rate": 0.1, "tokens": 10,
                                                         "sequences": 2})  # fmt: skip

    def read(self, tickets):
        self.reads.append(len(tickets))
        return [{**ticket.sums, **ticket.facts} for ticket in tickets]

    def at_checkpoint(self, save):
        save()


def batches(position, count):
    return Prefetch(numbered(position, count))


def numbered(position, count):
    for _ in range(count):
        position += 2
        yield StepBatch([], position)


class Saved:
    """The steps that were saved; nothing is written."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.waits = 0
        self.completed: list[tuple[int, bool]] = []

    def save(self, progress):
        self.steps.append(progress.step)
        return Path(f"step-{progress.step}")

    def complete(self, progress):
        assert self.steps[-1:] == [progress.step] and not progress.evaluation_due
        self.completed.append((progress.step, progress.finished))

    def wait_for_saves(self):
        self.waits += 1


@pytest.fixture
def loop(tmp_path):
    def make(stepper, evaluate=None, **settings):
        return Trainer(
            LoopSettings(**settings),
            stepper=stepper,
            batches=batches,
            checkpoints=Saved(),
            recorder=Recorder(MetricsFile(tmp_path, 0)),
            evaluate=evaluate,
        )

    return make


@pytest.mark.parametrize("limit", [0, 4])
def test_no_process_leaves_before_the_checkpoint_is_written(loop, limit):
    """torchrun ends the others as soon as one has ended."""
    trainer = loop(Counting(), steps=6, steps_this_run=limit)
    done = []

    class Watching(ProcessGroup):
        def wait(self):
            done.append("waited")

    trainer.process_group = Watching()
    trainer.checkpoints.wait_for_saves = lambda: done.append("written")
    with pytest.raises(StoppedError) if limit else contextlib.nullcontext():
        trainer.run(Progress())
    assert done[-2:] == ["written", "waited"]


def test_numbers_are_read_at_log_steps_only(loop, tmp_path):
    stepper = Counting()
    progress = loop(stepper, steps=10, log_every=4).run(Progress())
    assert stepper.trained == list(range(10))
    assert stepper.reads == [4, 4, 2]
    assert progress.position == 20 and progress.finished
    assert [(line["step"], line["loss"]) for line in read(tmp_path / "metrics.jsonl")] == [
        (4, 1.5), (8, 5.5), (10, 8.5),
    ]  # fmt: skip


def test_saves_and_evaluations_come_when_due(loop):
    evaluated = []
    trainer = loop(
        Counting(), lambda: evaluated.append(1) or {"mlm_accuracy": 0.1},
        steps=10, save_every=4, eval_every=3,
    )  # fmt: skip
    trainer.run(Progress())
    assert trainer.checkpoints.steps == [4, 8, 10]
    assert len(evaluated) == 4


def test_a_step_is_saved_before_it_is_evaluated(loop):
    """Whatever ends the process in an evaluation: no step is lost, and it is not finished."""
    saved = []

    def evaluate():
        saved.append((list(trainer.checkpoints.steps), progress.finished))
        return {"mlm_accuracy": 0.1}

    trainer = loop(Counting(), evaluate, steps=10, save_every=4, eval_every=4)
    progress = Progress()
    trainer.run(progress)
    assert saved == [([4], False), ([4, 8], False), ([4, 8, 10], False)]
    assert trainer.checkpoints.completed == [(4, False), (8, False), (10, True)]


@pytest.mark.parametrize(("step", "finished"), [(10, True), (4, False)])
def test_an_evaluation_that_is_due_comes_first(loop, step, finished):
    begun = Progress(step=step, position=2 * step, saved=step, evaluation_due=True)
    seen = []
    trainer = loop(
        Counting(),
        lambda: seen.append(len(trainer.stepper.trained)) or {"mlm_accuracy": 0.6},
        steps=10,
        target=("mlm_accuracy", 0.5) if not finished else None,
    )
    trainer.checkpoints.steps.append(step)
    progress = trainer.run(begun)
    # At step 10 it was the last evaluation; at step 4 it reaches the target.
    assert progress.finished and not progress.evaluation_due and seen == [0]
    assert trainer.checkpoints.completed == [(step, True)] and not trainer.stepper.trained


@pytest.mark.parametrize("save_every", [0, 4])
def test_a_signal_before_an_evaluation_leaves_it_to_the_next_call(loop, save_every):
    def terminate():
        os.kill(os.getpid(), signal.SIGTERM)
        return 1.0

    trainer = loop(
        Counting({3: terminate}), lambda: pytest.fail("evaluated"),
        steps=10, eval_every=4, save_every=save_every,
    )  # fmt: skip
    progress = Progress()
    with pytest.raises(StoppedError, match="SIGTERM at step 4 of 10"):
        trainer.run(progress)
    assert progress.evaluation_due and trainer.checkpoints.steps == [4]
    assert not trainer.checkpoints.completed


@pytest.mark.parametrize("when", [{"eval_every": 3}, {"eval_every_samples": 5}])
def test_batches_are_opened_anew_after_every_evaluation(loop, when):
    """So that a machine that runs the loop itself can evaluate between two stretches."""
    opened, evaluated = [], []
    trainer = loop(
        Counting(), lambda: evaluated.append(len(trainer.stepper.trained)) or {},
        steps=10, samples_per_step=2, **when,
    )  # fmt: skip

    def noted(position, count):
        opened.append((position, count))
        return batches(position, count)

    trainer.batches = noted
    trainer.run(Progress(step=1, position=2))
    ends = [position // 2 + count for position, count in opened]
    assert ends == [step + 1 for step in evaluated]
    assert trainer.stepper.trained == list(range(1, 10))
    expected = [3, 6, 9, 10] if "eval_every" in when else [3, 5, 8, 10]
    assert ends == expected


def test_a_feed_that_ends_early_ends_the_loop(loop):
    trainer = loop(Counting(), steps=10)
    trainer.batches = lambda position, count: batches(position, 2 if position == 0 else 0)
    with pytest.raises(StoppedError, match="step 2 of 10"):
        trainer.run(Progress())


def test_going_on_does_the_rest_only(loop):
    stepper = Counting()
    loop(stepper, steps=10).run(Progress(step=7, position=14))
    assert stepper.trained == [7, 8, 9]


def test_a_target_ends_the_run_saved(loop):
    accuracies = iter([0.1, 0.5, 0.9])
    trainer = loop(
        Counting(),
        lambda: {"mlm_accuracy": next(accuracies)},
        steps=100,
        eval_every=5,
        target=("mlm_accuracy", 0.5),
    )
    progress = trainer.run(Progress())
    assert progress.finished and progress.step == 10
    assert trainer.checkpoints.steps == [10]


def test_a_loss_that_is_no_number_is_found_before_saving(loop):
    trainer = loop(Counting({6: math.nan}), steps=20, log_every=100, save_every=5)
    with pytest.raises(
        BertkitError, match="the loss is nan at step 7; the checkpoint step-5 is intact"
    ):
        trainer.run(Progress())
    assert trainer.checkpoints.steps == [5]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGHUP"])
def test_a_signal_finishes_the_step_and_saves(loop, name):
    number = getattr(signal, name)

    def terminate():
        os.kill(os.getpid(), number)
        return 1.0

    before = signal.getsignal(number)
    stepper = Counting({3: terminate})
    trainer = loop(stepper, steps=10)
    with pytest.raises(StoppedError, match=f"{name} at step 4 of 10"):
        trainer.run(Progress())
    assert trainer.checkpoints.steps == [4]
    assert signal.getsignal(number) is before


class Two(ProcessGroup):
    """This process and one that has three cases in every step, and a signal before one."""

    def __init__(self, signal_at=0):
        super().__init__(Topology(world=2))
        self.asked, self.signal_at = [], signal_at

    def sum(self, values):
        self.asked.append(list(values))
        sent = signal.SIGTERM if len(self.asked) == self.signal_at else 0
        return [values[0] + sent, *(value + 3.0 for value in values[1:])]

    def gather(self, item):
        return [item, item]


def test_processes_exchange_once_per_step(loop):
    """Counts of the step and a wish to stop travel together."""
    seen = []
    weights = np.array([2.0, 0.0], np.float32)

    class Looking(Counting):
        def train(self, batch, step):
            seen.append((batch.counts, batch.micro_batches[0].arrays["mlm_weights"].tolist()))
            return super().train(batch, step)

    def steps(position, count):
        micro = MicroBatch({"mlm_weights": weights}, np.array([2]))
        items = (StepBatch([micro], position + 2 * n + 2, {"mlm": 1.0}) for n in range(count))
        return Prefetch(items)

    trainer = loop(Looking(), steps=4, log_every=4)
    trainer.batches, trainer.process_group = steps, Two()
    trainer.run(Progress())
    assert seen == [({}, [0.5, 0.0])] * 4 and weights[0] == 2.0
    # Then what a log line exchanges, and the wait at the end.
    assert trainer.process_group.asked[:4] == [[0, 1.0]] * 4
    assert all(len(values) != 2 for values in trainer.process_group.asked[4:])


@pytest.mark.parametrize("signal_at", [1, 4])
def test_another_process_s_signal_stops_before_the_next_step(loop, signal_at):
    stepper = Counting()
    trainer = loop(stepper, steps=10, log_every=100)
    trainer.process_group = Two(signal_at)
    with pytest.raises(StoppedError, match=f"SIGTERM at step {signal_at - 1} of 10"):
        trainer.run(Progress())
    assert stepper.trained == list(range(signal_at - 1))
    assert trainer.checkpoints.steps == ([signal_at - 1] if signal_at > 1 else [])


def test_a_signal_during_the_exchange_is_for_the_next_one(loop):
    """The other process has not heard of it, and trains the step: alone it would wait in it."""

    class Hit(Two):
        def sum(self, values):
            found = super().sum(values)
            if len(self.asked) == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return found

    stepper = Counting()
    trainer = loop(stepper, steps=10, log_every=100)
    trainer.process_group = Hit()
    with pytest.raises(StoppedError, match="SIGTERM at step 2 of 10"):
        trainer.run(Progress())
    assert stepper.trained == [0, 1]


def test_a_signal_during_an_evaluation_stops_all_before_the_next_stretch(loop):
    trainer = loop(Counting(), dict, steps=10, eval_every=3, log_every=100)
    # After three steps, their log line, and the word before the evaluation: the stretch's end.
    trainer.process_group = Two(signal_at=6)
    progress = Progress()
    with pytest.raises(StoppedError, match="SIGTERM at step 3 of 10"):
        trainer.run(progress)
    assert not progress.evaluation_due


def test_another_process_s_signal_before_an_evaluation_leaves_it_out(loop):
    trainer = loop(
        Counting(), lambda: pytest.fail("evaluated"), steps=10, eval_every=3, log_every=100
    )
    trainer.process_group = Two(signal_at=5)
    progress = Progress()
    with pytest.raises(StoppedError, match="SIGTERM at step 3 of 10"):
        trainer.run(progress)
    assert progress.evaluation_due and trainer.checkpoints.steps == [3]


def test_sigterm_in_the_last_step_is_a_finished_run(loop):
    def terminate():
        os.kill(os.getpid(), signal.SIGTERM)
        return 1.0

    trainer = loop(Counting({9: terminate}), steps=10)
    assert trainer.run(Progress()).finished
    assert trainer.checkpoints.steps == [10]


def test_a_limited_call_saves_once(loop):
    trainer = loop(Counting(), steps=10, save_every=3, steps_this_run=6)
    with pytest.raises(StoppedError, match="--steps-this-run at step 6"):
        trainer.run(Progress())
    assert trainer.checkpoints.steps == [3, 6]


def test_errors_of_the_data_come_through(loop):
    trainer = loop(Counting(), steps=10)

    def broken(position, count):
        yield from numbered(position, 2)
        raise ValueError("record 17 is broken")

    trainer.batches = lambda position, count: Prefetch(broken(position, count))
    with pytest.raises(ValueError, match="record 17"):
        trainer.run(Progress())


def test_plain_lines_where_there_is_no_bar(loop, monkeypatch):
    seen = []
    monkeypatch.setattr(logger, "info", lambda text, *values: seen.append(text % values))
    loop(Counting(), steps=10, log_every=5).run(Progress())
    assert seen[0].startswith("step 5/10: loss 2.000, lr 1.00e-01, ")
    assert seen[-1].startswith("step 10/10: loss 7.000, ")
    assert seen[-1].endswith(" tokens/s, 0:00:00 left")
