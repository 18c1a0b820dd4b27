"""What a bertkit run notes beside the weights of its checkpoints: the step, and moments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bertkit.files import read_json
from bertkit.model.checkpoints.contents import MOMENTS, Reading, no_moments, take_moment
from bertkit.model.checkpoints.pickles import load_plain

STATE = "state.json"
OPTIMIZER = "optimizer.pt"


def take_run_state(reading: Reading, folder: Path, moments: bool) -> None:
    """Add to a reading of weights what lies beside them; other folders have no such files.

    Args:
        reading: with all weights.
        folder: of the checkpoint.
        moments: also take the optimizer's moments.

    Raises:
        DataError: no moments by parameter name there, or of other weights.
    """
    if (folder / STATE).is_file():
        state = read_json(folder / STATE)
        step = state.get("step") if isinstance(state, dict) else None
        reading.step = step if isinstance(step, int) else None
    if not moments:
        return
    if not (folder / OPTIMIZER).is_file():
        raise no_moments(reading.place)
    content = load_plain(folder / OPTIMIZER)
    own = content.get("optimizer") if isinstance(content, Mapping) else None
    for name, values in own.items() if isinstance(own, Mapping) else ():
        for moment in MOMENTS:
            if isinstance(values, Mapping) and moment in values:
                take_moment(reading, f"{name} {moment}", values[moment], str(name), moment)
    if not reading.moments:
        why = f"its {OPTIMIZER} holds no moments of AdamW or LAMB by parameter name"
        raise no_moments(reading.place, why)
