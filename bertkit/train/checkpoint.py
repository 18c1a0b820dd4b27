"""Writes, finds and reads the checkpoints of a run: folders `step-0001000/`.

    model.safetensors, config.json   the weights and shape, in Hugging Face's form
    optimizer.pt                     moments by parameter name (plain tensors)
    state.json                       where the run stands and what it was made with
    vocab.txt                        the vocabulary, where it is known

A folder is written under another name and then renamed, so one with this name is complete.
"""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bertkit import __version__
from bertkit.config import as_dict, flatten
from bertkit.errors import BertkitError, ConfigError, DataError
from bertkit.files import PARTIAL, atomic_folder, read_json
from bertkit.model.checkpoints import formats
from bertkit.model.checkpoints.finite import named, not_finite
from bertkit.model.checkpoints.hf import WEIGHTS, save_pretrained
from bertkit.model.checkpoints.run_state import OPTIMIZER, STATE
from bertkit.settings import FIXED, FREE, ROUNDING, default_values, resume_rules
from bertkit.strict_json import json_text

VOCAB = "vocab.txt"
_NAME = re.compile(r"step-(\d{7,})")


def _versions() -> dict[str, str]:
    return {
        "bertkit": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


@dataclass(frozen=True, kw_only=True)
class RunState:
    """Where a run stands: the content of `state.json`.

    Attributes:
        step: updates done.
        position: samples taken from the order; the next batch starts there.
        epoch: from 0, with its fraction.
        seed: of order and dropout.
        data_fingerprint: digest of the training data.
        config: the resolved settings.
        seconds: spent in training so far, over all calls.
        finished: the run is complete.
        metrics: the numbers of the last log line (`train`) and evaluation (`eval`).
        versions: of bertkit, torch and Python that wrote it.
        world: processes that trained together.
    """

    step: int
    position: int
    epoch: float
    seed: int
    data_fingerprint: str
    config: dict[str, Any]
    seconds: float = 0.0
    finished: bool = False
    metrics: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=_versions)
    world: int = 1


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
            (folder / VOCAB).write_bytes(vocab)
        text = json_text(asdict(state), indent=1, readable=True) + "\n"
        (folder / STATE).write_text(text, encoding="utf-8")
    if keep_last:
        for step, old in in_run(run)[:-keep_last]:
            if not (keep_every and step % keep_every == 0):
                shutil.rmtree(old)
    return target


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
    raise BertkitError(
        f"the training has diverged by step {step}: "
        + (f"{what} of the model" if found else f"{what} is not finite")
        + f"; nothing was saved, {kept}",
        "lower --learning-rate, lengthen the warm-up, or use bf16 instead of fp16; run the same"
        " command again to go on from that checkpoint",
    )


def in_run(run: str | Path) -> list[tuple[int, Path]]:
    """(step, folder) of every complete checkpoint of a run, by step."""
    place = Path(run)
    found = []
    for path in place.iterdir() if place.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match and (path / WEIGHTS).is_file():
            found.append((int(match[1]), path))
    return sorted(found)


def latest(run: str | Path) -> Path | None:
    """The run's last complete checkpoint that training can resume from, or None."""
    complete = [path for _, path in in_run(run) if (path / STATE).is_file()]
    return complete[-1] if complete else None


def resume_point(
    run: str | Path, resume: str, *, overwrite: bool, metrics_file: str
) -> Path | None:
    """The checkpoint from which a run in this folder resumes, or None for a fresh start.

    Args:
        run: the run's folder.
        resume: `auto`, `never`, or the folder of a checkpoint, which need not be this run's.
        overwrite: remove what an earlier run left in the folder.
        metrics_file: name of the run's file of metrics, which goes with its checkpoints.

    Raises:
        DataError: `never`, but the folder holds a run.
    """
    if resume not in ("auto", "never"):
        return Path(resume)
    place = Path(run)
    if overwrite:
        for _, old in in_run(place):
            shutil.rmtree(old)
        (place / metrics_file).unlink(missing_ok=True)
    last = latest(place)
    if last and resume == "never":
        raise DataError(
            f"{place} holds a run already (its last checkpoint is {last.name})",
            "give --resume auto to continue it, --overwrite to start again, or another --output",
        )
    return last


def remove_leftovers(run: str | Path) -> None:
    """Delete checkpoints that a killed run left incomplete."""
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
                raise DataError(
                    f"no checkpoint in {place}",
                    f"bertkit reads: {'; '.join(row.title for row in formats.all_formats())}",
                )
    runs = list(dict.fromkeys(path.parent for _, path in found))
    return sorted(
        found,
        key=lambda item: (runs.index(item[1].parent), item[0] is None, item[0] or 0, str(item[1])),
    )


def _matching_folders(pattern: str) -> list[str]:
    import glob

    names = sorted(name for name in glob.glob(pattern) if not name.endswith(PARTIAL))
    if not names:
        raise DataError(f"no such checkpoint: {pattern}", "list the run's folder to see its steps")
    return names


def load_state(checkpoint: str | Path) -> RunState:
    """Where the run stood.

    Raises:
        DataError: no `state.json`, or one of another kind.
    """
    path = Path(checkpoint) / STATE
    if not path.is_file():
        raise DataError(
            f"{checkpoint} has no {STATE}: it holds weights, not a run",
            "use --init-checkpoint to start from its weights",
        )
    try:
        return RunState(**read_json(path))
    except TypeError as error:
        raise DataError(f"{path}: not the state of a run ({error})") from error


def load_stepper_state(checkpoint: str | Path) -> dict[str, Any]:
    """What `Stepper.state` gave; read as plain tensors, never as code.

    Raises:
        DataError: missing or broken.
    """
    path = Path(checkpoint) / OPTIMIZER
    try:
        loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a broken file
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"cannot read {path}: {reason}", "remove the checkpoint to resume from the one before"
        ) from error
    return loaded


def require_same(saved: RunState, config: Any, fingerprint: str, backend: str = "") -> list[str]:
    """Refuse to resume with other data, or with other settings that decide numbers.

    Which settings these are, their fields say (`bertkit.config.setting`, `on_resume`). A
    setting that the checkpoint does not know is newer than it, and had its default's effect.

    Args:
        saved: of the checkpoint.
        config: the resolved settings now, a dataclass.
        fingerprint: of the training data now.
        backend: name of the one in use; sections of settings of others change nothing.

    Returns:
        The differences that change last bits only, one text each.

    Raises:
        DataError: other data.
        ConfigError: other settings; lists all of them.
    """
    if saved.data_fingerprint != fingerprint:
        raise DataError(
            f"the run was made with other records (fingerprint {saved.data_fingerprint[:12]},"
            f" now {fingerprint[:12]})",
            "give the same --input, or start a new run from its weights with --init-checkpoint",
        )
    before = default_values(type(config)) | flatten(saved.config)
    now = flatten(as_dict(config))
    rules = resume_rules(type(config))
    changed: dict[str, list[str]] = {}
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            rule = _rule(key, rules)
            if backend and rule == ROUNDING and "." in key and not key.startswith(f"{backend}."):
                continue
            text = f"{key} {before.get(key)}, now {now.get(key)}"
            changed.setdefault(rule, []).append(text)
    changed.pop(FREE, None)
    if FIXED in changed:
        raise ConfigError(
            f"the run at step {saved.step} was made with other settings:"
            f" {'; '.join(changed[FIXED])}",
            "repeat the old settings, or start a new run from its weights with --init-checkpoint",
        )
    return [text for texts in changed.values() for text in texts]


def _rule(key: str, rules: Mapping[str, str]) -> str:
    """The rule of a setting; a name that is gone has that of its section."""
    section = key.partition(".")[0] + "."
    of_section = (rule for name, rule in rules.items() if name.startswith(section))
    return rules.get(key) or next(of_section, FIXED)
