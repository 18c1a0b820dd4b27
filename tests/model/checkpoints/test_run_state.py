"""Checkpoints of bertkit's own runs: their step and moments."""

from __future__ import annotations

import pytest
import torch
from checksums_forgotten import forget_checksums

from bertkit.backends.base import OptimizerSpec
from bertkit.errors import DataError
from bertkit.model.checkpoints import loading
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.model.parameter_names import MOMENTS
from bertkit.train.checkpoints import checkpoint
from bertkit.train.checkpoints.run_state import RunState
from bertkit.train.optimization.optimizers import make_optimizer, named_state


def own_checkpoint(folder, optimizer="adamw"):
    """The checkpoint of a run's third step, and its optimizer's state by parameter name."""
    sizes = {"vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = BertForPreTraining(BertConfig(**sizes, intermediate_size=4, max_position_embeddings=3))
    made = make_optimizer(model, OptimizerSpec(optimizer))
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    made.step()
    state = RunState(step=3, position=24, epoch=0.5, seed=1, data_fingerprint="f" * 64, config={})
    inner = {"optimizer": named_state(made), "scaler": {}}
    return checkpoint.save(folder, model=model, stepper_state=inner, state=state), inner[
        "optimizer"
    ]


def test_a_run_of_ours_goes_on_elsewhere(bertkit, tmp_path):
    place, state = own_checkpoint(tmp_path / "run")
    out = tmp_path / "theirs"
    done = bertkit(
        "convert", place, "--to", "nvidia", "--keep-optimizer", "--pad-vocab", 1, "--output", out
    )
    assert done.status == 0, done.err
    assert (out / "ckpt_3.pt").is_file()
    theirs = torch.load(out / "ckpt_3.pt", weights_only=True)["optimizer"]["state"]
    assert {int(values["step"]) for values in theirs.values()} == {3}
    again = loading.read(out, moments=True).moments
    assert again.keys() == state.keys()
    for name, values in again.items():
        assert all(torch.equal(values[what], state[name][what]) for what in MOMENTS), name
    back = tmp_path / "back"
    assert bertkit("convert", out, "--keep-optimizer", "--output", back).status == 0
    assert loading.read(back, moments=True).moments.keys() == state.keys()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "holds no optimizer state"),
        ({"state": {0: {"exp_avg": torch.ones(1)}}, "param_groups": []}, "holds no moments"),
        ({"optimizer": {"ipu_state": {"Accl1___x": torch.ones(1)}}}, "holds no moments"),
        ({"optimizer": {"x": {"exp_avg": torch.ones(1)}}}, "has no matching weight"),
    ],
)
def test_states_without_names_are_refused(tmp_path, content, text):
    place, _ = own_checkpoint(tmp_path / "run")
    forget_checksums(place)
    (place / "optimizer.pt").unlink()
    if content is not None:
        torch.save(content, place / "optimizer.pt")
    with pytest.raises(DataError, match=text):
        loading.read(place, moments=True)
    assert loading.read(place).step == 3


def test_plain_sgd_has_no_moments(tmp_path):
    place, _ = own_checkpoint(tmp_path / "run", "sgd")
    with pytest.raises(DataError, match="holds no moments of AdamW or LAMB"):
        loading.read(place, moments=True)
