"""A stand-in for `cerebras.pytorch` 2.10 that refuses what the package refuses.

It was written against the package's behaviour; `tests/backends/cs/test_adapter.py` runs the same
tests on both. Its "CSX" keeps the tensors of a step to itself: nothing is computed with
them outside a traced function, nothing read outside a closure, weights leave through
`save` alone. A traced function runs once; later steps repeat what was recorded, and a
recording that would come out differently is an error.
"""

from . import amp, distributed, optim, utils
from ._engine import (
    backend,
    backends,
    checkpoint_closure,
    compile,
    current_backend,
    step_closure,
    trace,
)
from ._storage import load, save

__all__ = [
    "amp", "backend", "backends", "checkpoint_closure", "compile", "current_backend",
    "distributed", "load", "optim", "save", "step_closure", "trace", "utils",
]  # fmt: skip
