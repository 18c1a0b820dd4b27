"""String tables, the index of TensorFlow's checkpoints: damage is refused in bounded memory."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.errors import DataError
from bertkit.model.checkpoints.tensorflow.sstable import read_table
from model.checkpoints.tensorflow import bundles
from model.checkpoints.tensorflow.bundles import refuses_or_reads


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_cut_or_changed_index_files(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    bundles.write_bundle(folder / "m", {f"n/{i}": torch.ones(i + 1) for i in range(12)})
    path = folder / "m.index"
    blob = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del blob[data.draw(st.integers(0, len(blob) - 1)) :]
    for _ in range(data.draw(st.integers(0, 3)) if blob else 0):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(blob)
    refuses_or_reads(read_table, path)


def test_keys_that_grow_without_end_are_refused(tmp_path):
    first = bundles.varint(0) + bundles.varint(60_000) + bundles.varint(0) + b"k" * 60_000
    again = bundles.varint(60_000) + bundles.varint(0) + bundles.varint(0)
    block = first + again * 5000 + b"\0\0\0\0\1\0\0\0"
    (tmp_path / "m.index").write_bytes(bundles.table_of([(b"k", block)]))
    with pytest.raises(DataError, match="does not fit"):
        read_table(tmp_path / "m.index")
