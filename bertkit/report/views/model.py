"""Shows what a checkpoint holds as text: its class and shape, labels, weights and vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.configuration.config import as_dict
from bertkit.errors import shortened
from bertkit.hub.sources import name_of, source_of
from bertkit.model.checkpoints import formats, loading
from bertkit.model.checkpoints.completeness import architecture_of
from bertkit.model.config import BertConfig, read_config
from bertkit.model.model_types import class_of_config
from bertkit.tokenization import tokenizer_files

_LABELS = 10  # so many are named
_SHAPE = {
    "num_hidden_layers": "layers",
    "hidden_size": "hidden size",
    "num_attention_heads": "attention heads",
    "intermediate_size": "feed-forward size",
    "max_position_embeddings": "positions",
    "vocab_size": "rows of the word embedding",
    "hidden_act": "activation",
}


def view_model(place: str) -> tuple[dict[str, Any], str]:
    """What a checkpoint of any format holds, and a table of it for people.

    Args:
        place: a local file, folder or prefix.

    Raises:
        DataError, ConfigError: it is damaged, or no BERT.
        MissingDependencyError: its format needs a package that is not installed.
    """
    contents = loading.read(place)
    config = loading.config_of(contents)
    beside = loading.config_beside(contents.path)
    values = read_config(beside) if beside else {}
    vocab = loading.vocab_beside(contents.path)
    tokens = tokenizer_files.of_folder(vocab.parent) if vocab else None
    labels = _labels(values)
    shape = as_dict(config)
    parameters = sum(tensor.numel() for tensor in contents.weights.values())
    dtypes = sorted({str(w.dtype).removeprefix("torch.") for w in contents.weights.values()})
    found = {
        "format": contents.format,
        "architecture": class_of_config(values) or architecture_of(contents.weights),
        "shape": shape,
        "labels": labels,
        "parameters": parameters,
        "dtypes": dtypes,
        "step": contents.step,
        "unknown_tensors": contents.unknown,
        "tokenizer": tokens.as_dict() if tokens else {},
    }
    source = source_of(place)
    if source:
        found["hub"] = source.facts()
    rows = [
        ("class", found["architecture"]),
        ("format", formats.get(contents.format).title),
        *_sizes(shape),
        ("parameters", f"{parameters:,} of {', '.join(dtypes)}"),
        *([("labels", _shown(labels))] if labels else []),
        *([("step", f"{contents.step:,}")] if contents.step is not None else []),
        *(tokens.rows() if tokens else [("tokens", "no vocabulary beside it")]),
        *([("other tensors", shortened(contents.unknown))] if contents.unknown else []),
    ]
    return found, log.table(("model", name_of(place)), rows)


def view_config(path: str) -> tuple[dict[str, Any], str]:
    """What a model's configuration says without its weights, and a table of it for people.

    Args:
        path: a local `config.json` or `bert_config.json`.

    Raises:
        DataError, ConfigError: it is not JSON, or not of BERT.
    """
    values = read_config(Path(path))
    config = BertConfig.from_dict(values, path)
    shape, labels = as_dict(config), _labels(values)
    found = {"architecture": class_of_config(values), "shape": shape, "labels": labels}
    rows = [
        ("class", found["architecture"] or "not named"),
        *_sizes(shape),
        ("parameters", f"{config.parameter_count():,} with the pretraining heads"),
        *([("labels", _shown(labels))] if labels else []),
        ("weights", f"none in this file; `bertkit inspect {Path(path).parent}` looks beside it"),
    ]
    return found, log.table(("model configuration", path), rows)


def _sizes(shape: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The sizes that people look for."""
    sizes = [(title, shape[name]) for name, title in _SHAPE.items()]
    return [(title, f"{size:,}" if isinstance(size, int) else size) for title, size in sizes]


def _labels(values: Mapping[str, Any]) -> list[str]:
    """The names of a classifier's outputs in their order; none where nothing names them."""
    named = values.get("id2label")
    if not isinstance(named, Mapping):
        return []
    return [str(named[key]) for key in sorted(named, key=lambda key: int(key))]


def _shown(labels: list[str]) -> str:
    return f"{len(labels)}: {shortened(labels, _LABELS)}"
