"""What the programs do where a file leaves a key out."""

from __future__ import annotations

import pytest

from bertkit.errors import ConfigError
from external_configs.graphcore.settings import FLAT, NESTED


def test_samples_of_a_length_that_they_have_no_number_for(read):
    values = {key: value for key, value in FLAT.items() if key != "total_num_train_samples"}
    with pytest.raises(ConfigError, match="no total_num_train_samples, for which"):
        read({**values, "max_seq_length": 256})


def test_what_their_models_lack_is_said(read):
    """utilities/options.py of v3.4.1: use_qkv_bias and the like are False."""
    found, _ = read(NESTED)
    texts = {key.key: key.text for key in found.keys if key.outcome == found.default_origin}
    for name in ("use_cls_layer", "use_qkv_bias", "use_projection_bias"):
        assert "lacks it" in texts[name]
    assert texts["embedding_serialization_factor"] == "ipu.embedding_serialization = 2"
