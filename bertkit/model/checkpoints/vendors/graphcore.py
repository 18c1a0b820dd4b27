"""Reads checkpoints of Graphcore's PyTorch BERT: `step_N/` folders.

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
from bertkit.model.checkpoints.contents import CheckpointContents, no_optimizer_state
from bertkit.model.checkpoints.formats import newest
from bertkit.model.checkpoints.vendors.safe_pickle import load_with_stand_ins
from bertkit.model.parameter_names import MOMENTS, from_pytorch_name, tied_parameter

NAME = re.compile(r"step_(\d+)")
STATE = "training_state.pt"
_MOMENT = re.compile(r"Accl([12])___(?:model\.)?(.+)")


def find(path: Path) -> Path | None:
    """A step folder; of a folder of several, the newest."""
    if path.is_dir() and not (path / STATE).is_file():
        path = newest(path, NAME) or path
    return path if path.is_dir() and (path / STATE).is_file() else None


def read(path: Path, moments: bool = False) -> CheckpointContents:
    """Sort the tensors of a step folder.

    Args:
        path: the folder.
        moments: also take the optimizer's moments.

    Raises:
        DataError: no weights there, or damaged files; or the moments do not belong to the
            weights.
    """
    contents = hf.read(path)
    contents.format = "graphcore"
    state = load_with_stand_ins(path / STATE)
    values = state if isinstance(state, Mapping) else {}
    step = values.get("step")
    contents.step = step if isinstance(step, int) else None
    if moments:
        _add_moments(contents, values.get("optimizer_state_dict"))
    return contents


def _add_moments(contents: CheckpointContents, optimizer: Any) -> None:
    state = optimizer.get("ipu_state") if isinstance(optimizer, Mapping) else None
    found = state if isinstance(state, Mapping) else {}
    matches = ((name, _MOMENT.fullmatch(str(name)), value) for name, value in found.items())
    for name, match, value in matches:
        if match:
            moment = MOMENTS[int(match[1]) - 1]
            target = tied_parameter(from_pytorch_name(match[2]))
            contents.add_checked_moment(name, value, target, moment)
    if not contents.moments:
        raise no_optimizer_state(contents.path)
