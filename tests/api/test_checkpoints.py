"""`bertkit.convert` and `bertkit.push` against the commands of the same names."""

from __future__ import annotations

import pytest
from hub.server import TOKEN

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


def test_push_uploads_what_the_command_would(checkpoint, bertkit, model_hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    plan = api.push(checkpoint, "me/model", {"license_name": "mit"}, dry_run=True)
    assert plan.commit == "" and "me/model" not in model_hub.repos
    done = api.push(checkpoint, "me/model", {"license_name": "mit"})
    assert [file.name for file in done.files] == [file.name for file in plan.files]
    assert done.made and 'license: "mit"' in model_hub.files("me/model")["README.md"].decode()
    again = bertkit("push", checkpoint, "--to", "me/model", "--license", "mit", "--json").result
    assert again["commit"] == done.commit and not again["made"]
    with pytest.raises(ConfigError, match="unknown setting: licence"):
        api.push(checkpoint, "me/model", licence="mit")
