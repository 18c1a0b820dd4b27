"""Cerebras' .mdl files: every weight, and clear refusals."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.errors import ConfigError, DataError, MissingDependencyError
from bertkit.model.checkpoints import loading
from bertkit.model.checkpoints.completeness import expected_shapes
from bertkit.model.checkpoints.vendors import cerebras
from model.checkpoints.common import counted, sample

SAMPLE = "checkpoint_60.mdl"


@pytest.fixture
def mdl(tmp_path):
    """Written by the vendor's own cerebras_pytorch 2.10 on its CPU backend."""
    path = tmp_path / SAMPLE
    path.write_bytes(sample(SAMPLE))
    return path


def test_a_file_of_the_vendors_own_program(mdl):
    contents = loading.read(mdl.parent)
    assert contents.step == 60
    assert contents.unknown == []
    contents.heads = 2
    config = loading.config_of(contents)
    shapes = {name: tuple(value.shape) for name, value in contents.weights.items()}
    assert shapes == expected_shapes(config, "BertForPreTraining")
    for row in contents.tensors:
        if row.target:
            wanted = counted(row.name.removeprefix("model."), row.shape)
            if row.target == "bert.embeddings.LayerNorm.bias":
                wanted = wanted.bfloat16()
            assert torch.equal(contents.weights[row.target], wanted), row.name
    with pytest.raises(DataError, match="has no matching weight"):
        loading.read(mdl, moments=True)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_damaged_mdl_files_give_one_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "x.mdl"
    blob = bytearray(sample(SAMPLE))
    del blob[data.draw(st.sampled_from([len(blob), len(blob) // 2, 100, 5])) :]
    for _ in range(data.draw(st.integers(0, 60))):
        blob[data.draw(st.integers(8, len(blob) - 1)) if len(blob) > 9 else 0] ^= 0x41
    path.write_bytes(blob)
    try:
        loading.read(path)
    except (DataError, ConfigError) as error:  # the latter where one of two tied weights is hit
        assert error.message


def test_tensors_outside_the_file_are_not_followed(tmp_path):
    np.save(tmp_path / "secret", np.ones(3))
    with h5py.File(tmp_path / "x.mdl", "w") as file:
        file["model.a"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/a")
    with pytest.raises(DataError, match=r"model\.a is not a tensor of this file"):
        loading.read(tmp_path / "x.mdl")
    with h5py.File(tmp_path / "x.mdl", "w") as file:
        outside = [(str(tmp_path / "secret.npy"), 0, 24)]
        file.create_dataset("model.a", (3,), "f8", external=outside)
    with pytest.raises(DataError, match="not a tensor of this file"):
        loading.read(tmp_path / "x.mdl")


def test_a_data_set_larger_than_its_file_takes_no_memory(tmp_path):
    with h5py.File(tmp_path / "x.mdl", "w") as file:
        file.create_dataset("model.a", (1 << 40,), "f4", chunks=(1 << 20,))
    with pytest.raises(DataError, match="more than the file can hold"):
        loading.read(tmp_path / "x.mdl")


def test_parts_that_were_never_written_are_no_zeros(tmp_path):
    with h5py.File(tmp_path / "x.mdl", "w") as file:
        data = file.create_dataset("model.a", (64, 8), "f4", chunks=(8, 8))
        data[:32] = 1
    with pytest.raises(DataError, match=r"parts of model\.a are missing"):
        loading.read(tmp_path / "x.mdl")


def test_without_h5py_the_package_is_named(mdl, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(MissingDependencyError, match="h5py is not installed"):
        cerebras.read(mdl)
