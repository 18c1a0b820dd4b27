"""Reads what a fine-tuning run scored, and what it was made with. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from bertkit.configuration.config import flatten, load_yaml
from bertkit.configuration.settings import FIXED, default_values, resume_rules
from bertkit.errors import BertkitError, DataError
from bertkit.storage.files import read_json
from bertkit.tables.files import local_digest, stems_of
from bertkit.tasks import registry
from bertkit.tasks.comparison.units import SQUAD, scores_in_percent
from bertkit.train.run_files import CONFIG

SCORES = "scores.json"
# What the scores of `finetune-squad` belong to; its scores.json has the official script's form.
SCORED = "scored.json"
_STATE = "state.json"
_STEP = re.compile(r"step-\d{7,}")
# Never the same for two runs, or told by digests instead.
_NOT_COMPARED = {"seed", "output", "train_file", "eval_file", "predict_file", "init_checkpoint"}


class NotScoredError(DataError):
    """A folder has no scores that could be compared; the message says why, without its name."""


@dataclass(frozen=True, kw_only=True)
class ScoredRun:
    """One run with its scores. What its folder does not tell is None or empty.

    Attributes:
        folder: of the run.
        task: `classify`, `squad`, ...
        metric: the score that the task is judged by.
        scores: by name; shares in percent.
        eval_file: what was scored on, as it was given.
        eval_sha256: of its content.
        examples: in it.
        encoder: checkpoint that the run began from, as it was given.
        encoder_digest: of the weights that it took from there.
        train_digest: of the training data.
        seed: of order, dropout and new weights.
        step: updates done.
        settings: those that decide numbers, by dotted key, without the seed.
    """

    folder: str
    task: str
    metric: str
    scores: Mapping[str, float]
    eval_file: str
    eval_sha256: str = ""
    examples: int | None = None
    encoder: str = ""
    encoder_digest: str = ""
    train_digest: str = ""
    seed: int | None = None
    step: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def read_scored(folder: str | Path) -> list[ScoredRun]:
    """The scores in a run's folder: one for every file that it was scored on.

    Raises:
        NotScoredError: it has none, the run is not finished, or its files are broken.
    """
    place = Path(folder)
    config = _object(place / CONFIG)
    state = _newest_state(place)
    if state and not state.get("finished", True):
        raise NotScoredError(f"not finished, at step {state.get('step')}: run its command again")
    if not (place / SCORES).is_file():
        what = "not finished, or not scored" if config else "not a scored run"
        raise NotScoredError(f"no {SCORES}: {what}")
    found = _object(place / SCORES)
    if not isinstance(found.get("scores"), dict):
        found = _squad_facts(place, config, found)
    try:
        return [_run(place, own, config, state) for own in _by_file(found)]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NotScoredError(f"{SCORES} is not of a known form: {error!r}") from error


def _by_file(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The facts of each evaluation file; scores of all but the first begin with its name."""
    files = found["eval_file"]
    if not isinstance(files, list):
        return [dict(found)]
    rest = dict(found["scores"])
    each = []
    prefixes = scores_prefixes(files)
    for number, file in reversed([*enumerate(files)]):
        prefix = prefixes[number]
        own = {name: value for name, value in rest.items() if name.startswith(prefix)}
        rest = {name: value for name, value in rest.items() if name not in own}
        facts = {**found, "eval_file": file}
        facts["scores"] = {name.removeprefix(prefix): value for name, value in own.items()}
        for name in ("examples", "eval_sha256"):
            if isinstance(found.get(name), list):
                facts[name] = found[name][number]
        each.append(facts)
    return each[::-1]


def scores_prefixes(files: Sequence[str]) -> list[str]:
    """What the names of the scores of each file of a run begin with: nothing for the first."""
    return ["", *(f"{stem}/" for stem in stems_of(files[1:]))]


def _run(
    place: Path, found: Mapping[str, Any], config: Mapping[str, Any], state: Mapping[str, Any]
) -> ScoredRun:
    task, eval_file = str(found["task"]), str(found["eval_file"] or "")
    start = state.get("start") or {}
    seed, step = found.get("seed", config.get("seed")), found.get("step")
    return ScoredRun(
        folder=str(place),
        task=task,
        metric=str(found["metric"]),
        scores=scores_in_percent(task, found["scores"]),
        eval_file=eval_file,
        eval_sha256=found.get("eval_sha256") or _digest(eval_file),
        examples=found.get("examples"),
        encoder=str(found.get("encoder") or config.get("init_checkpoint") or ""),
        encoder_digest=found.get("encoder_digest") or start.get("digest") or "",
        train_digest=found.get("train_digest") or state.get("data_fingerprint") or "",
        seed=None if seed is None else int(seed),
        step=None if step is None else int(step),
        settings=_deciding(task, config),
    )


def _squad_facts(
    place: Path, config: Mapping[str, Any], scores: Mapping[str, Any]
) -> dict[str, Any]:
    """The facts of scores in the official scripts' form, from the files beside them."""
    if "f1" not in scores:
        raise NotScoredError(f"{SCORES} is not of a known form")
    beside = _object(place / SCORED)
    if not (beside or config):
        raise NotScoredError(f"neither {SCORED} nor {CONFIG} tells what its scores belong to")
    own = {"eval_file": config.get("predict_file") or "", "examples": scores.get("total")}
    return {"task": SQUAD, "metric": "f1", **own, **beside, "scores": scores}


def _deciding(task: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a run that decide its numbers."""
    values = flatten(config)
    kind = _settings_class(task)
    rules, defaults = (resume_rules(kind), default_values(kind)) if kind and values else ({}, {})
    return {
        name: value
        for name, value in (defaults | values).items()
        if name not in _NOT_COMPARED and rules.get(name, FIXED) == FIXED
    }


def _settings_class(task: str) -> Any:
    """The class of a task's settings; None for a task that this bertkit does not know."""
    if task == SQUAD:
        return next(row for row in registry.TASKS if row.name == SQUAD).config_class()
    row = next((row for row in registry.FINETUNING if row.name == task), None)
    return row.config_class() if row else None


def _newest_state(place: Path) -> dict[str, Any]:
    """`state.json` of the newest checkpoint; empty where the checkpoints were removed."""
    steps = sorted(path for path in place.glob("step-*") if _STEP.fullmatch(path.name))
    return _object(steps[-1] / _STATE) if steps else {}


def _object(path: Path) -> dict[str, Any]:
    """A JSON or YAML file that holds an object; empty where there is none."""
    if not path.is_file():
        return {}
    try:
        values = load_yaml(path) if path.suffix == ".yaml" else read_json(path)
    except BertkitError as error:
        raise NotScoredError(error.message) from error
    if not isinstance(values, dict):
        raise NotScoredError(f"{path.name} does not hold an object")
    return dict(values)


# Of a file, if it is still there.
_digest = cache(local_digest)
