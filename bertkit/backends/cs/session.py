"""Runs Cerebras' engine over the batches of a training loop, one step at a time.

The engine wants to own the loop: `for batch in DataExecutor(...)`. Here a step asks it
for one batch, traces its work, and asks for the next one, which makes the engine finish
the step: it then calls the closures in which numbers and weights can be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from torch import Tensor

from bertkit.backends.cs.features import SEGMENT_PADDING, Batches, Extent, Stream, input_fn, measure
from bertkit.data.step_batch import StepBatch
from bertkit.errors import BertkitError, MissingDependencyError


class Session:
    """A run of the engine.

    Args:
        cstorch: the package.
        stream: the batches.
        steps: how many.
    """

    def __init__(self, cstorch: Any, stream: Stream, steps: int) -> None:
        self.cstorch = cstorch
        self.stream = stream
        self.steps = steps
        self.batch: dict[str, Tensor] | None = None
        self._loop: Iterator[dict[str, Tensor]] | None = None

    @property
    def begun(self) -> bool:
        """Whether the engine runs, or has run."""
        return self._loop is not None

    def begin(self, save_every: int | None = None, first: int = 0) -> None:
        """Start the engine and get the first batch.

        Args:
            save_every: weights can be read after every update whose number this divides, and
                after the last one, for which 0 stands alone; None: never.
            first: updates done before.
        """
        data = self.cstorch.utils.data
        saves = None
        if save_every is not None:
            last = self.steps - 1
            next_one = save_every - first % save_every - 1 if save_every else last
            every = max(1, save_every)
            saves = data.Schedule(
                [data.Schedule.Range(min(next_one, last), self.steps, every, include_last=True)]
            )
        with explain_errors():
            loader = data.DataLoader(input_fn, self.stream)
            self._loop = iter(data.DataExecutor(loader, self.steps, checkpoint_steps=saves))
        self.advance()

    def advance(self) -> None:
        """Let the engine finish the step just traced, and get the next batch, if there is one."""
        assert self._loop is not None
        with explain_errors():
            self.batch = next(self._loop, None)

    def close(self) -> None:
        """Stop the engine, whether or not it is through."""
        if self._loop is not None:
            self._loop.close()  # type: ignore[attr-defined]


class explain_errors:
    """Turns errors of the vendor's cluster and compiler into one clear line."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        names = {item.__name__ for item in kind.__mro__} if kind else set()
        line = " ".join(str(error).split())[:300]
        if "ClusterConfigError" in names:
            raise MissingDependencyError(
                f"no Cerebras system can be reached: {line}",
                "give --set cs.address=HOST:PORT; without a system, --set cs.validate_only=true"
                " checks that the model can be compiled",
            ) from error
        if names & {"ApplianceClientException", "RpcError"} or "lowering failed" in line:
            raise BertkitError(
                f"the Cerebras system or its compiler failed: {line}",
                "the folder cs.artifacts has its logs",
            ) from error


@dataclass(frozen=True)
class CsBatch(StepBatch):
    """The next batch of a session, wherever it is; it holds no arrays itself.

    Attributes:
        session: where it will come from.
        facts: numbers that are known without it.
    """

    session: Session | None = None
    facts: tuple[tuple[str, float], ...] = ()


class CsLoader:
    """The batches of a loop; the engine is started by the first step.

    Args:
        cstorch: the package.
        batches: makes them.
        training: they are steps, not parts of an evaluation.
        layout: of the batches.
        length: see `features.measure`.
        packed_rows: see `features.measure`.
    """

    def __init__(
        self,
        cstorch: Any,
        batches: Batches,
        *,
        training: bool,
        layout: str,
        length: int,
        packed_rows: int,
    ) -> None:
        self.extent: Extent = measure(batches, training, length, packed_rows)
        padding = SEGMENT_PADDING.get(layout, 0) if training else 0
        stream = Stream(batches, self.extent.rows, self.extent.length, padding, training)
        self.session = Session(cstorch, stream, self.extent.steps)
        self.training = training

    def __enter__(self) -> CsLoader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.session.close()

    def __iter__(self) -> Iterator[CsBatch]:
        extent = self.extent
        known = (("sequences", float(extent.sequences)),) if self.training else ()
        for number in range(extent.steps):
            # Every step takes the same number of samples from the order.
            position = extent.first_position + number * extent.sequences
            yield CsBatch([], position, {}, self.session, known)
