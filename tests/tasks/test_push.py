"""What of a run is published, and when it is not."""

from __future__ import annotations

import json

import pytest
from hub.server import TOKEN

from bertkit.errors import ConfigError, DataError, UsageError
from bertkit.model.checkpoints.convert import ConvertOptions, convert
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.push import PushOptions, next_step, push
from bertkit.train.checkpoints import checkpoint
from bertkit.train.checkpoints.run_state import RunState

SHAPE = BertConfig(
    vocab_size=8,
    hidden_size=4,
    num_hidden_layers=1,
    num_attention_heads=1,
    intermediate_size=4,
    max_position_embeddings=8,
)


@pytest.fixture
def run(tmp_path, model_hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    for step, finished in ((3, False), (7, True)):
        state = RunState(step=step, position=8, epoch=0.5, seed=1, data_fingerprint="f",
                         config={}, finished=finished)  # fmt: skip
        checkpoint.save(tmp_path / "run", model=BertForPreTraining(SHAPE), stepper_state={},
                        state=state)  # fmt: skip
    return tmp_path / "run"


def test_the_last_checkpoint_of_a_run(run, model_hub):
    result = push(str(run), PushOptions(to="me/x"))
    assert result.checkpoint.endswith("step-0000007") and result.made
    assert "| step" not in result.text() and "at step 7" in card(model_hub)
    assert next_step(result) == f"bertkit convert me/x@{result.commit} --check"


def card(model_hub):
    return model_hub.files("me/x")["README.md"].decode()


def test_the_best_model_where_one_was_kept(run, model_hub):
    best = run / "best"
    save_pretrained(BertForPreTraining(SHAPE), best)
    (best / "best.json").write_text('{"step": 3, "metric": "f1", "value": 0.5}')
    (run / "scores.json").write_text(json.dumps({"scores": {"f1": 0.5}, "eval_file": "dev.csv"}))
    result = push(str(run), PushOptions(to="me/x"))
    assert result.checkpoint == str(best)
    assert "at step 3" in card(model_hub) and '"value": 0.5' in card(model_hub)


def test_an_unfinished_one(run, model_hub):
    half = str(run / "step-0000003")
    with pytest.raises(ConfigError, match="is not finished: it stands at step 3"):
        push(half, PushOptions(to="me/x"))
    assert push(half, PushOptions(to="me/x", unfinished=True)).made


def test_converted_folders_go_as_they_are(run, model_hub, tmp_path):
    out = tmp_path / "out"
    convert(str(run / "step-0000007"), str(out), ConvertOptions())
    result = push(str(out), PushOptions(to="me/x", revision="v1", message="mine"))
    assert {file.name for file in result.files} == {"README.md", "config.json", "model.safetensors"}
    assert result.revision == "v1"
    other = PushOptions(to="me/x", conversion=ConvertOptions(license_name="mit"))
    with pytest.raises(UsageError, match="is converted already"):
        push(str(out), other)


def test_what_is_no_checkpoint(tmp_path, model_hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(DataError, match="no such checkpoint"):
        push(str(tmp_path / "none"), PushOptions(to="me/x"))
    assert model_hub.asked == []
