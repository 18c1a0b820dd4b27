"""Writes, finds and reads the checkpoints of a run: folders `step-0001000/`.

    model.safetensors, config.json   the weights and shape, in Hugging Face's form
    optimizer.pt                     moments by parameter name (plain tensors)
    vocab.txt                        the vocabulary, where it is known
    tokenizer_config.json            how its text is treated, in Hugging Face's form
    state.json                       where the run stands and what it was made with, and the
                                     checksums of all other files

A folder is written under another name, synced and then renamed, so one with this name is
complete; older ones are removed only after that.
"""

from __future__ import annotations

import glob
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bertkit.errors import BertkitError, DataError
from bertkit.kinds.misplaced import refuse_misplaced
from bertkit.kinds.missing import hint_for_missing
from bertkit.kinds.recognise import CHECKPOINT
from bertkit.model.checkpoints import formats
from bertkit.model.checkpoints.finite import named, not_finite
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.checkpoints.run_state import (
    OPTIMIZER,
    STATE,
    WEIGHTS,
    best_of,
    require_intact,
)
from bertkit.storage.files import atomic_folder, refuse_lfs_pointer
from bertkit.storage.temporary import PARTIAL, remove_leftovers, temporary_path
from bertkit.tokenization import tokenizer_files
from bertkit.tokenization.tokenizer_facts import NOT_RECORDED, TokenizerFacts
from bertkit.train.checkpoints.run_state import RunState, write_state

VOCAB = "vocab.txt"
_NAME = re.compile(r"step-(\d{7,})")


def folder_name(step: int) -> str:
    """`step-0001000` for step 1000."""
    return f"step-{step:07d}"


def save(
    run: str | Path,
    *,
    model: nn.Module,
    stepper_state: Mapping[str, Any],
    state: RunState,
    vocab: bytes | None = None,
    tokenizer: TokenizerFacts | None = None,
    keep_last: int = 0,
    keep_every: int = 0,
) -> Path:
    """Write the checkpoint of `state.step` and remove the oldest ones.

    Args:
        run: folder of the run.
        model: bertkit's model, unwrapped.
        stepper_state: from `Stepper.state`.
        state: where the run stands.
        vocab: content of the vocabulary file.
        tokenizer: what is known about the tokens.
        keep_last: how many checkpoints stay; 0 keeps all.
        keep_every: those of steps that this divides stay too; 0 for none.

    Returns:
        The checkpoint's folder.

    Raises:
        BertkitError: weights or optimizer state are not finite; nothing was written or removed.
    """
    require_finite_run(run, state.step, model.state_dict(), stepper_state)
    target = Path(run) / folder_name(state.step)
    with atomic_folder(target) as folder:
        save_pretrained(model, folder)
        # A stream, since PyTorch opens only names that are UTF-8.
        with open(folder / OPTIMIZER, "wb") as stream:
            torch.save(dict(stepper_state), stream)
        if vocab is not None:
            # Without its vocabulary a tokenizer would load and know no word.
            tokenizer_files.write_vocabulary(folder, vocab, tokenizer or NOT_RECORDED)
        # The last file, because it has the checksums of the others.
        write_state(folder, state)
    remove_oldest(run, state, keep_last, keep_every)
    return target


def remove_oldest(run: str | Path, state: RunState, keep_last: int, keep_every: int) -> None:
    """Remove the oldest checkpoints of a run.

    Args:
        run: its folder.
        state: of the last checkpoint. The one that it was resumed from by name stays: the same
            command again may still name it.
        keep_last: how many stay; 0 keeps all.
        keep_every: those of steps that this divides stay too; 0 for none.
    """
    kept = (state.resumed_from or {}).get("checkpoint")
    for step, old in in_run(run)[:-keep_last] if keep_last else ():
        if not (keep_every and step % keep_every == 0) and old.name != kept:
            # Under a name that no reader takes for a checkpoint while it shrinks.
            with temporary_path(old) as going:
                old.rename(going)
                shutil.rmtree(going)


def require_finite_run(
    run: str | Path,
    step: int,
    weights: Mapping[str, Tensor],
    stepper_state: Mapping[str, Any] | None = None,
) -> None:
    """Check what is about to become a checkpoint.

    Args:
        run: its folder.
        step: updates done.
        weights: by name.
        stepper_state: from `Stepper.state`.

    Raises:
        BertkitError: something is not finite; names it, and the last checkpoint.
    """
    state = not_finite(stepper_state or {})
    found = not_finite(weights)
    if not found and not state:
        return
    what = named(found, len(weights)) if found else f"the optimizer's {', '.join(state[:3])}"
    last = latest(run)
    kept = f"the last good checkpoint is {last}" if last else "there is no checkpoint yet"
    again = "; run the same command again to go on from that checkpoint" if last else ""
    raise BertkitError(
        f"the training has diverged by step {step}: "
        + (f"{what} of the model" if found else f"{what} is not finite")
        + f"; nothing was saved, {kept}",
        "lower --learning-rate, lengthen the warm-up, or use bf16 instead of fp16" + again,
    )


def in_run(run: str | Path, complete: bool = True) -> list[tuple[int, Path]]:
    """(step, folder) of every complete checkpoint of a run, by step; or of every folder."""
    place = Path(run)
    found = []
    for path in place.iterdir() if place.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match and ((path / WEIGHTS).is_file() or (path.is_dir() and not complete)):
            found.append((int(match[1]), path))
    return sorted(found)


def latest(run: str | Path) -> Path | None:
    """The run's last complete checkpoint that training can resume from, or None."""
    complete = [path for _, path in in_run(run) if (path / STATE).is_file()]
    return complete[-1] if complete else None


def clean(run: str | Path) -> None:
    """Delete what a killed run left incomplete; for whoever holds the folder's lock."""
    remove_leftovers(run, owned=True)
    # As earlier versions named them.
    for path in Path(run).glob(f"step-*{PARTIAL}"):
        shutil.rmtree(path)


def find(patterns: Sequence[str]) -> list[tuple[int | None, Path]]:
    """Checkpoints by name: of any form bertkit reads, folders of runs, or globs of them.

    Args:
        patterns: `run/`, `run/step-0001000`, `run/step-*`, `ckpt_1000.pt`, the prefix of a
            TensorFlow checkpoint.

    Returns:
        (step or None where the name has none, folder): runs in the order given, each by step.

    Raises:
        DataError: one is missing or is no checkpoint.
    """
    found: list[tuple[int | None, Path]] = []
    for pattern in patterns:
        whole = Path(pattern).exists() or formats.detect(pattern)
        names = [pattern] if whole else _matching_folders(pattern)
        for name in names:
            place = Path(name)
            match = _NAME.fullmatch(place.name)
            if (place / "config.json").is_file():
                found.append((int(match[1]) if match else None, place))
            elif steps := in_run(place):
                found += steps
            elif formats.detect(place):
                found.append((None, place))
            else:
                refuse_misplaced(place, CHECKPOINT)
                raise DataError(f"no checkpoint in {place}", _what_instead(place))
    runs = list(dict.fromkeys(path.parent for _, path in found))
    return sorted(
        found,
        key=lambda item: (runs.index(item[1].parent), item[0] is None, item[0] or 0, str(item[1])),
    )


def find_one(given: str) -> Path:
    """The checkpoint that a name stands for: of a run its best model, or else its last one.

    Args:
        given: as for `find`.

    Raises:
        DataError: it is missing or no checkpoint.
    """
    return best_of(given) or find([given])[-1][1]


def _what_instead(place: Path) -> str:
    """What to give instead of a folder without a checkpoint: one of the runs in it, if any."""
    below = sorted(place.iterdir()) if place.is_dir() else []
    runs = [str(path) for path in below if path.is_dir() and in_run(path)]
    if runs:
        return f"it holds runs, give one of them: {', '.join(runs[:5])}"
    return f"bertkit reads: {'; '.join(row.title for row in formats.all_formats())}"


def _matching_folders(pattern: str) -> list[str]:
    names = sorted(name for name in glob.glob(pattern) if not name.endswith(PARTIAL))
    if not names:
        raise DataError(f"no such checkpoint: {pattern}", hint_for_missing(pattern))
    return names


def load_stepper_state(checkpoint: str | Path) -> dict[str, Any]:
    """What `Stepper.state` gave; read as plain tensors, never as code.

    Raises:
        DataError: missing or broken, or of another step.
    """
    path = Path(checkpoint) / OPTIMIZER
    if path.is_file():
        refuse_lfs_pointer(path)
    require_intact(path.parent, [OPTIMIZER])
    try:
        loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a broken file
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"cannot read {path}: {reason}", "remove the checkpoint to resume from the one before"
        ) from error
    return loaded
