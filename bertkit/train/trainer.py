"""The training loop: steps, log lines, evaluations, checkpoints and signals.

It knows neither BERT nor a machine: batches come from a function of the position, a step
is the adapter's, and what a checkpoint holds is decided by `CheckpointWriter`.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from bertkit import log
from bertkit.backends.base import Stepper, Ticket
from bertkit.backends.process_group import ProcessGroup
from bertkit.data.step_batch import StepBatch, counted_together
from bertkit.errors import StoppedError
from bertkit.screen.bars import clock_time
from bertkit.train import metrics
from bertkit.train.metrics import Recorder
from bertkit.train.nonfinite import STOP, LeftOut, NonFiniteSteps
from bertkit.train.progress_text import in_short
from bertkit.train.stop_signals import EvaluationStopped, StopSignals

LINE_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """At which steps the loop logs, evaluates, saves and ends.

    Attributes:
        steps: updates of the whole run.
        log_every: steps between lines of metrics.jsonl.
        save_every: steps between checkpoints; 0 for the end only.
        eval_every: steps between evaluations; 0 for the end only.
        eval_first: evaluate before the first step too.
        eval_every_samples: the same in samples: after the step that reaches a multiple.
        samples_per_step: samples of every step; needed where `eval_every_samples` is given.
        steps_this_run: stop, saved, after so many steps of this call; 0 for no limit.
        target: (name, value): end when an evaluation's number of that name reaches the value.
        on_nonfinite: what a loss or gradient that is not finite does: `stop` or `skip`.
        check_every_step: look for one after every step; otherwise when numbers are read.
    """

    steps: int
    log_every: int = 10
    save_every: int = 0
    eval_every: int = 0
    eval_first: bool = False
    eval_every_samples: int = 0
    samples_per_step: int = 1
    steps_this_run: int = 0
    target: tuple[str, float] | None = None
    on_nonfinite: str = STOP
    check_every_step: bool = False


@dataclass
class Progress:
    """Where the loop stands.

    Attributes:
        step: updates done.
        position: samples taken from the order.
        seconds: of training, over all calls.
        finished: the run is complete.
        evaluation_due: the evaluation of this step is still to come; the step is saved before.
        train: the last log line's numbers.
        evaluation: the last evaluation's numbers.
        checkpoint: the last one written or resumed from.
        saved: the step of the last one in the run's own folder; -1: it has none.
        left_out: counts of steps that changed no weight.
    """

    step: int = 0
    position: int = 0
    seconds: float = 0.0
    finished: bool = False
    evaluation_due: bool = False
    train: dict[str, float] = field(default_factory=dict)
    evaluation: dict[str, float] = field(default_factory=dict)
    checkpoint: Path | None = None
    saved: int = -1
    left_out: LeftOut = field(default_factory=LeftOut)


class CheckpointWriter(Protocol):
    """Writes the checkpoints of a run."""

    def save(self, progress: Progress) -> Path:
        """Write a checkpoint, or begin to, and return its folder."""
        ...

    def complete(self, progress: Progress) -> None:
        """Add to the last checkpoint what the evaluation of its step has found."""
        ...

    def wait_for_saves(self) -> None:
        """Block until every checkpoint write has finished; raise what went wrong in one."""
        ...


class Trainer:
    """Runs steps until the run, this call, or a signal ends it.

    Args:
        settings: when to do what.
        stepper: does a step.
        batches: (position, number of steps) → the step batches from there on, from the
            adapter's `loader`. Opened anew after every evaluation: a machine that runs the
            loop itself does one thing at a time.
        checkpoints: writes them.
        recorder: takes the numbers of log lines and evaluations.
        evaluate: the numbers of an evaluation; None where there is nothing to evaluate.
        process_group: the processes that train together; they log, evaluate, save and stop at
            the same steps.
        peak_share: a log line's sums over all processes and its seconds → share of the
            machine's peak; None where that is not measured.
    """

    def __init__(
        self,
        settings: LoopSettings,
        *,
        stepper: Stepper,
        batches: Callable[[int, int], AbstractContextManager[Iterable[StepBatch]]],
        checkpoints: CheckpointWriter,
        recorder: Recorder | None = None,
        evaluate: Callable[[], dict[str, float]] | None = None,
        process_group: ProcessGroup | None = None,
        peak_share: Callable[[Mapping[str, float], float], float] | None = None,
    ) -> None:
        self.settings = settings
        self.stepper = stepper
        self.batches = batches
        self.checkpoints = checkpoints
        self.recorder = recorder or Recorder()
        self.evaluate = evaluate
        self.process_group = process_group or ProcessGroup()
        self.peak_share = peak_share
        self._finite = self._finite_check(Progress())
        # Tickets of steps whose numbers have not been read yet.
        self._pending: list[Ticket] = []
        self._bar: Any = None
        self._clock = 0.0
        self._line_time = -math.inf
        self._signals = StopSignals()

    def run(self, progress: Progress) -> Progress:
        """Train from where `progress` stands; it is updated in place and returned.

        Raises:
            StoppedError: after a signal or `steps_this_run`, once a checkpoint is written.
            BertkitError: a loss or gradient is not finite; the last checkpoint stays.
        """
        self._finite = self._finite_check(progress)
        first = progress.step
        left = self.settings.steps - first
        end = first + min(left, self.settings.steps_this_run or left)
        self._bar = log.progress(total=self.settings.steps, unit="step", lines=False)
        # A resumed run continues its bar where the last call stopped.
        self._bar.update(first)
        self._clock = time.perf_counter()
        try:
            with self._signals, suppress(EvaluationStopped):
                if self.settings.eval_first and progress.step == 0 and self.evaluate:
                    self._evaluate(progress)
                if progress.evaluation_due:
                    self._evaluate_saved(progress)
                # One iteration per interval between evaluations.
                while self._train_until_pause(progress, end):
                    pass
        except KeyboardInterrupt:
            log.logger.info("last checkpoint: %s", progress.checkpoint or "none yet")
            raise
        finally:
            self._bar.close()
            # A background save must not outlive the call, even after an error.
            self.checkpoints.wait_for_saves()
        if not progress.finished:
            self._stop(progress, progress.step - first)
        self.process_group.wait()
        return progress

    def _train_until_pause(self, progress: Progress, end: int) -> bool:
        """Steps up to the next evaluation; True where more are to come."""
        alone, before = not self._several, progress.step
        if progress.finished or (alone and self._stopping) or before >= end:
            return False
        # The loader is opened for exactly the steps up to the next evaluation.
        steps = self._pause(progress, end) - before
        with self.batches(progress.position, steps) as batches:
            for batch in batches:
                shared = self._shared(batch)
                if shared is None:
                    return False
                self._step(shared, progress)
                if progress.finished or (alone and self._stopping):
                    return False
        if self._several:
            self._signals.shared(self.process_group)
        return progress.step > before and not self._stopping

    @property
    def _several(self) -> bool:
        return self.process_group.topology.world > 1

    @property
    def _stopping(self) -> int:
        """The signal for which the run stops, 0 for none; several processes agree on it first."""
        return self._signals.agreed if self._several else self._signals.number

    def _shared(self, batch: StepBatch) -> StepBatch | None:
        """The batch with weights for the cases of all processes; None where the run stops.

        What processes tell each other in a step, they tell by one exchange: all of them stop
        after the same step, whichever of them a signal has reached.
        """
        if not self._several:
            return batch
        sums = self._signals.shared(self.process_group, batch.counts)
        return None if self._stopping else counted_together(batch, sums)

    def _pause(self, progress: Progress, end: int) -> int:
        """The step after which the next evaluation comes, or `end` if that is sooner."""
        step, settings = progress.step, self.settings
        if not self.evaluate:
            return end
        if settings.eval_every:
            end = min(end, step + settings.eval_every - step % settings.eval_every)
        if settings.eval_every_samples:
            # Steps until the position reaches the next multiple.
            left = settings.eval_every_samples - progress.position % settings.eval_every_samples
            end = min(end, step + math.ceil(left / settings.samples_per_step))
        return end

    def _step(self, batch: StepBatch, progress: Progress) -> None:
        settings = self.settings
        ticket = self.stepper.train(batch, progress.step)
        self._pending.append(ticket)
        progress.step += 1
        before, progress.position = progress.position, batch.next_position
        samples = settings.eval_every_samples
        # True where this step crossed a multiple of `eval_every_samples`.
        reaches = samples > 0 and before // samples != progress.position // samples
        last = progress.step == settings.steps
        saves = last or _due(progress.step, settings.save_every)
        evaluates = last or reaches or _due(progress.step, settings.eval_every)
        progress.evaluation_due = evaluates and self.evaluate is not None
        progress.finished = last and not progress.evaluation_due
        self._bar.update(1)
        # Numbers are also read before a checkpoint: one with NaN in it must not be written.
        failed = settings.check_every_step and self._finite.stops_at(ticket.sums)
        if saves or evaluates or failed or _due(progress.step, settings.log_every):
            self._log(progress)
        # Saved first: whatever ends the process while it evaluates, no step is lost.
        if saves:
            self._save(progress)
        if progress.evaluation_due:
            self._evaluate_saved(progress)

    def _evaluate_saved(self, progress: Progress) -> None:
        """The evaluation that is due; where the run is to stop, its next call begins with it.

        A call that was not given what to evaluate goes on without it.
        """
        if self._several:
            self._signals.shared(self.process_group)
        if self._stopping:
            return
        if self.evaluate:
            self._evaluate(progress)
        progress.evaluation_due = False
        progress.finished = progress.step == self.settings.steps or self._reached(progress)
        if progress.saved == progress.step:
            self.checkpoints.complete(progress)
        elif progress.finished:
            self._save(progress)

    def _log(self, progress: Progress) -> None:
        if not self._pending:
            return
        # Reading waits for the device, so single steps do not read their own numbers.
        steps = self.stepper.read(self._pending)
        self._pending.clear()
        now = time.perf_counter()
        elapsed, self._clock = now - self._clock, now
        progress.seconds += elapsed
        # Raise before these numbers reach metrics.jsonl or a checkpoint.
        checked = self._finite.check(steps, progress.step)
        # Means over all steps and processes since the last line.
        sums = self.process_group.total(metrics.total(checked.numbers))
        numbers = {
            "loss": sums["loss"] / checked.losses if checked.losses else math.nan,
            **metrics.summarise(sums),
            "learning_rate": steps[-1]["learning_rate"],
            **({} if checked.grad_norm is None else {"grad_norm": checked.grad_norm}),
            **self._left_out(progress, steps[-1]),
            "tokens_per_second": sums["tokens"] / elapsed,
            "sequences_per_second": sums["sequences"] / elapsed,
        }
        if self.peak_share:
            numbers["peak_share"] = self.peak_share(sums, elapsed)
        progress.train = numbers
        self._record(progress, "train", numbers)
        self._show(progress, seconds_per_step=elapsed / len(steps))

    def _show(self, progress: Progress, seconds_per_step: float) -> None:
        """The last log line's numbers on the progress bar, or now and then as a line."""
        text = in_short(progress.train)
        self._bar.set_postfix_str(text)
        total = self.settings.steps
        due = self._clock - self._line_time > LINE_SECONDS or progress.step == total
        if not log.bars_wanted() and due:
            self._line_time = self._clock
            remaining = clock_time(seconds_per_step * (total - progress.step))
            log.logger.info("step %d/%d: %s, %s left", progress.step, total, text, remaining)

    def _finite_check(self, progress: Progress) -> NonFiniteSteps:
        def last_checkpoint() -> Path | None:
            self.checkpoints.wait_for_saves()
            return progress.checkpoint

        policy = self.settings.on_nonfinite
        return NonFiniteSteps(policy, self.process_group, progress.left_out, last_checkpoint)

    def _left_out(self, progress: Progress, last: Mapping[str, float]) -> dict[str, float]:
        """The loss scale and how many steps were left out, where steps can be."""
        found: dict[str, float] = {}
        counts = progress.left_out
        if "loss_scale" in last:
            found["overflow_steps"] = counts.overflow_steps
        if last.get("loss_scale"):
            found["loss_scale"] = last["loss_scale"]
        if counts.skipped_steps or self.settings.on_nonfinite != STOP:
            found["skipped_steps"] = counts.skipped_steps
        return found

    def _evaluate(self, progress: Progress) -> None:
        assert self.evaluate is not None
        self.recorder.begin_evaluation(progress.step)
        numbers = self.evaluate()
        progress.evaluation = numbers
        self._record(progress, "eval", numbers)
        log.logger.info("evaluation at step %d: %s", progress.step, in_short(numbers))
        # Evaluation time does not count as training time.
        self._clock = time.perf_counter()

    def _record(self, progress: Progress, kind: str, numbers: Mapping[str, float]) -> None:
        self.recorder.record(
            kind,
            numbers,
            step=progress.step,
            position=progress.position,
            seconds=progress.seconds,
        )

    def _reached(self, progress: Progress) -> bool:
        if self.settings.target is None:
            return False
        name, value = self.settings.target
        numbers = progress.evaluation
        return metrics.losses_are_finite(numbers) and numbers.get(name, -math.inf) >= value

    def _save(self, progress: Progress) -> None:
        def write() -> None:
            progress.checkpoint = self.checkpoints.save(progress)
            progress.saved = progress.step
            log.logger.debug("saved %s", progress.checkpoint)

        self.stepper.at_checkpoint(write)
        # The time of a save does not count as training time.
        self._clock = time.perf_counter()

    def _stop(self, progress: Progress, steps: int) -> None:
        """Save where a signal or `steps_this_run` ended this call."""
        self._log(progress)
        # The last step may have saved already; do not write the same checkpoint twice.
        if steps and progress.saved != progress.step:
            self._save(progress)
        self.checkpoints.wait_for_saves()
        # torchrun ends all processes once one has ended; the main one may still be writing.
        self.process_group.wait()
        why = signal.Signals(self._stopping).name if self._stopping else "--steps-this-run"
        place = progress.checkpoint
        saved = f"everything is saved in {place}" if place else "nothing was trained yet"
        raise StoppedError(
            f"stopped by {why} at step {progress.step} of {self.settings.steps}; {saved}",
            "run the same command again to resume",
        )


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
