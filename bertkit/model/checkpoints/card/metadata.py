"""Makes the front matter of a model card, which the model hub reads: task, licence, scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bertkit.codecs.strict_json import is_finite
from bertkit.manifests.manifest import Manifest, read_manifest

# Our names of scores → those under which the hub knows them, where they differ.
_TYPES = {
    "mlm_accuracy": "accuracy",
    "nsp_accuracy": "accuracy",
    "label_accuracy": "accuracy",
    "f1_macro": "f1",
    "f1_micro": "f1",
    "matthews": "matthews_correlation",
    "pearson": "pearsonr",
    "spearman": "spearmanr",
}
_UNKNOWN = "unknown"
# Not told apart from nothing: spaCy's code of any language, and the default of `extract`.
_ANY = ("xx", "mul", "en")
_LOOKED_AT = 8  # inputs of a folder, which commonly come from one place


def front_matter(
    name: str,
    task: str,
    *,
    license_name: str = "",
    languages: Sequence[str] = (),
    base_model: str = "",
    scores: Mapping[str, float] | None = None,
    scored_on: str = "",
) -> str:
    """The lines between the two rules at the head of a card: YAML, one key a line.

    Args:
        name: of the model.
        task: as the hub calls it.
        license_name: of the weights; empty if unknown.
        languages: codes of ISO 639; none if unknown.
        base_model: on the hub, from whose weights the run began; empty for none.
        scores: of the evaluation.
        scored_on: file that they were measured on.
    """
    front: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": task,
        "license": license_name or _UNKNOWN,
    }
    if languages:
        front["language"] = languages[0] if len(languages) == 1 else list(languages)
    if base_model:
        front["base_model"] = base_model
    front["tags"] = ["bert", "bertkit", task]
    if scores:
        front["metrics"] = sorted({_type(key) for key in scores})
        front["model-index"] = [{"name": name, "results": [_result(task, scores, scored_on)]}]
    return "\n".join(f"{key}: {json.dumps(value)}" for key, value in front.items())


def scores_of(values: Mapping[str, Any]) -> tuple[dict[str, float], str]:
    """(the scores, the file they were measured on or nothing) of the content of `scores.json`."""
    inner = values.get("scores")
    numbers = {
        key: float(value)
        for key, value in (inner if isinstance(inner, Mapping) else values).items()
        if is_finite(value) and not isinstance(value, bool)
    }
    return numbers, file_name(values.get("eval_file"))


def languages_of(made: Manifest, depth: int = 4) -> list[str]:
    """The languages that the manifests behind a folder tell, as `extract --language` had them.

    English is the default there, of whatever text, and so is not told.

    Args:
        made: of records or text.
        depth: so many folders are looked through, from records to the raw text.
    """
    own = made.config.get("language") if made.command == "extract" else None
    if own or not depth:
        return [str(own)] if own and own not in _ANY else []
    folders = {
        folder
        for item in made.inputs[:_LOOKED_AT]
        for folder in list(Path(str(item.get("path", ""))).parents)[:2]
    }
    behind = [found for place in sorted(folders) if (found := read_manifest(str(place)))]
    return sorted({one for found in behind for one in languages_of(found, depth - 1)})


def file_name(place: Any) -> str:
    """The names of one or several files, without their folders, for people."""
    places = place if isinstance(place, (list, tuple)) else [place] if place else []
    return ", ".join(Path(str(one)).name for one in places)


def _result(task: str, scores: Mapping[str, float], scored_on: str) -> dict[str, Any]:
    dataset = scored_on or "not recorded"
    metrics = [
        {"type": _type(key), "name": key, "value": value} for key, value in sorted(scores.items())
    ]
    return {"task": {"type": task}, "dataset": {"name": dataset, "type": dataset},
            "metrics": metrics}  # fmt: skip


def _type(name: str) -> str:
    return _TYPES.get(name, name)
