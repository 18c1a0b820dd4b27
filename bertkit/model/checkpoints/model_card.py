"""Writes a model card: the README.md of a model, with its shape, data, settings and metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bertkit import __version__
from bertkit.config import flatten
from bertkit.files import read_json
from bertkit.manifest import read_manifest
from bertkit.model.checkpoints.run_state import STATE
from bertkit.model.config import BertConfig
from bertkit.model.model_types import (
    CLASSIFICATION,
    ENCODER,
    MASKED_LM,
    MULTIPLE_CHOICE,
    NEXT_SENTENCE,
    PRETRAINING,
    QUESTION_ANSWERING,
    TOKEN_CLASSIFICATION,
)

_SCORES = "scores.json"
_TASK = {
    QUESTION_ANSWERING: "question-answering",
    PRETRAINING: "fill-mask",
    MASKED_LM: "fill-mask",
    NEXT_SENTENCE: "text-classification",
    CLASSIFICATION: "text-classification",
    MULTIPLE_CHOICE: "multiple-choice",
    TOKEN_CLASSIFICATION: "token-classification",
    ENCODER: "feature-extraction",
}


@dataclass
class ModelFacts:
    """What is known about a model beyond its weights.

    Attributes:
        settings: hyper-parameters by dotted name.
        metrics: numbers by name.
        data: one mapping per folder of records: name, records, inputs.
        fingerprint: of the training data.
        step: updates done; None if unknown.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    data: list[dict[str, Any]] = field(default_factory=list)
    fingerprint: str = ""
    step: int | None = None


def facts_beside(folder: Path, backends: Sequence[str] = ()) -> ModelFacts:
    """What a bertkit run wrote beside its checkpoint; empty for those of other programs.

    Args:
        folder: of the checkpoint.
        backends: names of sections of the settings that matter on one backend alone; only
            those of the run's own are listed.
    """
    facts = ModelFacts()
    if (folder / STATE).is_file():
        state = read_json(folder / STATE)
        if isinstance(state, dict):
            _take_state(facts, state, backends)
    for place in (folder, folder.parent):
        if (place / _SCORES).is_file():
            scores = read_json(place / _SCORES)
            facts.metrics |= _numbers(scores if isinstance(scores, dict) else {})
            break
    return facts


def _take_state(facts: ModelFacts, state: Mapping[str, Any], backends: Sequence[str]) -> None:
    config = state.get("config")
    settings = flatten(config) if isinstance(config, dict) else {}
    machine = settings.get("backend")
    facts.settings = {
        key: value
        for key, value in settings.items()
        if value not in (None, "", [])
        and (key.partition(".")[0] not in backends or key.startswith(f"{machine}."))
    }
    facts.fingerprint = str(state.get("data_fingerprint", ""))
    facts.step = state.get("step")
    metrics = state.get("metrics")
    facts.metrics = _numbers(flatten(metrics) if isinstance(metrics, dict) else {})
    inputs = config.get("input") if isinstance(config, dict) else None
    for name in inputs if isinstance(inputs, list) else [inputs] if inputs else []:
        manifest = read_manifest(str(name)) if Path(str(name)).is_dir() else None
        if manifest is None:
            continue
        facts.data.append(
            {
                "name": Path(str(name)).name,
                "made by": f"bertkit {manifest.command}",
                **{key: value for key, value in manifest.stats.items() if _is_plain(value)},
                "inputs": [
                    f"{Path(str(item.get('path'))).name} (sha256 {str(item.get('sha256'))[:16]}…)"
                    for item in manifest.inputs
                ],
            }
        )


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {key: value for key, value in values.items() if isinstance(value, (int, float))}


def _is_plain(value: Any) -> bool:
    return isinstance(value, (int, float, str)) and not isinstance(value, bool)


def model_card(
    name: str,
    architecture: str,
    config: BertConfig,
    source: str,
    facts: ModelFacts,
    license_name: str,
    data_license: str,
) -> str:
    """The text of README.md: front matter that the model hub reads, then prose and tables.

    Args:
        name: of the model.
        architecture: class of transformers.
        config: its shape.
        source: what was converted, in words.
        facts: of the run.
        license_name: of the weights, an identifier such as `apache-2.0`; empty if unknown.
        data_license: of the training text, in words; empty if unknown.
    """
    task = _TASK.get(architecture, "feature-extraction")
    front = {
        "library_name": "transformers",
        "pipeline_tag": task,
        "license": license_name or "unknown",
        "tags": ["bert", "bertkit", task],
    }
    head = "\n".join(f"{key}: {json.dumps(value)}" for key, value in front.items())
    shape = {
        "class": architecture,
        "parameters of the encoder and pretraining heads": f"{config.parameter_count():,}",
        **{key: value for key, value in vars(config).items() if key != "initializer"},
    }
    steps = "" if facts.step is None else f" at step {facts.step:,}"
    rights = {
        "weights": license_name or "not stated by whoever converted them",
        "training text": data_license or "not stated by whoever converted them",
    }
    parts = [
        f"---\n{head}\n---\n\n# {name}\n",
        f"A BERT encoder ({architecture}), from {source}{steps};"
        f" written by bertkit {__version__}.\n",
        f"## Shape\n\n{_table(shape)}",
        f"## Training data\n\n{_data(facts)}",
        "## Hyper-parameters\n\n" + (_table(facts.settings) or "Not recorded.\n"),
        "## Metrics\n\n" + (_table(facts.metrics) or "Not recorded.\n"),
        f"## Licence\n\n{_table(rights)}",
    ]
    return "\n".join(parts)


def _data(facts: ModelFacts) -> str:
    known = {"fingerprint of the records": facts.fingerprint} if facts.fingerprint else {}
    tables = [_table(known)] if known else []
    for item in facts.data:
        rows = {key: value for key, value in item.items() if key != "inputs"}
        tables.append(_table(rows) + "".join(f"* {text}\n" for text in item["inputs"][:50]))
    return "\n".join(tables) or "Not recorded.\n"


def _table(values: Mapping[str, Any]) -> str:
    if not values:
        return ""
    rows = (f"| {key} | {_cell(value)} |\n" for key, value in values.items())
    return "| | |\n|---|---|\n" + "".join(rows)


def _cell(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
