"""TensorFlow's checkpoint files are read whole, checked, and refused when damaged."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.errors import DataError
from bertkit.model.checkpoints.tensorflow.bundle import Bundle
from bertkit.model.checkpoints.tensorflow.sstable import read_table
from model.checkpoints.tensorflow import bundles
from model.checkpoints.tensorflow.bundles import refuses_or_reads

SAMPLES = {
    "keras_bert_tiny_tf1/bert_model.ckpt": 139,
    "keras_bert_tiny_tf2_encoder/model.ckpt-1": 41,
    "keras_bert_tiny_tf2_pretrainer/model.ckpt-1": 46,
    "savedmodel_tf1/variables/variables": 5,
    "savedmodel_tf2/variables/variables": 4,
}


@pytest.mark.parametrize("name", SAMPLES)
def test_real_files_are_read_with_every_checksum_right(shared, name):
    bundle = Bundle(shared / "data" / "checkpoints" / name)
    assert len(bundle.entries) == SAMPLES[name]
    for tensor in bundle.entries:
        reason = bundle.why_unreadable(tensor)
        if reason:
            assert tensor == "_CHECKPOINTABLE_OBJECT_GRAPH"
            assert reason == "text, not numbers"
        else:
            assert bundle.read(tensor).shape == bundle.shape(tensor)


def test_an_index_alone_names_tensors_and_a_read_says_what_is_missing(shared):
    place = shared / "data" / "checkpoints" / "index_only"
    bundle = Bundle(place / "chinese_L-12_H-768_A-12.bert_model.ckpt")
    assert len(bundle.entries) == 206
    assert bundle.shape("bert/embeddings/word_embeddings") == (21128, 768)
    with pytest.raises(DataError, match=r"cannot read .*data-00000-of-00001"):
        bundle.read("bert/pooler/dense/bias")


@pytest.mark.parametrize("compressed", [False, True])
def test_all_types_many_shards_and_compression(tmp_path, compressed):
    torch.manual_seed(0)
    kinds = [k for k in bundles.KINDS if k is not torch.bool]
    tensors = {f"a/{kind}": (torch.randn(3, 5) * 100).to(kind) for kind in kinds}
    tensors |= {"flags": torch.tensor([True, False]), "scalar": torch.tensor(7)}
    tensors |= {"none": torch.zeros(0, 4), "large": torch.randn(300, 400)}
    tensors |= {f"layer_{n}/kernel": torch.randn(n, 2) for n in range(1, 30)}
    bundles.write_bundle(tmp_path / "m.ckpt", tensors, 3, compressed)
    bundle = Bundle(tmp_path / "m.ckpt")
    assert list(bundle.entries) == sorted(tensors)
    for name, value in tensors.items():
        read = bundle.read(name)
        assert read.dtype == value.dtype
        assert torch.equal(read, value), name


def test_text_and_slices_are_named_not_read(tmp_path):
    sliced = bundles.field(1, 1) + bundles.field(7, b"")
    extra = {b"text": bundles.entry(7, (), 0, 0, b""), b"sliced": sliced}
    bundles.write_bundle(tmp_path / "m", {"w": torch.ones(2)}, extra=extra)
    bundle = Bundle(tmp_path / "m")
    assert bundle.why_unreadable("text") == "text, not numbers"
    assert "slices" in bundle.why_unreadable("sliced")
    with pytest.raises(DataError, match="sliced is stored in 1 slices"):
        bundle.read("sliced")


def test_damage_in_the_data_is_named(tmp_path):
    bundles.write_bundle(tmp_path / "m", {"w": torch.ones(8), "x": torch.ones(8)})
    data = tmp_path / "m.data-00000-of-00001"
    whole = data.read_bytes()
    data.write_bytes(b"\1" + whole[1:])
    with pytest.raises(DataError, match="checksum of w is wrong"):
        Bundle(tmp_path / "m").read("w")
    assert torch.equal(Bundle(tmp_path / "m").read("x"), torch.ones(8))
    data.write_bytes(whole[:-1])
    with pytest.raises(DataError, match="63 bytes, but x ends at 64"):
        Bundle(tmp_path / "m").read("x")


def test_an_entry_that_lies_about_its_size_takes_no_memory(tmp_path):
    huge = bundles.field(1, 1) + bundles.field(2, bundles.field(2, bundles.field(1, 1 << 40)))
    extra = {b"huge": huge + bundles.field(5, 4 << 40)}
    bundles.write_bundle(tmp_path / "m", {"w": torch.ones(2)}, extra=extra)
    with pytest.raises(DataError, match="huge ends at"):
        Bundle(tmp_path / "m").read("huge")


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_whatever_passes_the_checksums_is_refused_or_understood(tmp_path_factory, block):
    prefix = tmp_path_factory.mktemp("fuzz") / "m"
    index = prefix.with_name("m.index")
    index.write_bytes(bundles.table_of([(b"x", block)]))
    refuses_or_reads(read_table, index)
    index.write_bytes(bundles.table({b"": bundles.field(1, 1), b"x": block}))
    refuses_or_reads(lambda: Bundle(prefix).read("x"))
    index.write_bytes(bundles.table({b"": block}))
    refuses_or_reads(Bundle, prefix)


def test_other_files_are_refused(tmp_path):
    for content in (b"", b"x" * 100):
        (tmp_path / "m.index").write_bytes(content)
        with pytest.raises(DataError, match="not a complete index of a TensorFlow checkpoint"):
            Bundle(tmp_path / "m")
    (tmp_path / "m.index").write_bytes(bundles.table({b"key": b"value"}))
    with pytest.raises(DataError, match="no header"):
        Bundle(tmp_path / "m")
    with pytest.raises(DataError, match="cannot read"):
        Bundle(tmp_path / "absent")
