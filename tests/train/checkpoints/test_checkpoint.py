from __future__ import annotations

import json
import math

import pytest
import torch

from bertkit.errors import BertkitError, DataError
from bertkit.model.heads import BertForPreTraining
from bertkit.train.checkpoints import checkpoint
from bertkit.train.checkpoints.run_state import RunState, load_state


def state(step: int, **changes) -> RunState:
    values = {"position": step * 8, "epoch": step / 5, "seed": 1, "data_fingerprint": "f" * 64,
              "config": {"learning_rate": 0.1, "model": {"hidden_size": 16}}}  # fmt: skip
    return RunState(step=step, **{**values, **changes})


@pytest.fixture
def save(settings, tmp_path):
    torch.manual_seed(0)
    model = BertForPreTraining(settings().model)

    def write(step: int, keep: int = 0):
        moments = {"optimizer": {"w": {"step": torch.tensor(float(step))}}, "scaler": {}}
        return checkpoint.save(
            tmp_path / "run", model=model, stepper_state=moments, state=state(step),
            vocab=b"[PAD]\n", keep_last=keep,
        )  # fmt: skip

    return write


def test_what_is_saved_comes_back(save):
    folder = save(7)
    assert folder.name == "step-0000007"
    assert load_state(folder) == state(7)
    assert float(checkpoint.load_stepper_state(folder)["optimizer"]["w"]["step"]) == 7
    assert {path.name for path in folder.iterdir()} == {
        "config.json", "model.safetensors", "optimizer.pt", "state.json", "vocab.txt",
    }  # fmt: skip


def test_keeping_the_last_ones(save, tmp_path):
    for step in (5, 10, 1000, 15):
        save(step, keep=2)
    assert [step for step, _ in checkpoint.in_run(tmp_path / "run")] == [15, 1000]


def test_half_written_folders_are_not_seen(save, tmp_path):
    run = tmp_path / "run"
    whole = save(3)
    (run / "step-0000009.partial").mkdir()
    (run / "step-0000009.partial" / "model.safetensors").write_bytes(b"")
    (run / "step-0000008").mkdir()
    # Of another machine; the one above was left by an earlier version.
    (run / ".step-0000007.partial-00000000-1-00000000").mkdir()
    assert checkpoint.latest(run) == whole
    checkpoint.clean(run)
    assert {path.name for path in run.iterdir()} == {"step-0000003", "step-0000008"}


def test_a_failing_save_leaves_nothing(save, tmp_path, monkeypatch):
    save(1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space"):
        save(2)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["step-0000001"]


def test_finding_checkpoints_in_step_order(save, tmp_path):
    for step in (20, 3, 100):
        save(step)
    run = tmp_path / "run"
    for names in (
        [str(run)],
        [str(run / "step-*")],
        [str(run / f"step-{n:07d}") for n in (100, 3, 20)],
    ):
        assert [step for step, _ in checkpoint.find(names)] == [3, 20, 100]
    run.joinpath("step-0000003").rename(tmp_path / "exported")
    assert checkpoint.find([str(tmp_path / "exported")]) == [(None, tmp_path / "exported")]


@pytest.mark.parametrize("name", ["nowhere", "run/step-9*", "empty"])
def test_missing_checkpoints(save, tmp_path, name):
    save(1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no (such )?checkpoint"):
        checkpoint.find([str(tmp_path / name)])


def test_nothing_to_resume(tmp_path):
    assert checkpoint.latest(tmp_path / "never-made") is None


def test_broken_parts_are_named(save):
    folder = save(1)
    (folder / "optimizer.pt").write_bytes(b"not a file of torch")
    with pytest.raises(DataError, match=r"optimizer\.pt"):
        checkpoint.load_stepper_state(folder)
    (folder / "state.json").write_text(json.dumps({"step": 1}))
    with pytest.raises(DataError, match="not the state of a run"):
        load_state(folder)
    (folder / "state.json").unlink()
    with pytest.raises(DataError, match="holds weights, not a run"):
        load_state(folder)


def test_code_in_an_optimizer_file_is_not_run(save, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    folder = save(1)
    torch.save({"optimizer": Evil()}, folder / "optimizer.pt")
    with pytest.raises(DataError):
        checkpoint.load_stepper_state(folder)
    assert not (tmp_path / "owned").exists()


def test_several_runs_keep_the_order_given(tmp_path):
    for name in ("b/step-0000002", "b/step-0000010", "a/step-0000005"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / "model.safetensors").write_bytes(b"")
    found = checkpoint.find([str(tmp_path / "b"), str(tmp_path / "a")])
    assert [step for step, _ in found] == [2, 10, 5]


@pytest.mark.parametrize("where", ["model", "moments", "scale"])
def test_what_is_not_finite_is_never_written(settings, save, tmp_path, where):
    """The last door, whoever knocks: the checkpoint before stays, and is named."""
    good = save(3)
    model = BertForPreTraining(settings().model)
    moments = {"optimizer": {"w": {"exp_avg_sq": torch.ones(3)}}, "scaler": {"scale": 2.0}}
    if where == "model":
        with torch.no_grad():
            model.bert.pooler.dense.weight[1, 2] = math.inf
    elif where == "moments":
        moments["optimizer"]["w"]["exp_avg_sq"][1] = math.nan
    else:
        moments["scaler"]["scale"] = math.inf
    with pytest.raises(BertkitError) as caught:
        checkpoint.save(
            tmp_path / "run", model=model, stepper_state=moments, state=state(4), keep_last=1
        )
    name = {
        "model": "bert.pooler.dense.weight",
        "moments": "optimizer.w.exp_avg_sq",
        "scale": "scaler.scale",
    }[where]
    assert name in caught.value.message
    assert f"nothing was saved, the last good checkpoint is {good}" in caught.value.message
    assert [step for step, _ in checkpoint.in_run(tmp_path / "run")] == [3]


def test_numbers_that_are_not_finite_are_null(save, settings, tmp_path):
    folder = checkpoint.save(
        tmp_path / "run", model=BertForPreTraining(settings().model), stepper_state={},
        state=state(5, metrics={"train": {"loss": math.nan}, "eval": {"perplexity": math.inf}}),
    )  # fmt: skip
    assert "NaN" not in (folder / "state.json").read_text()
    assert load_state(folder).metrics == {
        "train": {"loss": None}, "eval": {"perplexity": None},
    }  # fmt: skip
