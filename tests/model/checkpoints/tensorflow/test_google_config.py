"""The configuration says what Google's programs understand by it, and what they do not know."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bertkit.model.checkpoints.tensorflow.google_config import write_google_config
from model.checkpoints.tensorflow.writing import to_write


@pytest.mark.parametrize(
    ("change", "activation", "said"),
    [
        ({"hidden_act": "gelu_new"}, "gelu", "gelu_new is written as gelu"),
        ({"hidden_act": "relu"}, "relu", ""),
        ({"layer_norm_eps": 1e-5}, "gelu", "always take 1e-12"),
    ],
)
def test_activation_and_epsilon(tmp_path, small, caplog, change, activation, said):
    write_google_config(tmp_path, to_write({}, replace(small, **change)))
    values = json.loads((tmp_path / "bert_config.json").read_text())
    assert values["hidden_act"] == activation
    assert values["hidden_size"] == small.hidden_size
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert (said in " ".join(warnings)) if said else not warnings
