from __future__ import annotations

import pytest
import synthetic

from bertkit.backends.base import Caps, StepPlan
from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.backends.torch.step import TorchStepper

SHAPE = ("vocab_size=64", "hidden_size=16", "num_hidden_layers=1", "num_attention_heads=2",
         "intermediate_size=32", "max_position_embeddings=32")  # fmt: skip


class Closing(CpuAdapter):
    closed = 0

    def close(self):
        self.closed += 1
        raise OSError("the device is gone")


def test_an_adapter_is_closed_at_the_end_of_its_block():
    with pytest.raises(OSError, match="device is gone"), Closing() as adapter:
        assert adapter.start().is_main
    assert adapter.closed == 1


def test_an_error_in_the_block_is_not_hidden_by_one_of_closing():
    with pytest.raises(ValueError, match="the first"), Closing() as adapter:
        raise ValueError("the first")
    assert adapter.closed == 1


def test_closing_twice_does_no_harm():
    adapter = CpuAdapter()
    adapter.start()
    adapter.close()
    adapter.close()


def test_auto_is_the_best_layout():
    caps = CpuAdapter.caps
    assert isinstance(caps, Caps)
    assert caps.layout("auto") == caps.layouts[0] == StepPlan().layout
    assert caps.layout("padded") == "padded"


@pytest.mark.parametrize("more", [(), ("--dry-run", "--mock"), ("error",)])
def test_commands_close_their_adapter(bertkit, tmp_path, monkeypatch, more):
    synthetic.write(tmp_path / "train.tfrecord", 8, seed=1)
    closed = []
    monkeypatch.setattr(CpuAdapter, "close", lambda self: closed.append(self))
    words = [
        "pretrain", "--input", tmp_path / "train.tfrecord", "--output", tmp_path / "run",
        "--backend", "cpu", "--gbs", 4, "--max-steps", 1,
        *(word for item in SHAPE for word in ("--set", f"model.{item}")),
    ]  # fmt: skip
    if more == ("error",):
        monkeypatch.setattr(TorchStepper, "train", None)
        with pytest.raises(TypeError):
            bertkit(*words)
    else:
        assert bertkit(*words, *more).status == 0
    assert len(closed) == 1
