"""What leaves a system at a checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from bertkit.backends.cs.adapter import CsAdapter
from bertkit.backends.cs.options import CsOptions
from bertkit.backends.cs.state import Snapshots
from bertkit.model.checkpoints.loading import load_weights, read
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.train.checkpoints import checkpoint

from .runs import far


def test_the_vendors_file_converts_to_the_same_weights(cstorch, cs_settings, tmp_path):
    config = cs_settings(
        cs=CsOptions(device="cpu", artifacts=str(tmp_path / "logs"), keep_mdl=True)
    )
    pretrain(config, CsAdapter())
    files = sorted(path.name for path in (tmp_path / "logs/checkpoints").iterdir())
    assert files == [f"checkpoint_{step}.mdl" for step in (2, 4, 6)]
    for step in (2, 6):
        theirs = load_weights(tmp_path / f"logs/checkpoints/checkpoint_{step}.mdl")
        ours = load_file(Path(config.output) / f"step-000000{step}/model.safetensors")
        same = {name: ours[name] for name in theirs}
        assert far(same, theirs) == 0.0
        assert len(theirs) > 35
    moments = read_moments(tmp_path / "logs/checkpoints/checkpoint_6.mdl")
    state = checkpoint.load_stepper_state(Path(config.output) / "step-0000006")["optimizer"]
    assert moments.keys() == state.keys()
    for name, values in moments.items():
        assert far(values, {what: state[name][what] for what in ("exp_avg", "exp_avg_sq")}) == 0.0


def read_moments(path):
    return read(path, moments=True).moments


class Package:
    """Saves and loads as `cerebras.pytorch` does, as far as snapshots go."""

    @staticmethod
    def save(tree, path):
        assert not Path(path).exists(), "the package does not overwrite"
        torch.save(tree, path)

    @staticmethod
    def load(path):
        return torch.load(path)


def test_only_the_last_snapshot_is_kept_and_read(tmp_path):
    model = torch.nn.Linear(2, 2, bias=False)
    optimizer = torch.optim.SGD(
        [{"params": [model.weight], "names": ["weight"]}], lr=1.0, momentum=0.9
    )
    model.weight.grad = torch.ones(2, 2)
    optimizer.step()
    snapshots = Snapshots(Package, str(tmp_path / "logs"), keep=False, on_system=True)
    assert not snapshots.readable, "nothing was saved, and the model is elsewhere"
    for step in (2, 4):
        model.weight.data.fill_(step)
        snapshots.save(step, model, optimizer, None)
        snapshots.step = step
        assert snapshots.readable
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["checkpoint_4.mdl"]
    assert snapshots.weights(model)["weight"].tolist() == [[4.0, 4.0], [4.0, 4.0]]
    moments = snapshots.optimizer_state(optimizer)
    assert moments["weight"]["momentum_buffer"].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert snapshots.scaler_state() == {}
    snapshots.step = 5
    assert not snapshots.readable


def test_a_model_in_this_memory_is_read_without_a_file(tmp_path):
    model = torch.nn.Linear(2, 1, bias=False)
    here = Snapshots(Package, str(tmp_path / "logs"), keep=True, on_system=False)
    assert here.readable
    assert torch.equal(here.weights(model)["weight"], model.weight)
    assert not (tmp_path / "logs").exists()
