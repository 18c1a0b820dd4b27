"""Decides what becomes of a run in which a loss or gradient norm is not finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.backends.process_group import ProcessGroup
from bertkit.errors import BertkitError

STOP, SKIP = "stop", "skip"
# A run that left out so many steps in a row does not recover.
MOST_IN_A_ROW = 50
# What a step has of a batch, whatever became of its loss.
_COUNTS = ("tokens", "sequences", "token_pairs")
_ADVICE = "lower --learning-rate, lengthen the warm-up, or use bf16 instead of fp16"


@dataclass
class LeftOut:
    """The steps of a run that changed no weight.

    Attributes:
        overflow_steps: the gradient overflowed at fp16's loss scale, which is lowered then.
        skipped_steps: the loss or gradient was not finite, and `--on-nonfinite skip` given.
        in_a_row: of both kinds, up to the last step.
    """

    overflow_steps: int = 0
    skipped_steps: int = 0
    in_a_row: int = 0


@dataclass(frozen=True)
class CheckedSteps:
    """Numbers of steps after `NonFiniteSteps.check`.

    Attributes:
        numbers: of this process; without losses where the step's loss is not finite.
        losses: how many have a loss.
        grad_norm: of the last step, over all processes; None where the backend has none.
    """

    numbers: list[Mapping[str, float]]
    losses: int
    grad_norm: float | None


class NonFiniteSteps:
    """Looks through the numbers of steps; all processes come to the same decision.

    Args:
        policy: `stop`, or `skip` where the backend leaves such steps out.
        process_group: the processes that train together.
        left_out: counts, updated in place.
        last_checkpoint: waits for the checkpoint being written; returns the last one.
    """

    def __init__(
        self,
        policy: str,
        process_group: ProcessGroup,
        left_out: LeftOut,
        last_checkpoint: Callable[[], Path | None],
    ) -> None:
        self.policy = policy
        self.process_group = process_group
        self.left_out = left_out
        self._last_checkpoint = last_checkpoint

    def stops_at(self, numbers: Mapping[str, Any]) -> bool:
        """Whether a step, by the norm that all processes have, ends the run.

        Args:
            numbers: the step's, where reading them costs nothing.
        """
        if self.policy != STOP or "loss_scale" in numbers:
            return False
        return not math.isfinite(float(numbers.get("grad_norm", 0.0)))

    def check(self, steps: Sequence[Mapping[str, float]], last: int) -> CheckedSteps:
        """Count the steps that were left out, or end the run at the first that is not finite.

        Args:
            steps: numbers of this process, in the order of the steps.
            last: the number of the last one, from 1.

        Raises:
            BertkitError: a loss or norm is not finite and steps are not to be skipped; or
                `MOST_IN_A_ROW` steps were left out.
        """
        count, known = len(steps), "grad_norm" in steps[-1]
        own = [numbers["loss"] for numbers in steps]
        own += [numbers.get("grad_norm", 0.0) for numbers in steps]
        # One exchange: a sum that is finite has finite parts only.
        sums = self.process_group.sum(own)
        world = self.process_group.topology.world
        losses, norms = sums[:count], [norm / world for norm in sums[count:]]
        kept: list[Mapping[str, float]] = []
        for index, numbers in enumerate(steps):
            loss, norm = losses[index], norms[index]
            if math.isfinite(loss) and math.isfinite(norm):
                self.left_out.in_a_row = 0
            else:
                step, overflow = last - count + index + 1, "loss_scale" in numbers
                self._leave_out(step, loss, norm, overflow and math.isfinite(loss))
            if not math.isfinite(loss):
                numbers = {name: numbers[name] for name in _COUNTS if name in numbers}
            kept.append(numbers)
        finite = sum(map(math.isfinite, losses))
        return CheckedSteps(kept, finite, norms[-1] if known else None)

    def _leave_out(self, step: int, loss: float, norm: float, overflow: bool) -> None:
        """Count a step, or raise."""
        what = f"the gradient norm is {norm} (loss {loss:.4f})"
        if not math.isfinite(loss):
            what = f"the loss is {loss}"
        if not overflow and self.policy == STOP:
            raise self._error(
                f"{what} at step {step}",
                f"{_ADVICE}; or leave such steps out with --on-nonfinite skip",
            )
        counts = self.left_out
        counts.in_a_row += 1
        if overflow:
            counts.overflow_steps += 1
        else:
            counts.skipped_steps += 1
            if self.process_group.topology.is_main:
                log.logger.warning(
                    "%s at step %d: step left out (%d so far)", what, step, counts.skipped_steps
                )
        if counts.in_a_row >= MOST_IN_A_ROW:
            raise self._error(
                f"{counts.in_a_row} steps in a row, up to step {step}, were left out: {what}",
                _ADVICE,
            )

    def _error(self, what: str, hint: str) -> BertkitError:
        kept = self._last_checkpoint()
        where = f"the checkpoint {kept} is intact" if kept else "there is no checkpoint yet"
        return BertkitError(f"{what}; {where}", hint)


def warn_of_no_update(left_out: LeftOut, steps: int) -> None:
    """Say so where every step of a run was left out: the weights are those of its start."""
    if steps and left_out.overflow_steps + left_out.skipped_steps >= steps:
        log.logger.warning("nothing was learnt: all %d steps were left out; %s", steps, _ADVICE)
