"""Samples in memory as steps: places, weights, parts of processes."""

from __future__ import annotations

import numpy as np
import pytest

from bertkit.data.sample_feed import SampleFeed, side_by_side
from bertkit.data.sample_order import SampleOrder

SAMPLES = [np.arange(5, 5 + size) for size in (3, 1, 4, 1, 5, 2, 6)]


def make_batch(samples):
    ids = sorted(samples, key=len, reverse=True)
    return side_by_side(ids, [np.ones_like(tokens) for tokens in ids])


def feed(rank=0, world=1, batch=4, micro=2, **more):
    return SampleFeed(SAMPLES, SampleOrder(7, 3), make_batch, batch, micro, rank, world, **more)


def seen(step):
    return sorted(length for part in step.micro_batches for length in part.lengths.tolist())


def test_unpadded_sequences_stand_one_after_another():
    batch = side_by_side([np.array([7, 8, 9]), np.array([5])], [[0, 1, 1], [0]])
    assert batch.arrays["ids"].tolist() == [7, 8, 9, 5]
    assert batch.arrays["segments"].tolist() == [0, 1, 1, 0]
    assert batch.arrays["positions"].tolist() == [0, 1, 2, 0]
    assert batch.arrays["cls_rows"].tolist() == [0, 3]
    assert batch.arrays["cumulative"].tolist() == [0, 3, 4]
    assert batch.arrays["cumulative"].dtype == np.int32
    assert "mask" not in batch.arrays and batch.lengths.tolist() == [3, 1]


def test_padded_sequences_have_rows_of_one_length():
    batch = side_by_side([np.array([7, 8, 9]), np.array([5])], [[0, 1, 1], [0]], 4)
    assert batch.arrays["ids"].reshape(2, 4).tolist() == [[7, 8, 9, 0], [5, 0, 0, 0]]
    assert batch.arrays["positions"].reshape(2, 4).tolist() == [[0, 1, 2, 3]] * 2
    assert batch.arrays["mask"].tolist() == [[True] * 3 + [False], [True] + [False] * 3]
    assert batch.arrays["cls_rows"].tolist() == [0, 4]


def test_a_feed_resumes_at_a_position_and_scales_by_the_step():
    steps = list(feed().steps(0, 3))
    (again,) = feed().steps(steps[1].next_position, 1)
    assert again.next_position == steps[2].next_position == 12
    for one, other in zip(again.micro_batches, steps[2].micro_batches, strict=True):
        assert np.array_equal(one.arrays["ids"], other.arrays["ids"])
        assert one.arrays["weights"].tolist() == [0.25] * 2
    (named,) = feed(weights="span_weights").steps(0, 1)
    assert "span_weights" in named.micro_batches[0].arrays


@pytest.mark.parametrize("world", [1, 2])
def test_samples_of_several_cases_share_the_mean_of_a_step(world):
    cases = [float(len(tokens)) for tokens in SAMPLES]
    for number in range(3):
        steps = [list(feed(rank, world, cases=cases).steps(0, 3))[number] for rank in range(world)]
        batches = [part for step in steps for part in step.micro_batches]
        total = sum(float(batch.lengths.sum()) for batch in batches)
        for batch in batches:
            assert batch.arrays["weights"] == pytest.approx(1 / total)
    empty = next(iter(feed(cases=[0.0] * 7).steps(0, 1)))
    assert empty.micro_batches[0].arrays["weights"].tolist() == [1.0] * 2


@pytest.mark.parametrize("world", [2, 4])
def test_processes_share_every_step_and_every_evaluation(world):
    whole = list(feed(micro=1).steps(0, 5))
    parts = [list(feed(rank, world, micro=1).steps(0, 5)) for rank in range(world)]
    for number, step in enumerate(whole):
        shared = [seen(part[number]) for part in parts]
        assert sorted(length for lengths in shared for length in lengths) == seen(step)
        assert len({len(lengths) for lengths in shared}) == 1
    found = [feed(rank, world) for rank in range(world)]
    evaluated = [length for part in found for step in part.once() for length in seen(step)]
    assert sorted(evaluated) == sorted(map(len, SAMPLES))
    assert [part.parts() for part in found] == [len(list(part.once())) for part in found]
