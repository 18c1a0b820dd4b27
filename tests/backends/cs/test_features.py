"""Batches in Cerebras' form, how workers share them, and which settings are taken."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from bertkit.backends.cs import features as cs_data
from bertkit.data.prefetch import StepRange
from bertkit.errors import DataError

from .runs import LENGTH, REAL, feed

# Data


def test_features_are_the_ones_cerebras_documents(cs_records):
    (batch,) = feed(cs_records, "padded", fixed=True).steps(0, 1)
    parts = [cs_data.features(micro, LENGTH, 2) for micro in batch.micro_batches]
    found = cs_data.padded_to_rows(parts, 10, 2)
    source = feed(cs_records, "padded", fixed=True).source.batch(np.arange(8))
    assert {len(values) for values in found.values()} == {10}
    assert {values.dtype for values in found.values()} == {np.dtype(np.int32), np.dtype("f4")}
    assert (found["input_mask"][:8] == 1 - source["input_mask"]).all()
    assert (found["input_mask"][8:] == 1).all()
    assert (found["segment_ids"][:8][source["input_mask"] == 0] == 2).all()
    assert (found["segment_ids"][8:] == 2).all()
    real = source["masked_lm_weights"] > 0
    for name in ("masked_lm_positions", "masked_lm_ids"):
        assert (found[name][:8][real] == source[name][real]).all()
        assert (found[name][:8][~real] == 0).all()
    assert found["masked_lm_weights"].sum() == pytest.approx(1.0)
    assert (
        found["next_sentence_labels"][:8] == source["next_sentence_labels"].reshape(8, -1)
    ).all()


def test_a_bucketed_step_keeps_its_rows_and_puts_similar_ones_together(cs_records):
    (batch,) = feed(cs_records, "bucketed", fixed=True).steps(0, 1)
    stream = cs_data.Stream(lambda: iter([batch]), 8, LENGTH, 2)
    (found,) = stream._features()
    lengths = LENGTH - found["input_mask"].sum(axis=1)
    assert len(lengths) == 8 and found["input_ids"].shape == (8, LENGTH)
    quarters = np.ceil(lengths / (LENGTH / 4))
    assert (np.diff(quarters) >= 0).all()


def test_packed_steps_have_one_shape_and_say_when_it_is_too_small(cstorch, cs_records, tmp_path):
    steps = StepRange(feed(cs_records, "packed", fixed=True, size=32), 0, 5)
    extent = cs_data.measure(steps, training=True)
    assert extent.rows < 32 and extent.rows % 4 == 0 and extent.steps == 5
    tight = cs_data.Stream(steps, 2, LENGTH)
    with pytest.raises(DataError, match="compiled for 2") as caught:
        list(tight._features())
    assert "cs.packed_rows" in caught.value.hint


def test_rows_are_as_long_as_the_plan_says_also_where_the_first_are_shorter(cs_records):
    """A bucketed evaluation may begin with a bucket of short sequences."""
    steps = StepRange(feed(cs_records, "bucketed", fixed=True), 0, 2)
    for training in (True, False):
        extent = cs_data.measure(steps, training, LENGTH)
        assert extent.length == LENGTH
        shapes = {
            features["input_ids"].shape
            for features in cs_data.Stream(
                steps, extent.rows, LENGTH, training=training
            )._features()
        }
        assert shapes == {(extent.rows, LENGTH)}


def cluster(monkeypatch, module, systems, workers, sizes):
    """Let the data functions believe that they run on one worker after the other."""
    tasks = [
        SimpleNamespace(rank=rank, wse_id=rank % systems, local_rank=rank // systems)
        for rank in range(systems * workers)
    ]
    for own in tasks:
        spec = SimpleNamespace(
            tasks=tasks, num_csx=systems, num_workers_per_csx=workers,
            task=lambda rank=None, own=own: own,
        )  # fmt: skip
        resolver = SimpleNamespace(cluster_spec=spec)
        monkeypatch.setattr(module, "is_streamer", lambda: True)
        monkeypatch.setattr(module, "service_resolver", lambda resolver=resolver: resolver)
        monkeypatch.setattr(
            module, "get_streaming_batch_size", lambda size, rank=None: sizes[tasks[rank].wse_id]
        )
        yield own


@pytest.mark.parametrize(("systems", "workers", "sizes"), [(2, 2, (4, 4)), (3, 1, (4, 3, 1))])
def test_workers_share_the_steps_without_changing_them(
    cstorch, cs_records, monkeypatch, systems, workers, sizes
):
    import cerebras.pytorch.distributed as module

    steps = StepRange(feed(cs_records, "padded", fixed=True), 0, 5)
    stream = cs_data.Stream(steps, 8, LENGTH)
    whole = [features["input_ids"].numpy() for features in stream]
    rebuilt = [[None] * systems for _ in whole]
    for own in cluster(monkeypatch, module, systems, workers, sizes):
        mine = [features["input_ids"].numpy() for features in stream]
        if REAL:  # the vendor's own sampler deals the same rows
            from cerebras.pytorch.utils.data.sampler import ShardedSampler

            dealt = list(ShardedSampler([list(range(8))] * len(whole)))
            begin = sum(sizes[: own.wse_id])
            assert dealt == [list(range(begin, begin + sizes[own.wse_id]))] * len(mine)
        for number, rows in zip(range(own.local_rank, len(whole), workers), mine, strict=True):
            rebuilt[number][own.wse_id] = rows
    for expected, parts in zip(whole, rebuilt, strict=True):
        assert (np.concatenate(parts) == expected).all()


# Settings


def test_a_stretch_is_measured_before_it_begins(cs_records):
    assert cs_data.measure(
        StepRange(feed(cs_records, "padded", fixed=True), 16, 3), training=True
    ) == cs_data.Extent(steps=3, rows=8, length=LENGTH, first_position=24, sequences=8)
