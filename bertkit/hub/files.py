"""Chooses the files of a repository that a checkpoint or a vocabulary needs, and no others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from bertkit.codecs.json_lines import keys_once
from bertkit.errors import DataError

CONFIGS = ("config.json", "bert_config.json")
VOCABULARIES = ("vocab.txt", "tokenizer.json")
TOKENIZER = (
    *VOCABULARIES,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
# Weights in the order of preference; an index names the files beside it.
SAFETENSORS, PICKLED = "model.safetensors", "pytorch_model.bin"
_INDEX = ".index.json"
WEIGHTS = (SAFETENSORS, SAFETENSORS + _INDEX, PICKLED, PICKLED + _INDEX)
_TENSORFLOW = re.compile(r"(?P<prefix>[^/]+\.ckpt(?:-\d+)?)\.(?:index|data-\d{5}-of-\d{5})")
_SHARD = re.compile(r"(?:model|pytorch_model)-\d{5}-of-\d{5}\.(?:safetensors|bin)")
_OTHERS = (".h5", ".msgpack", ".onnx", ".gguf", ".ot", ".tflite", ".safetensors", ".bin")
_SHOWN = 5


def of_model(text: str) -> bool:
    """Whether transformers would read a file of this name as part of a model or tokenizer."""
    return text in (*CONFIGS, *TOKENIZER, *WEIGHTS) or _SHARD.fullmatch(text) is not None


def configuration(names: Iterable[str]) -> list[str]:
    """The files with the shape of the model."""
    found = set(names)
    return [name for name in CONFIGS if name in found]


def tokenizer(names: Iterable[str]) -> list[str]:
    """The vocabulary and what is told of its text."""
    found = set(names)
    return [name for name in TOKENIZER if name in found]


def weights(names: Iterable[str], fetch: Callable[[str], bytes], where: str) -> list[str]:
    """The files of one set of weights: safetensors, else pickled ones, else TensorFlow's.

    Args:
        names: of the files in the folder of the model.
        fetch: gives the content of one of them; asked for an index only.
        where: the model, for messages.

    Raises:
        DataError: no weights that bertkit reads, several, or an index that is broken or names
            files that are not there.
    """
    found = set(names)
    for name in WEIGHTS:
        if name in found and not name.endswith(_INDEX):
            return [name]
        if name in found:
            parts = _shards(json_object(fetch(name), f"{where}: {name}"), f"{where}: {name}")
            missing = [part for part in parts if part not in found]
            if missing:
                raise DataError(
                    f"{where}: {missing[0]}, which {name} names, is not there",
                    "its upload is incomplete: try another revision, or ask its owner",
                )
            return [name, *parts]
    prefixes = {match["prefix"] for name in found if (match := _TENSORFLOW.fullmatch(name))}
    if len(prefixes) == 1:
        prefix = prefixes.pop()
        return sorted(name for name in found if name.startswith(f"{prefix}."))
    if prefixes:
        raise DataError(
            f"{where} has several TensorFlow checkpoints: {', '.join(sorted(prefixes))}",
            "download the one you want, and give its prefix",
        )
    others = sorted(name for name in found if name.endswith(_OTHERS))
    some = ", ".join((others or sorted(found))[:_SHOWN]) or "nothing"
    raise DataError(
        f"{where} has no weights that bertkit reads; it has {some}",
        f"bertkit reads {SAFETENSORS}, {PICKLED} and TensorFlow checkpoints",
    )


def json_object(blob: bytes, where: str) -> dict[str, Any]:
    """A file that is one JSON object.

    Raises:
        DataError: it is not.
    """
    try:
        values = json.loads(blob.decode("utf-8-sig"), object_pairs_hook=keys_once)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise DataError(f"{where} is not an object")
    return values


def _shards(index: dict[str, Any], where: str) -> list[str]:
    table = index.get("weight_map")
    if not isinstance(table, dict) or not table:
        raise DataError(f"{where} has no weight_map")
    parts = sorted({str(name) for name in table.values()})
    outside = [name for name in parts if "/" in name or "\\" in name or name.startswith(".")]
    if outside:
        raise DataError(f"{where}: {outside[0]!r} is not a file beside it")
    return parts
