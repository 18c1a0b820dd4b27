"""Keeps where a run stands and what it was made with: the content of `state.json`."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from bertkit import __version__
from bertkit.codecs.sealed_json import CHECKSUM
from bertkit.codecs.strict_json import is_finite
from bertkit.configuration.config import as_dict, flatten
from bertkit.configuration.record_settings import unread_of
from bertkit.configuration.settings import FIXED, FREE, ROUNDING, default_values, resume_rules
from bertkit.errors import ConfigError, DataError
from bertkit.model.checkpoints import run_state as files
from bertkit.model.checkpoints.checksums import FILES
from bertkit.tokenization.tokenizer_facts import NOT_RECORDED, TokenizerFacts, of_run
from bertkit.tokenization.tokenizer_facts import require_same as require_same_tokens

C = TypeVar("C")
_AGAIN = "resume from another checkpoint, or restore this one from a copy"


def versions() -> dict[str, str]:
    """Of bertkit, torch and Python."""
    return {
        "bertkit": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


@dataclass(frozen=True, kw_only=True)
class RunState:
    """Where a run stands: the content of `state.json`, but for the checksums of files.

    A fact that checkpoints did not always have is None or empty where it is not recorded.

    Attributes:
        step: updates done.
        position: samples taken from the order; the next batch starts there.
        epoch: from 0, with its fraction.
        seed: of order and dropout.
        data_fingerprint: digest of the training data.
        config: the resolved settings.
        seconds: spent in training so far, over all calls.
        finished: the run is complete.
        evaluation_due: the evaluation of this step is still to come.
        metrics: the numbers of the last log line (`train`) and evaluation (`eval`).
        versions: of bertkit, torch and Python that wrote it.
        world: processes that trained together.
        start: `path` and `digest` of the weights the run started from, both None for new
            weights; `hub`, where they came from the model hub: name, revision and commit.
        resumed_from: `step` and `checkpoint` that `--resume` named, where one did.
        overwrote: the run began with `--overwrite`.
        tokenizer: what is known about the tokens, see `bertkit.tokenization.tokenizer_facts`.
        damaged: checkpoints of the run that were found damaged so far, and passed over.
    """

    step: int
    position: int
    epoch: float
    seed: int
    data_fingerprint: str
    config: dict[str, Any]
    seconds: float = 0.0
    finished: bool = False
    evaluation_due: bool = False
    metrics: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=versions)
    world: int = 1
    start: dict[str, Any] | None = None
    resumed_from: dict[str, Any] | None = None
    overwrote: bool = False
    tokenizer: dict[str, Any] = field(default_factory=dict)
    damaged: int = 0


def write_state(folder: Path, state: RunState) -> None:
    """Write `state.json` into a checkpoint that has all its other files.

    Args:
        folder: of the checkpoint.
        state: where the run stands.
    """
    files.write_state(folder, asdict(state))


def load_state(checkpoint: str | Path) -> RunState:
    """Where the run stood.

    Raises:
        DataError: no `state.json`, or a damaged one or one of another kind.
    """
    path = Path(checkpoint) / files.STATE
    if not path.is_file():
        raise DataError(
            f"{checkpoint} has no {files.STATE}: it holds weights, not a run",
            "use --init-checkpoint to start from its weights",
        )
    values = files.read_state(path.parent)
    known = {name: value for name, value in values.items() if name not in (FILES, CHECKSUM)}
    try:
        found = RunState(**known)
    except TypeError as error:
        surplus = sorted(known.keys() - {item.name for item in fields(RunState)})
        hint = "a newer bertkit wrote it; resume with that one" if surplus else ""
        missing = [item.name for item in fields(RunState) if item.default is MISSING
                   and item.default_factory is MISSING and item.name not in known]  # fmt: skip
        what = f"without {', '.join(missing)}" if missing else f"with {', '.join(surplus)}"
        raise DataError(f"{path}: not the state of a run, {what}", hint) from error
    wrong = [item.name for item in fields(RunState) if not _fits(getattr(found, item.name), item)]
    if wrong:
        raise DataError(f"{path}: not the state of a run: {', '.join(wrong)}", _AGAIN)
    return found


def _fits(value: Any, item: Field[Any]) -> bool:
    """Whether a value is of the type that its field has; counts are never negative."""
    kind = str(item.type)
    if kind.startswith("dict"):
        return isinstance(value, dict) or (value is None and kind.endswith("None"))
    if kind == "int":
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and (value >= 0 or item.name == "seed")
    if kind == "float":
        return is_finite(value) and not isinstance(value, bool)
    return isinstance(value, {"str": str, "bool": bool}[kind])


def require_same(
    saved: RunState,
    config: Any,
    fingerprint: str,
    backend: str = "",
    tokenizer: TokenizerFacts = NOT_RECORDED,
) -> list[str]:
    """Refuse to resume with other data, or with other settings that decide numbers.

    Which settings these are, their fields say (`configuration.config.setting`, `on_resume`). A
    setting that the checkpoint does not know is newer than it, and had its default's effect,
    if `config` has no method `completed` that knows better. What the run does not read (its
    `unread`) may differ: checkpoints of earlier versions have it.
    A run may be prolonged, see `length_before`.

    Args:
        saved: of the checkpoint.
        config: the resolved settings now, a dataclass.
        fingerprint: of the training data now.
        backend: name of the one in use; sections of settings of others change nothing.
        tokenizer: what is known about the tokens now.

    Returns:
        The differences that change last bits only, one text each.

    Raises:
        DataError: other data, another vocabulary, or text that is treated differently.
        ConfigError: other settings; lists all of them.
    """
    before_tokens = of_run(asdict(saved), f"the run at step {saved.step}")
    hint = "repeat the vocabulary and the flags of the run's first call"
    require_same_tokens(before_tokens, replace(tokenizer, source="this call"), hint)
    if saved.data_fingerprint != fingerprint:
        raise DataError(
            f"the run was made with other records (fingerprint {saved.data_fingerprint[:12]},"
            f" now {fingerprint[:12]})",
            "give the same training data, or start a new run from its weights with"
            " --init-checkpoint",
        )
    completed = getattr(config, "completed", dict)
    before = default_values(type(config)) | completed(flatten(saved.config))
    now = flatten(as_dict(config))
    rules = resume_rules(type(config))
    longer = _prolonged(before, now)
    changed: dict[str, list[str]] = {}
    for key in sorted((before.keys() | now.keys()) - longer - unread_of(config)):
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


def length_before(saved: RunState, config: C) -> C | None:
    """The settings of now with the run's length of before; None where that is the same.

    Args:
        saved: of the checkpoint.
        config: the resolved settings, a dataclass.
    """
    before = default_values(type(config)) | flatten(saved.config)
    longer = _prolonged(before, flatten(as_dict(config)))
    if not longer:
        return None
    changes: Any = {name: before[name] for name in longer}
    return replace(config, **changes)  # type: ignore[type-var]


def _prolonged(before: Mapping[str, Any], now: Mapping[str, Any]) -> set[str]:
    """The settings that differ because the run is to be longer; empty where it is not.

    That is a larger number of steps, or of epochs where these decide; and the steps of the
    warm-up, where they were and are the same fraction of all steps.
    """
    old, new = (values.get("max_steps") or 0 for values in (before, now))
    if 0 < old < new:
        names = ("warmup_steps", "warmup_proportion")
        warm = [[values.get(name) for name in names] for values in (before, now)]
        derived = all(
            share is not None and steps == int(total * share)
            for (steps, share), total in zip(warm, (old, new), strict=True)
        )
        same = warm[0][1] == warm[1][1]
        return {"max_steps", "warmup_steps"} if derived and same else {"max_steps"}
    epochs = [values.get("epochs") or 0 for values in (before, now)]
    return {"epochs"} if not old and not new and 0 < epochs[0] < epochs[1] else set()


def _rule(key: str, rules: Mapping[str, str]) -> str:
    """The rule of a setting; a name that is gone has that of its section."""
    section = key.partition(".")[0] + "."
    of_section = (rule for name, rule in rules.items() if name.startswith(section))
    return rules.get(key) or next(of_section, FIXED)
