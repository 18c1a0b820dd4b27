"""Pickles are opened as data: tensors come back, code does not run."""

from __future__ import annotations

import os

import pytest
import torch

from bertkit.errors import DataError
from bertkit.model.checkpoints.vendors.safe_pickle import load_tensors, load_with_stand_ins
from model.checkpoints.common import Inputs


class Hostile:
    """Makes a folder when it is unpickled the ordinary way."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (self.place,)


def test_plain_tensors_come_back(tmp_path):
    content = {"a": torch.arange(3), "b": [1, "two", {"c": torch.ones(2, 2)}]}
    torch.save(content, tmp_path / "x.pt")
    for load in (load_tensors, load_with_stand_ins):
        found = load(tmp_path / "x.pt")
        assert torch.equal(found["a"], content["a"])
        assert torch.equal(found["b"][2]["c"], content["b"][2]["c"])


def test_objects_of_other_programs_become_empty(tmp_path):
    torch.save({"weights": torch.ones(2), "loader": Inputs()}, tmp_path / "x.pt")
    with pytest.raises(DataError, match="not a file of plain tensors"):
        load_tensors(tmp_path / "x.pt")
    found = load_with_stand_ins(tmp_path / "x.pt")
    assert torch.equal(found["weights"], torch.ones(2))
    assert not isinstance(found["loader"], Inputs)
    assert vars(found["loader"]) == {}


def test_code_does_not_run(tmp_path):
    mark = tmp_path / "mark"
    torch.save({"weights": torch.ones(2), "evil": Hostile(str(mark))}, tmp_path / "x.pt")
    for load in (load_tensors, load_with_stand_ins):
        try:
            load(tmp_path / "x.pt")
        except DataError as error:
            assert error.message
        assert not mark.exists()


def test_absent_and_damaged_files(tmp_path):
    (tmp_path / "x.pt").write_bytes(b"nothing")
    for load in (load_tensors, load_with_stand_ins):
        with pytest.raises(DataError, match="no such file"):
            load(tmp_path / "absent.pt")
        with pytest.raises(DataError, match="not a file of plain tensors"):
            load(tmp_path / "x.pt")


def test_damage_that_pytorch_does_not_see_is_named(tmp_path):
    torch.save({"a": torch.arange(1000.0)}, tmp_path / "x.pt")
    blob = bytearray((tmp_path / "x.pt").read_bytes())
    at = blob.index(torch.arange(500.0, 1000.0).numpy().tobytes())
    blob[at] ^= 1
    (tmp_path / "x.pt").write_bytes(blob)
    for load in (load_tensors, load_with_stand_ins):
        with pytest.raises(DataError, match=r"x\.pt: its entry x/data/0 is damaged"):
            load(tmp_path / "x.pt")


def test_files_without_checksums_are_read(tmp_path):
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": torch.ones(2)}, tmp_path / "x.pt")
    finally:
        torch.serialization.set_crc32_options(before)
    torch.save({"a": torch.ones(2)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name in ("x.pt", "old.pt"):
        assert torch.equal(load_tensors(tmp_path / name)["a"], torch.ones(2))
