"""Which record files come from which text files."""

from __future__ import annotations

from bertkit.records.config import RecordsConfig
from bertkit.records.shards import plan_shards


def test_record_files_have_different_names():
    config = RecordsConfig()
    names = ["a/x.txt", "b/x.txt", "b/x-2.txt", "c/x", "c/part-00001-of-00500", "c/y.v2.txt"]
    outputs = [shard.outputs for shard in plan_shards(names, config)]
    assert outputs == [
        ["x.tfrecord"], ["x-2.tfrecord"], ["x-2-2.tfrecord"], ["x-3.tfrecord"],
        ["part-00001-of-00500.tfrecord"], ["y.v2.tfrecord"],
    ]  # fmt: skip


def test_a_corpus_is_one_shard_however_many_files():
    config = RecordsConfig(shards="one-corpus", outputs=2, format="jsonl")
    (shard,) = plan_shards(["a.txt", "b.txt"], config)
    assert shard.inputs == ["a.txt", "b.txt"]
    assert shard.outputs == ["records-00000-of-00002.jsonl", "records-00001-of-00002.jsonl"]
