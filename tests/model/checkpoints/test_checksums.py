"""Checksums of a checkpoint's files, and what is wrong where they do not fit."""

from __future__ import annotations

import zipfile

import torch
from safetensors.torch import save_file

from bertkit.model.checkpoints.checksums import (
    broken_container,
    damage,
    file_facts,
    folder_facts,
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
    assert (
        damage(tmp_path, {"../precious": {"bytes": 1}}) == "'../precious' is no file of the folder"
    )


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


def test_whatever_the_index_of_a_file_of_tensors_says_costs_no_traceback(tmp_path):
    path = tmp_path / "pytorch_model.bin"
    torch.save({"ä": torch.ones(3)}, path)
    blob = path.read_bytes()
    assert broken_container(path) == ""
    found = 0
    for place in range(blob.index(b"PK\x01\x02"), len(blob)):
        for value in (0, 0x83, 0xFF):
            path.write_bytes(blob[:place] + bytes([value]) + blob[place + 1 :])
            found += bool(broken_container(path))
    assert found > 100


def test_entries_of_any_compression_may_be_damaged(tmp_path):
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a/data.pkl", b"x" * 1000)
    blob = bytearray(path.read_bytes())
    place = blob.index(b"\x5d\0\0")  # LZMA's properties
    blob[place] = 255
    path.write_bytes(blob)
    assert "not a complete file of tensors" in broken_container(path)
