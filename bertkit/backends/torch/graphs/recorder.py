"""Records work for a GPU once, so that the host can start all its kernels by one call.

(CUDA graphs: docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.) A recording works on
the memory that it was made with: what changes from call to call has to be put there before.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol

import torch

from bertkit.errors import BertkitError

Work = Callable[[], None]
# A recording takes memory on the device beside that of its tensors.
_MOST = 64


class Recorder(Protocol):
    """Runs work, or records it."""

    def run(self, work: Work) -> None:
        """Run it as recorded work will run: its libraries and kernels get ready."""
        ...

    def record(self, work: Work) -> Work:
        """What does the work of the kernels that `work` starts; they do not run now."""
        ...


class CudaRecorder:
    """Records by PyTorch's CUDA graphs, which share the memory of their intermediate results.

    No tensor that such work makes may outlive it, except in memory from before.

    Args:
        device: the GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._memory = torch.cuda.graph_pool_handle()

    def run(self, work: Work) -> None:
        """See `Recorder`; on the stream on which work is recorded."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            work()
        current.wait_stream(self._stream)

    def record(self, work: Work) -> Work:
        """See `Recorder`.

        Raises:
            BertkitError: the work does something that cannot be recorded.
        """
        graph = torch.cuda.CUDAGraph()
        try:
            # Meanwhile the loader's thread may ask for pinned memory.
            with torch.cuda.graph(
                graph, pool=self._memory, stream=self._stream, capture_error_mode="thread_local"
            ):
                work()
        except RuntimeError as error:
            told = what_failed(error)
            if told is error:
                raise
            raise told from error
        return graph.replay


def what_failed(error: RuntimeError) -> Exception:
    """The error to tell of where work could not be recorded.

    Args:
        error: PyTorch's; where it ends a recording that has failed already, the one before it,
            which says why, is its context.
    """
    before = error.__context__
    first = before if isinstance(before, RuntimeError) else error
    if isinstance(first, torch.OutOfMemoryError) or "captur" not in str(first):
        return first
    line = str(first).strip().partition("\n")[0]
    return BertkitError(f"the GPU cannot record a step: {line}", "give --set cuda.graphs=false")


class Recordings:
    """Runs work of many kinds: the first time as it is, from the second time on recorded.

    Args:
        recorder: of the device.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._found: dict[Hashable, Work | None] = {}

    def run(self, kind: Hashable, work: Work) -> None:
        """Do the work.

        Args:
            kind: work of one kind starts the same kernels on the same memory.
            work: is not called where there is a recording of its kind.
        """
        recorded = self._found.get(kind)
        if recorded is None and kind in self._found and self._count < _MOST:
            recorded = self._found[kind] = self._recorder.record(work)
        if recorded is not None:
            recorded()
            return
        self._found.setdefault(kind, None)
        self._recorder.run(work)

    @property
    def _count(self) -> int:
        return sum(recorded is not None for recorded in self._found.values())

    def forget(self) -> None:
        """Begin anew: the memory that work is done on has changed."""
        self._found.clear()
