"""Writes a model card: the README.md of a model, with its shape, data, settings and metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bertkit import __version__
from bertkit.codecs.strict_json import is_finite
from bertkit.configuration.config import flatten
from bertkit.configuration.record_settings import unused_record_settings
from bertkit.hub.names import SCHEME
from bertkit.hub.sources import source_of
from bertkit.manifests.manifest import read_manifest
from bertkit.model.checkpoints.card.metadata import file_name, front_matter, languages_of, scores_of
from bertkit.model.checkpoints.run_state import BEST_FACTS, STATE
from bertkit.model.config import BertConfig
from bertkit.model.model_types import (
    CLASSIFICATION,
    ENCODER,
    MASKED_LM,
    MULTIPLE_CHOICE,
    NEXT_SENTENCE,
    PRETRAINING,
    QUESTION_ANSWERING,
    SENTENCES,
    TOKEN_CLASSIFICATION,
)
from bertkit.storage.files import read_json

_SCORES = "scores.json"
# How records were made, as far as it concerns who uses the model.
_MADE_WITH = (
    *("style", "objective", "max_seq_length", "max_predictions_per_seq", "masked_lm_prob"),
    *("short_seq_prob", "whole_word_mask", "dupe_factor", "packing"),
)
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
# How bertkit uses what was fine-tuned, and what guesses words.
_PREDICT = "bertkit predict --init-checkpoint MODEL"
_USE = {
    QUESTION_ANSWERING: f'{_PREDICT} --question "..." --passage "..."',
    CLASSIFICATION: f'{_PREDICT} --text "..."',
    TOKEN_CLASSIFICATION: f'{_PREDICT} --text "..."',
    SENTENCES: f"{_PREDICT} < documents.jsonl",
    PRETRAINING: 'bertkit.load_model(MODEL).fill_mask("A [MASK] of names.")',
    MASKED_LM: 'bertkit.load_model(MODEL).fill_mask("A [MASK] of names.")',
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
        scores, scored_on: of its evaluation, and the file they were measured on.
        base: name on the hub, with the commit, of the weights the run began from.
        languages: of the training text, codes.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    data: list[dict[str, Any]] = field(default_factory=list)
    fingerprint: str = ""
    step: int | None = None
    scores: dict[str, float] = field(default_factory=dict)
    scored_on: str = ""
    base: str = ""
    languages: list[str] = field(default_factory=list)


def facts_beside(folder: Path, backends: Sequence[str] = ()) -> ModelFacts:
    """What a bertkit run wrote beside its checkpoint; empty for those of other programs.

    Args:
        folder: of the checkpoint.
        backends: names of sections of the settings that matter on one backend alone; only
            those of the run's own are listed.
    """
    facts = ModelFacts()
    if (source := source_of(folder)) is not None:
        facts.base = source.exact
    if (place := _state_of(folder)) is not None:
        state = read_json(place)
        if isinstance(state, dict):
            _take_state(facts, state, backends)
            facts.step = facts.step if place.parent == folder else _step_of_best(folder)
    for place in (folder, folder.parent):
        if (place / _SCORES).is_file():
            scores = read_json(place / _SCORES)
            found, file = scores_of(scores if isinstance(scores, dict) else {})
            facts.metrics |= found
            facts.scores, facts.scored_on = found, file or facts.scored_on
            break
    return facts


def _state_of(folder: Path) -> Path | None:
    """The state of a checkpoint; for a run's best model, which has none, that of its last one."""
    if (folder / STATE).is_file() or not (folder / BEST_FACTS).is_file():
        return folder / STATE if (folder / STATE).is_file() else None
    return max(folder.parent.glob(f"step-*/{STATE}"), default=None)


def _step_of_best(folder: Path) -> int | None:
    values = read_json(folder / BEST_FACTS)
    return _whole(values.get("step")) if isinstance(values, dict) else None


def _take_state(facts: ModelFacts, state: Mapping[str, Any], backends: Sequence[str]) -> None:
    config = state.get("config")
    settings = flatten(config) if isinstance(config, dict) else {}
    machine = settings.get("backend")
    unused = set(unused_record_settings(settings))
    facts.settings = {
        key: value
        for key, value in settings.items()
        if value not in (None, "", [])
        and key not in unused
        and (key.partition(".")[0] not in backends or key.startswith(f"{machine}."))
    }
    facts.fingerprint = str(state.get("data_fingerprint", ""))
    facts.step = _whole(state.get("step"))
    metrics = state.get("metrics")
    facts.metrics = _numbers(flatten(metrics) if isinstance(metrics, dict) else {})
    evaluation = metrics.get("eval") if isinstance(metrics, dict) else None
    facts.scores = _numbers(evaluation if isinstance(evaluation, dict) else {})
    names = ("eval_file", "predict_file", "eval_input")
    facts.scored_on = next((file_name(settings[key]) for key in names if settings.get(key)), "")
    start = state.get("start")
    hub = start.get("hub") if isinstance(start, dict) else None
    facts.base = str(start.get("path")) if hub and isinstance(start, dict) else facts.base
    inputs = config.get("input") if isinstance(config, dict) else None
    for name in inputs if isinstance(inputs, list) else [inputs] if inputs else []:
        manifest = read_manifest(str(name)) if Path(str(name)).is_dir() else None
        if manifest is None:
            continue
        facts.languages += [one for one in languages_of(manifest) if one not in facts.languages]
        facts.data.append(
            {
                "name": Path(str(name)).name,
                "made by": f"bertkit {manifest.command}",
                **{key: value for key, value in manifest.stats.items() if _is_plain(value)},
                **{key: manifest.config[key] for key in _MADE_WITH if key in manifest.config},
                "inputs": [
                    f"{Path(str(item.get('path'))).name} (sha256 {str(item.get('sha256'))[:16]}…)"
                    for item in manifest.inputs
                ],
            }
        )


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {key: value for key, value in values.items() if is_finite(value)}


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


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
    languages: Sequence[str] = (),
    has_vocab: bool = True,
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
        languages: of the training text; by default those that its manifests tell.
        has_vocab: whether a vocabulary lies beside the weights.
    """
    head = front_matter(
        name,
        _TASK.get(architecture, "feature-extraction"),
        license_name=license_name,
        languages=languages or facts.languages,
        base_model=facts.base.partition("@")[0].removeprefix(SCHEME),
        scores=facts.scores,
        scored_on=facts.scored_on,
    )
    begun = {"weights it began from": facts.base} if facts.base else {}
    shape = {
        "class": architecture,
        "parameters of the encoder and pretraining heads": f"{config.parameter_count():,}",
        **{key: value for key, value in vars(config).items() if key != "initializer"},
        **begun,
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
        f"## How to load it\n\n{_loading(architecture, has_vocab)}",
        f"## Shape\n\n{_table(shape)}",
        f"## Training data\n\n{_data(facts)}",
        "## Hyper-parameters\n\n" + (_table(facts.settings) or "Not recorded.\n"),
        "## Metrics\n\n" + (_table(facts.metrics) or "Not recorded.\n"),
        f"## Licence\n\n{_table(rights)}",
    ]
    return "\n".join(parts)


def _loading(architecture: str, has_vocab: bool) -> str:
    """Lines that load the model in transformers and, with a vocabulary, use it in bertkit."""
    kind = architecture if architecture in _TASK else "AutoModel"
    names = f"AutoTokenizer, {kind}" if has_vocab else kind
    lines = [
        'MODEL = "."  # this folder; or the name of the model on the hub',
        "",
        f"from transformers import {names}",
        "",
        f"model = {kind}.from_pretrained(MODEL)",
        *(["tokenizer = AutoTokenizer.from_pretrained(MODEL)"] if has_vocab else []),
    ]
    text = "```python\n" + "\n".join(lines) + "\n```\n"
    use = _USE.get(architecture, "") if has_vocab else ""
    return f"{text}\nIn bertkit: `{use}`\n" if use else text


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
