"""Reads a bertkit run's step and optimizer moments, stored beside a checkpoint's weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bertkit.files import read_json
from bertkit.model.checkpoints.contents import CheckpointContents, no_optimizer_state
from bertkit.model.checkpoints.safe_pickle import load_tensors
from bertkit.model.parameter_names import MOMENTS

STATE = "state.json"
OPTIMIZER = "optimizer.pt"


def add_run_state(contents: CheckpointContents, folder: Path, moments: bool) -> None:
    """Add step and moments from a run's files; folders of other programs have no such files.

    Args:
        contents: with all weights.
        folder: of the checkpoint.
        moments: also take the optimizer's moments.

    Raises:
        DataError: no moments by parameter name there, or of other weights.
    """
    if (folder / STATE).is_file():
        state = read_json(folder / STATE)
        step = state.get("step") if isinstance(state, dict) else None
        contents.step = step if isinstance(step, int) else None
    if not moments:
        return
    if not (folder / OPTIMIZER).is_file():
        raise no_optimizer_state(contents.path)
    content = load_tensors(folder / OPTIMIZER)
    own = content.get("optimizer") if isinstance(content, Mapping) else None
    for name, values in own.items() if isinstance(own, Mapping) else ():
        for moment in MOMENTS:
            if isinstance(values, Mapping) and moment in values:
                value = values[moment]
                contents.add_checked_moment(f"{name} {moment}", value, str(name), moment)
    if not contents.moments:
        why = f"its {OPTIMIZER} holds no moments of AdamW or LAMB by parameter name"
        raise no_optimizer_state(contents.path, why)
