"""What one of two processes does for `test_group_end.py`: it ends runs, in several ways.

Run by the test with RANK: python ending_processes.py FOLDER PORT PORT PORT PORT
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from pathlib import Path

import torch

from backends.torch.two_processes import batches, make
from bertkit.backends import registry
from bertkit.errors import BertkitError, TargetNotReachedError
from bertkit.system import process_end


def threads() -> list[str]:
    """Names of the threads that carry exchanges, and of those that wait for them."""
    names = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            names.append((task / "comm").read_text().strip())
    gloo = [name for name in names if "gloo" in name]
    return sorted(gloo) + [item.name for item in threading.enumerate() if "groups" in item.name]


def attempt(port, ending, rank):
    """The threads within a run and behind it; what uses its groups is still there."""
    os.environ["MASTER_PORT"] = port
    found, kept = {}, []
    try:
        with registry.get("cpu") as adapter:
            # Minutes: how long a process waits for one that fails and keeps its connections.
            topology = adapter.start(distributed=True, process_timeout=0.1)
            # Its optimizer is the first one: PyTorch imports some modules only for that.
            _, _, stepper = make(adapter, "adamw", shard=ending == "sharded")
            kept.append(stepper)
            for step, batch in enumerate(batches(topology, "global_step")):
                stepper.train(batch, step)
            adapter.process_group.gather(rank)
            found["within"] = threads()
            if ending == "missed":
                raise TargetNotReachedError("not reached")
            if ending == "failed" and rank == 1:
                torch.ones(2) @ torch.ones(3)
            if ending == "failed":
                stepper.train(batch, step)
    except (BertkitError, RuntimeError) as error:
        found["error"] = type(error).__name__
    if ending == "failed":  # its groups were in use while the error was on its way
        for _ in range(300):
            if process_end._wait():
                break
            time.sleep(0.1)
    found["behind"] = threads()
    return found


if __name__ == "__main__":
    folder, *ports = sys.argv[1:]
    number = int(os.environ["RANK"])
    done = {
        ending: attempt(port, ending, number)
        for port, ending in zip(ports, ("done", "sharded", "missed", "failed"), strict=True)
    }
    (Path(folder) / f"{number}.json").write_text(json.dumps(done))
