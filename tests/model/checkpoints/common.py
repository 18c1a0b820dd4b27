"""What the tests of checkpoint forms share."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import torch

# Written by the vendor's own cerebras_pytorch 2.10, after 8 steps of AdamW.
SAMPLE_WITH_MOMENTS = "checkpoint_8.mdl"


def counted(name: str, shape) -> torch.Tensor:
    """The numbers that the samples were made with."""
    values = torch.arange(torch.Size(shape).numel()) * 37 + sum(name.encode())
    return ((values % 101) / 101 - 0.5).reshape(shape)


def sample(name: str) -> bytes:
    """A file of `samples/`, which holds it packed."""
    return lzma.decompress((Path(__file__).with_name("samples") / f"{name}.xz").read_bytes())


def same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert value.dtype == other[name].dtype
        assert torch.equal(value, other[name]), name


class Inputs(torch.utils.data.Dataset):
    """What their programs keep in `data_loader`."""

    def __init__(self):
        self.inputs = [np.arange(6).reshape(2, 3)]

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return self.inputs[0][index]


def poptorch_state(model, prefix="model."):
    """As PopTorch's `state_dict`: torch's own, empty, and the engine's by PopART's names."""
    found = {}
    for name, value in model.named_parameters():
        found[f"Accl1___{prefix}{name}"] = counted(f"{name} 1", value.shape).half()
        found[f"Accl2___{prefix}{name}"] = counted(f"{name} 2", value.shape)
        found[f"Step___{prefix}{name}"] = torch.tensor([5.0])
    parameters = {"learningRate___default___FLOAT": torch.tensor(1e-3)}
    return {"state": {}, "param_groups": [], "ipu_state": found, "ipu_param": parameters}
