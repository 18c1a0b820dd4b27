"""`bert_config.json`: the shape of the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertkit.model.config import BertConfig
from bertkit.train.foreign.translation import Fate, Translation

TITLE = "bert_config.json"


def recognises(values: Mapping[str, Any]) -> bool:
    """Whether a JSON object is one."""
    return {"hidden_size", "num_hidden_layers"} <= values.keys()


def read(source: str, values: Mapping[str, Any]) -> Translation:
    """Translate a file; keys of other encoders are checked as in a checkpoint.

    Args:
        source: its name.
        values: its content.

    Raises:
        ConfigError: it describes another kind of model.
    """
    shape = BertConfig.from_dict(values, source)
    found = Translation(source, TITLE)
    for key, value in values.items():
        if hasattr(shape, key):
            setting = getattr(shape, key)
            found.values[f"model.{key}"] = setting
            found.fates.append(Fate(key, value, "mapped", f"model.{key} = {setting}"))
        else:
            found.fates.append(Fate(key, value, "ignored", "decides nothing of plain BERT"))
    return found
