"""Reads what a bertkit run wrote beside a checkpoint's weights: step, moments, its best model.

Where a run is named and a checkpoint is wanted, its best model is meant where it kept one, and
otherwise its last checkpoint: `best_of` and `hf.find`. Only a run that goes on looks for the last
one itself, since the best model has no optimizer state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bertkit.codecs.sealed_json import require_sealed, sealed
from bertkit.codecs.strict_json import is_finite, json_text
from bertkit.errors import DataError
from bertkit.model.checkpoints.checksums import (
    FILES,
    broken_container,
    damage,
    folder_facts,
)
from bertkit.model.checkpoints.contents import CheckpointContents, no_optimizer_state
from bertkit.model.checkpoints.vendors.safe_pickle import load_tensors
from bertkit.model.parameter_names import MOMENTS
from bertkit.storage.files import read_json, write_text

STATE = "state.json"
OPTIMIZER = "optimizer.pt"
WEIGHTS = "model.safetensors"
BEST = "best"  # folder of the model of the best evaluation, in the folder of the run
BEST_FACTS = "best.json"


def write_state(folder: Path, values: Mapping[str, Any]) -> None:
    """Write `state.json`, last of all files: it lists the others with their checksums.

    Args:
        folder: with all other files of the checkpoint.
        values: where the run stands.
    """
    content = sealed({**values, FILES: folder_facts(folder)})
    (folder / STATE).write_bytes((json_text(content, indent=1) + "\n").encode())


def amend_state(folder: Path, changes: Mapping[str, Any]) -> None:
    """Replace values of a `state.json`, so that a reader sees the old ones or the new ones.

    Args:
        folder: of the checkpoint, whose other files stay as they are.
        changes: name → value.

    Raises:
        DataError: as `read_state`.
    """
    content = sealed({**read_state(folder), **changes})
    write_text(folder / STATE, json_text(content, indent=1) + "\n")


def read_state(folder: Path) -> dict[str, Any]:
    """The content of `state.json`.

    Raises:
        DataError: no such file, not a JSON object, or not what was written.
    """
    path = folder / STATE
    values = read_json(path)
    if not isinstance(values, dict):
        raise DataError(f"{path}: not the state of a run")
    require_sealed(values, path)
    return values


def best_of(run: str | Path) -> Path | None:
    """The folder of a run's best model; None where none was kept."""
    place = Path(run) / BEST
    return place if (place / BEST_FACTS).is_file() else None


def read_best(run: str | Path) -> dict[str, Any] | None:
    """`step`, `metric`, `value` and `scores` of the best evaluation; None where none was kept.

    Raises:
        DataError: the file is damaged.
    """
    place = best_of(run)
    if place is None:
        return None
    found = read_json(place / BEST_FACTS)
    sound = isinstance(found, dict) and isinstance(found.get("metric"), str)
    if not sound or not isinstance(found.get("step"), int) or not is_finite(found.get("value")):
        raise DataError(f"{place / BEST_FACTS}: not the facts of a best model", f"remove {place}")
    return dict(found)


def find_damage(folder: Path, names: Iterable[str] | None = None, read: bool = True) -> str:
    """What is wrong with a checkpoint of a run; empty where nothing is.

    Args:
        folder: without a `state.json` it is no run's, and nothing is known of its files.
        names: look at these files only, and at `state.json`.
        read: compare checksums too, for which files are read as a whole, not only sizes.
    """
    if not (folder / STATE).is_file():
        return ""
    try:
        known = read_state(folder).get(FILES)
    except DataError as error:
        return error.message
    if known is None:  # written before checkpoints had checksums
        tensors = (WEIGHTS, OPTIMIZER)
        chosen = [name for name in tensors if names is None or name in names]
        return "; ".join(filter(None, (broken_container(folder / name) for name in chosen)))
    try:
        return damage(folder, known, names, read)
    except (AttributeError, KeyError, TypeError, ValueError):
        return f"{folder / STATE}: not the state of a run"


def require_intact(folder: Path, names: Iterable[str] | None = None) -> None:
    """Refuse a checkpoint of a run whose files are not those that were written.

    Args:
        folder, names: as for `find_damage`.

    Raises:
        DataError: they are not; says what is wrong.
    """
    found = find_damage(folder, names)
    if found:
        raise DataError(
            f"the checkpoint {folder} is damaged: {found}",
            f"take another one; if its files were changed on purpose, remove its {STATE}",
        )


def add_run_state(contents: CheckpointContents, folder: Path, moments: bool) -> None:
    """Add step and moments from a run's files; folders of other programs have no such files.

    Args:
        contents: with all weights.
        folder: of the checkpoint.
        moments: also take the optimizer's moments.

    Raises:
        DataError: no moments by parameter name there, or of other weights; or damaged files.
    """
    best = read_best(folder.parent) if folder.name == BEST else None
    state = read_state(folder) if (folder / STATE).is_file() else best
    step = state.get("step") if state else None
    contents.step = step if isinstance(step, int) else None
    if not moments:
        return
    if best is not None:
        why = "the best model of a run is kept without its optimizer state"
        raise no_optimizer_state(contents.path, why, f"a checkpoint of it, {folder.parent}/step-*")
    if not (folder / OPTIMIZER).is_file():
        raise no_optimizer_state(contents.path)
    require_intact(folder, [OPTIMIZER])
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
