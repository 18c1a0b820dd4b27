"""`bertkit.convert` against the command of the same name."""

from __future__ import annotations

import pytest

import bertkit as api
from bertkit.errors import ConfigError

SHAPE = {
    "vocab_size": 16,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "max_position_embeddings": 8,
}


@pytest.fixture
def checkpoint(tmp_path):
    return api.new_model(SHAPE).save(tmp_path / "checkpoint")


@pytest.mark.slow
def test_the_command_writes_the_same(checkpoint, tmp_path, bertkit):
    report = api.convert(checkpoint, tmp_path / "ours", {"license_name": "mit"}, to="nvidia")
    words = ("convert", checkpoint, "--to", "nvidia", "--license", "mit")
    assert bertkit(*words, "--output", tmp_path / "theirs", "--json").status == 0
    assert (report.form, report.architecture) == ("hf", "BertForPreTraining")
    for name in ("bert_config.json",):
        assert (tmp_path / "ours" / name).read_bytes() == (tmp_path / "theirs" / name).read_bytes()


def test_an_unknown_setting(checkpoint, tmp_path):
    with pytest.raises(ConfigError, match="unknown setting: too") as caught:
        api.convert(checkpoint, tmp_path / "out", too="nvidia")
    assert "to, " in caught.value.hint
    assert not (tmp_path / "out").exists()
