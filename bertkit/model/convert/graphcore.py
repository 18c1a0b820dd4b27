"""`step_N/` folders of Graphcore's PyTorch BERT: a folder of transformers and the run's state."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from bertkit.model.convert import hf
from bertkit.model.convert.pickles import load_inert
from bertkit.model.convert.reading import Reading

NAME = re.compile(r"step_(\d+)")
STATE = "training_state.pt"


def read(path: Path, moments: bool = False) -> Reading:
    """Sort the tensors of a step folder.

    Args:
        path: the folder.
        moments: not offered: the optimizer's state is in an order that is not stored.

    Raises:
        DataError: no weights there, or damaged files.
    """
    reading = hf.read(path, moments)
    reading.form = "graphcore"
    state = load_inert(path / STATE)
    step = state.get("step") if isinstance(state, Mapping) else None
    reading.step = step if isinstance(step, int) else None
    return reading
