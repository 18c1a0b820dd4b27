"""What one of two processes does for `test_lost_process.py`: one fails, in some way.

Run by the test with RANK: python failing_processes.py FOLDER WAY=PORT...
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import signal
import sys
from pathlib import Path

import torch

from backends.torch.two_processes import batches, make
from bertkit.backends import registry
from bertkit.errors import BertkitError, DataError
from bertkit.tasks.pretraining.objective import PretrainingObjective

PATIENCE = 0.1  # minutes


def fail_for_memory():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...")


def fail_for_a_bug():
    raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


def stand_still():
    os.kill(os.getpid(), signal.SIGSTOP)


def fail_for_data():
    raise DataError("no such file: x")


class Failing(PretrainingObjective):
    """A loss that fails in the third forward pass of one process."""

    def __init__(self, fails) -> None:
        super().__init__()
        # Frozen fields are of the settings; this is not one.
        self.__dict__.update(fails=fails, calls=itertools.count(1))

    def losses(self, *words):
        if self.fails and next(self.calls) == 3:
            self.fails()
        return super().losses(*words)


def attempt(port, failing, fails):
    """One run whose process `failing` fails in the forward pass of its second step."""
    os.environ["MASTER_PORT"] = port
    try:
        with registry.get("cpu") as adapter:
            topology = adapter.start(distributed=True, process_timeout=PATIENCE)
            _, _, stepper = make(adapter, "sgd")
            stepper.task = Failing(fails if topology.rank == failing else None)
            for step, batch in enumerate(batches(topology, "global_step")):
                stepper.train(batch, step)
    except (BertkitError, RuntimeError) as error:
        hint = getattr(error, "hint", "")
        code = getattr(error, "exit_code", 1)
        return {"kind": type(error).__name__, "message": str(error), "hint": hint, "code": code}
    return {}


WAYS = {
    "memory": (1, fail_for_memory),
    "data": (1, fail_for_data),
    "bug": (0, fail_for_a_bug),
    "stopped": (1, stand_still),
    "stopped-main": (0, stand_still),
}

if __name__ == "__main__":
    folder, *wanted = sys.argv[1:]
    rank = int(os.environ["RANK"])
    found = {}
    for name, port in (word.split("=") for word in wanted):
        found[name] = attempt(port, *WAYS[name])
        gc.collect()  # what still holds connections to the other process
        (Path(folder) / f"{rank}.json").write_text(json.dumps(found))
