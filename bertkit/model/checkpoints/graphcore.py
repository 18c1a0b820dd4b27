"""`step_N/` folders of Graphcore's PyTorch BERT: a folder of transformers and the run's state.

The state holds PopTorch's optimizer, whose tensors PopART names after the parameters:
`Accl1___NAME` and `Accl2___NAME` are the first and second moment of Adam and LAMB, freed
of the loss scale, NAME with or without the `model.` of PopTorch's wrapper.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bertkit.model.checkpoints import hf
from bertkit.model.checkpoints.contents import (
    MOMENTS,
    Reading,
    no_moments,
    our_name,
    take_moment,
    untied,
)
from bertkit.model.checkpoints.pickles import load_inert

NAME = re.compile(r"step_(\d+)")
STATE = "training_state.pt"
_MOMENT = re.compile(r"Accl([12])___(?:model\.)?(.+)")


def read(path: Path, moments: bool = False) -> Reading:
    """Sort the tensors of a step folder.

    Args:
        path: the folder.
        moments: also take the optimizer's moments.

    Raises:
        DataError: no weights there, or damaged files; or the moments do not belong to the
            weights.
    """
    reading = hf.read(path)
    reading.form = "graphcore"
    state = load_inert(path / STATE)
    values = state if isinstance(state, Mapping) else {}
    step = values.get("step")
    reading.step = step if isinstance(step, int) else None
    if moments:
        _take_moments(reading, values.get("optimizer_state_dict"))
    return reading


def _take_moments(reading: Reading, optimizer: Any) -> None:
    state = optimizer.get("ipu_state") if isinstance(optimizer, Mapping) else None
    found = state if isinstance(state, Mapping) else {}
    matches = ((name, _MOMENT.fullmatch(str(name)), value) for name, value in found.items())
    for name, match, value in matches:
        if match:
            moment = MOMENTS[int(match[1]) - 1]
            take_moment(reading, name, value, untied(our_name(match[2])), moment)
    if not reading.moments:
        raise no_moments(reading.place)
