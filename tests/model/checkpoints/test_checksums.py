"""Checksums of a checkpoint's files, and what is wrong where they do not fit."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from bertkit.errors import DataError
from bertkit.model.checkpoints.checksums import (
    broken_container,
    damage,
    file_facts,
    folder_facts,
    require_sealed,
    sealed,
)


def test_crc32c_is_that_of_the_standard(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"123456789")  # the check value of RFC 3720 and of every catalogue of CRCs
    assert file_facts(path) == {"bytes": 9, "crc32c": "e3069283"}


def test_every_kind_of_damage_is_named(tmp_path):
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).write_bytes(name.encode() * 1000)
    known = folder_facts(tmp_path)
    assert damage(tmp_path, known) == ""
    (tmp_path / "a").unlink()
    (tmp_path / "b").write_bytes(b"b" * 999)
    (tmp_path / "c").write_bytes(b"c" * 999 + b"x")
    (tmp_path / "new").write_bytes(b"is no business of the checkpoint's")
    found = damage(tmp_path, known).split("; ")
    assert found[:2] == ["a is missing", "b has 999 bytes instead of 1,000"]
    assert found[2].startswith("c has CRC-32C ") and len(found) == 3
    assert damage(tmp_path, known, ["d", "new"]) == ""


def test_a_seal_breaks_when_anything_changes(tmp_path):
    values = {"step": 3, "loss": 0.1, "nested": {"a": [1, None, "é"], "b": float("nan")}}
    kept = json.loads(json.dumps(sealed(values)))
    require_sealed(kept, tmp_path)
    assert sealed(kept) == sealed(values) or kept["nested"]["b"] != kept["nested"]["b"]
    require_sealed({"step": 4}, tmp_path)  # nothing is known of it
    for changed in ({**kept, "step": 4}, {**kept, "more": 1}):
        with pytest.raises(DataError, match="damaged, or changed by hand"):
            require_sealed(changed, tmp_path)


def test_files_without_a_checksum_tell_what_they_can(tmp_path):
    model, optimizer = tmp_path / "model.safetensors", tmp_path / "optimizer.pt"
    save_file({"a": torch.zeros(9)}, model)
    torch.save({"a": torch.arange(999.0)}, optimizer)
    assert broken_container(model) == broken_container(optimizer) == ""
    model.write_bytes(model.read_bytes()[:-1])
    assert "model.safetensors: not a complete safetensors file" in broken_container(model)
    content = bytearray(optimizer.read_bytes())
    content[content.index(b"\x00\x00\x80\x3f")] ^= 1  # 1.0, in the middle of an entry
    optimizer.write_bytes(content)
    assert "data/0 is damaged" in broken_container(optimizer)
    optimizer.write_bytes(content[:500])
    assert "not a complete file of tensors" in broken_container(optimizer)
    optimizer.unlink()
    assert broken_container(optimizer) == "optimizer.pt is missing"
