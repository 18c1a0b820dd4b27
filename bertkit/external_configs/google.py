"""Translates `bert_config.json` and published model names into the shape of a model."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Mapping
from typing import Any

from bertkit.external_configs.translation import NOTE, REFUSED, KeyResult, Refuse, Translation
from bertkit.model.config import BertConfig

TITLE = "bert_config.json"
# Such a file describes a model. One that trains too belongs to a program that is not known here.
_TRAINING = re.compile(
    r"learning_rate|optimi[sz]er|batch_size|(num|max)_(train_)?steps|train_epochs|weight_decay"
    r"|warmup|gradient_acc|loss_scal"
)

# What transformers' `save_pretrained` writes for every BERT; what would make another model of it
# (a decoder, an untied one) `BertConfig.from_dict` has refused.
_NOTES = frozenset(
    {
        *("_name_or_path", "add_cross_attention", "architectures", "bos_token_id"),
        *("classifier_dropout", "dtype", "eos_token_id", "gradient_checkpointing", "is_decoder"),
        *("model_type", "position_embedding_type", "tie_word_embeddings", "torch_dtype"),
        *("transformers_version", "use_cache"),
    }
)


# A file with most of these is one, also where a key is misspelt or left out.
_USUAL = frozenset(
    {
        *("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
        *("vocab_size", "type_vocab_size", "max_position_embeddings", "hidden_dropout_prob"),
    }
)


def recognises(values: Mapping[str, Any]) -> bool:
    """Whether a JSON object is one, or transformers' own of any model."""
    sizes, theirs = {"hidden_size", "num_hidden_layers"}, {"model_type", "transformers_version"}
    usual = len(_USUAL & values.keys()) > len(_USUAL) // 2
    return usual or sizes <= values.keys() or theirs <= values.keys()


def read(source: str, values: Mapping[str, Any]) -> Translation:
    """Translate a file; keys of other encoders are checked as in a checkpoint.

    Args:
        source: its name.
        values: its content.

    Raises:
        ConfigError: it describes another kind of model, or a key is misspelt.
    """
    found = Translation(source, TITLE)
    for key in values:
        meant = _misspelt(key, values)
        if meant:
            text = f"unknown key, did you mean {meant}?"
            found.keys.append(KeyResult(key, values[key], REFUSED, text))
    found.require_nothing_refused()
    shape = BertConfig.from_dict(values, source)
    for key, value in values.items():
        if hasattr(shape, key):
            setting = getattr(shape, key)
            found.values[f"model.{key}"] = setting
            found.keys.append(KeyResult(key, value, "mapped", f"model.{key} = {setting}"))
        elif _TRAINING.search(key):
            text = "a setting of training, not of a model: bertkit does not know whose it is"
            found.keys.append(KeyResult(key, value, REFUSED, text))
        else:
            text = NOTE if key in _NOTES else "has no effect on plain BERT"
            found.keys.append(KeyResult(key, value, "ignored", text))
    return found


def _misspelt(key: str, values: Mapping[str, Any]) -> str:
    """The key of ours that another one stands for, where the file lacks it; empty for none."""
    names = [item.name for item in dataclasses.fields(BertConfig)]
    if key in names or key in _NOTES:
        return ""
    close = difflib.get_close_matches(key, names, n=1, cutoff=0.88)
    return close[0] if close and close[0] not in values else ""


# Published sizes, by the word that names of models and checkpoints hold.
_SIZES = {
    "base": {
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    },
    "large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
}
SIZE_KEYS = tuple(_SIZES["base"])


def named_sizes(name: str, hint: str, family: str = "") -> dict[str, int]:
    """The settings of a model by its published name, such as bert-large-uncased.

    Args:
        name: holds `base` or `large`.
        hint: what to do where it holds neither.
        family: must stand right before that, such as `bert-`.

    Raises:
        Refuse: it does not.
    """
    for size in reversed(_SIZES):
        if family + size in name:
            return {f"model.{key}": number for key, number in _SIZES[size].items()}
    raise Refuse(hint)
