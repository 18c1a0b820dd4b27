"""Says for whom a process waits, once it has waited long in a call that all processes make.

All processes make the same calls in the same order, so the number of its call tells how far one
is. Nothing is exchanged for a wait that is short.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from bertkit import log
from bertkit.backends.process_group import Topology
from bertkit.backends.torch.processes.limited_call import within
from bertkit.backends.torch.processes.rendezvous import named_with_hosts

# Seconds until a wait is told; between two looks; for an answer of the store.
_TELL, _LOOK, _ANSWER = 60.0, 5.0, 5.0


class ToldWaits:
    """The waits of one process.

    Args:
        topology: this process's place.
        store: that all processes reach.
    """

    def __init__(self, topology: Topology, store: Any) -> None:
        self._topology = topology
        self._store = store
        self._call = 0  # number of the last call
        self._since: float | None = None  # when it began; None where none is being made
        self._done = threading.Event()
        thread = threading.Thread(target=self._watch, name="bertkit-waits", daemon=True)
        thread.start()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """For a call that returns when all processes have made it."""
        self._call += 1
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None

    def close(self) -> None:
        """Tell of no more waits."""
        self._done.set()

    def _watch(self) -> None:
        told = said = 0
        while not self._done.wait(_LOOK):
            call, since = self._call, self._since
            if since is None or call == told or time.monotonic() - since < _TELL:
                continue
            with contextlib.suppress(Exception):  # a store that is gone: the call fails, too
                if said != call:
                    own = f"waits/{self._topology.rank}"
                    within(_ANSWER, partial(self._store.set, own, str(call)))
                    said = call
                    continue  # the others that wait say so, too, before somebody looks
                missing = within(_ANSWER, partial(self._missing, call))
                told = call
                self._tell(missing, time.monotonic() - since)

    def _missing(self, call: int) -> list[int]:
        """The processes that have not come to this call, as far as is known."""
        found = []
        for rank in range(self._topology.world):
            name = f"waits/{rank}"
            if not self._store.check([name]) or int(self._store.get(name)) < call:
                found.append(rank)
        return found

    def _tell(self, missing: list[int], seconds: float) -> None:
        """One process tells for all that wait."""
        waiting = set(range(self._topology.world)) - set(missing)
        if missing and min(waiting) == self._topology.rank:
            log.logger.warning(
                "this run has waited for %s for %.0f seconds", named_with_hosts(missing), seconds
            )
