"""What one of two processes does for `test_waiting.py`: it waits for the other, which sleeps.

Run by the test with RANK: python waiting_processes.py PLACE
"""

from __future__ import annotations

import os
import time

from backends.torch.two_processes import batches, make
from bertkit import cli
from bertkit.backends import registry
from bertkit.backends.torch.processes import lost_process
from bertkit.backends.torch.step import TorchStepper


def wait_at(place: str, rank: int) -> None:
    """Train or gather; process 0 waits in the library, process 1 does not answer."""

    def sleep(*words):
        if rank == 1:
            os.write(2, b"sleeps\n")
            time.sleep(600)

    if place == "start" and rank == 1:
        lost_process.notes_store = sleep  # the groups of the host are made behind it
    with registry.get("cpu") as adapter:
        topology = adapter.start(distributed=True)
        if place == "gather":
            sleep()
            adapter.process_group.gather(rank)
        _, _, stepper = make(adapter, "sgd")
        if place == "backward" and rank == 1:
            TorchStepper._backward = sleep
        for step, batch in enumerate(batches(topology, "global_step")):
            stepper.train(batch, step)


if __name__ == "__main__":
    # As a command: its errors and signals end the process as they end all of them.
    cli.main_group.main = lambda args, **more: wait_at(args[0], int(os.environ["RANK"]))
    cli.entry_point()
