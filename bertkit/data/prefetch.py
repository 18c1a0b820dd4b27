"""Defines feeds, which yield the batches of a run, and prepares batches ahead in a thread.

One background thread prepares the next batches while the current one is computed;
numpy and the record kernels release the interpreter lock for their heavy parts, so a
thread is enough and nothing needs to be pickled.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from bertkit.data.step_batch import StepBatch

T = TypeVar("T")


class Feed(Protocol):
    """The step batches of a run, from any position of its order on."""

    def steps(self, position: int, limit: int) -> Iterator[StepBatch]:
        """`limit` step batches from a position of the order on."""
        ...


@dataclass(frozen=True)
class StepRange:
    """Some consecutive steps of a run: called, it gives their batches; its length is their number.

    Attributes:
        feed: of the run.
        position: samples taken before.
        count: how many steps.
    """

    feed: Feed
    position: int
    count: int

    def __call__(self) -> Iterator[StepBatch]:
        """The batches, from the first one on."""
        return self.feed.steps(self.position, self.count)

    def __len__(self) -> int:
        return self.count


class Prefetch(Generic[T]):
    """Iterate over `items` with up to `depth` of them prepared ahead.

    An error raised by `items` is raised again at the place where its item would have
    come. Use as a context manager, so that the thread ends with the block.

    Args:
        items: where the work is done, in the thread.
        depth: how many prepared items may wait.
    """

    def __init__(self, items: Iterator[T], depth: int = 2) -> None:
        self._items = items
        self._queue: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._produce, name="bertkit-loader", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        while True:
            good, item = self._queue.get()
            if good:
                yield item  # type: ignore[misc]
            elif item is None:
                return
            else:
                raise item  # type: ignore[misc]

    def __enter__(self) -> Prefetch[T]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self._stop.set()
        self._thread.join()

    def _produce(self) -> None:
        try:
            for item in self._items:
                if not self._put((True, item)):
                    return
            self._put((False, None))
        except BaseException as error:
            self._put((False, error))

    def _put(self, entry: tuple[bool, T | BaseException | None]) -> bool:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(entry, timeout=0.1)
                return True
        return False
