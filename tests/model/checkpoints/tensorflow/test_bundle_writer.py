"""Bundles are written whole or not at all, with every type of number that both sides have."""

from __future__ import annotations

import pytest
import torch

from bertkit.model.checkpoints.tensorflow.bundle import TYPES, Bundle
from bertkit.model.checkpoints.tensorflow.bundle_writer import write_bundle


def test_every_type_and_shape_comes_back(tmp_path):
    values = torch.arange(24).reshape(2, 3, 4) % 2
    tensors = {f"of/{number}": values.to(kind) for number, kind in TYPES.items()}
    tensors |= {"scalar": torch.tensor(5), "none": torch.zeros(0, 3), "turned": values[0].t()}
    with write_bundle(tmp_path / "x") as bundle:
        for name, tensor in tensors.items():
            bundle.add(name, tensor)
        bundle.add_text("text", b"some words")
        with pytest.raises(ValueError, match="two tensors called scalar"):
            bundle.add("scalar", tensors["scalar"])
        with pytest.raises(ValueError, match="complex64"):
            bundle.add("complex", torch.zeros(1, dtype=torch.complex64))
    found = Bundle(tmp_path / "x")
    assert list(found.entries) == sorted([*tensors, "text"])
    for name, tensor in tensors.items():
        read = found.read(name)
        assert read.dtype == tensor.dtype and torch.equal(read, tensor), name
    assert found.why_unreadable("text") == "text, not numbers"


def test_an_error_leaves_the_older_bundle_as_it_was(tmp_path):
    def write(value, fail=False):
        with write_bundle(tmp_path / "x") as bundle:
            bundle.add("w", torch.full((3,), value))
            if fail:
                raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        write(1.0, fail=True)
    assert list(tmp_path.iterdir()) == []
    write(2.0)
    with pytest.raises(RuntimeError):
        write(3.0, fail=True)
    assert Bundle(tmp_path / "x").read("w").tolist() == [2.0, 2.0, 2.0]
    assert len(list(tmp_path.iterdir())) == 3
