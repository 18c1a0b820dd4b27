"""Micro-batches of samples in a few sizes: nothing is lost, and what is added counts nowhere."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from bertkit.data.sample_feed import SampleFeed, side_by_side
from bertkit.data.sample_filling import Filling, sample_filling
from bertkit.data.sample_order import SampleOrder
from bertkit.data.token_budget import Budget
from bertkit.errors import ConfigError

DRAW = np.random.default_rng(5)
LENGTHS = DRAW.integers(3, 40, 200)
SAMPLES = [np.arange(1, size + 1) + 100 * number for number, size in enumerate(LENGTHS)]
LOOKED_AT = [len(tokens) // 3 for tokens in SAMPLES]


def make_batch(samples):
    """Every third token is looked at; its label is its id."""
    ids = sorted(samples, key=len, reverse=True)
    batch = side_by_side(ids, [np.arange(len(tokens)) % 2 for tokens in ids])
    rows = [
        first + 3 * np.arange(len(tokens) // 3)
        for first, tokens in zip(batch.arrays["cls_rows"], ids, strict=True)
    ]
    chosen = np.concatenate(rows)
    more = {
        "rows": chosen,
        "labels": batch.arrays["ids"][chosen],
        "scores": np.ones((len(ids), 2), np.float32),
    }
    return replace(batch, arrays={**batch.arrays, **more})


def feed(filling, batch=32, micro=16, **more):
    order = SampleOrder(len(SAMPLES), 3)
    return SampleFeed(SAMPLES, order, make_batch, batch, micro, filling=filling, **more)


def filling_of(size, totals=4):
    return sample_filling(LENGTHS, size, totals, LOOKED_AT, {"rows": 0, "labels": -100})


def shapes(micro):
    return {name: (values.shape, values.dtype) for name, values in micro.arrays.items()}


@pytest.mark.parametrize("totals", [1, 4, 8])
@pytest.mark.parametrize("size", [1, 2, 16])
def test_passes_have_few_sizes_and_little_padding(size, totals):
    steps = list(feed(filling_of(size, totals), micro=size).steps(0, 60))
    passes = [micro for step in steps for micro in step.micro_batches]
    assert len({str(shapes(micro)) for micro in passes}) <= totals
    for micro in passes:
        assert len(micro.spans) == size + math.ceil(len(micro.arrays["ids"]) / 39)
    assert {micro.longest for micro in passes} == {39}
    assert all(step.sequences == 32 for step in steps)
    rows = sum(len(micro.arrays["ids"]) for micro in passes)
    if size == 16:
        most = {1: 1.6, 4: 1.2, 8: 1.12}[totals]
        assert 1 <= rows / sum(micro.tokens for micro in passes) < most


def test_real_rows_stay_and_the_rest_counts_nowhere():
    filled = list(feed(filling_of(16)).steps(0, 20))
    plain = list(feed(None).steps(0, 20))
    for step, other in zip(filled, plain, strict=True):
        assert step.next_position == other.next_position
        for micro, real in zip(step.micro_batches, other.micro_batches, strict=True):
            tokens, looked_at = real.tokens, len(real.arrays["rows"])
            assert micro.tokens == tokens and micro.sequences == real.sequences
            for name, values in real.arrays.items():
                assert np.array_equal(micro.arrays[name][: len(values)], values), name
            assert not micro.arrays["ids"][tokens:].any()
            assert not micro.arrays["rows"][looked_at:].any()
            assert (micro.arrays["labels"][looked_at:] == -100).all()
            assert micro.spans.sum() == len(micro.arrays["ids"]) == micro.arrays["cumulative"][-1]
            begins = micro.arrays["cumulative"][:-1].repeat(micro.spans)
            places = np.arange(len(begins)) - begins
            assert np.array_equal(micro.arrays["positions"], places) and places.max() < 39


def test_too_many_tokens_for_the_largest_total_become_two_passes():
    budget = Budget(39, (128, 320), (48, 120), 16)
    fits = Filling(budget, {"rows": 0, "labels": -100})
    steps = list(feed(fits).steps(0, 20))
    plain = list(feed(None).steps(0, 20))
    assert {len(step.micro_batches) for step in steps} > {2}
    for step, other in zip(steps, plain, strict=True):
        ids = np.concatenate([micro.arrays["ids"] for micro in step.micro_batches])
        whole = np.concatenate([micro.arrays["ids"] for micro in other.micro_batches])
        assert np.array_equal(np.sort(ids[ids > 0]), np.sort(whole))
        for micro in step.micro_batches:
            weights = micro.arrays["weights"]
            assert weights.shape == (16,) and micro.arrays["scores"].shape == (16, 2)
            assert (weights[: micro.sequences] == np.float32(1 / 32)).all()
            assert not weights[micro.sequences :].any()


def test_many_rows_to_look_at_take_a_larger_total():
    fits = Filling(Budget(39, (640, 704), (100, 300), 16), {"rows": 0, "labels": -100})
    (batch,) = feed(None, 16).steps(0, 1)
    micro = batch.micro_batches[0]
    assert 100 < len(micro.arrays["rows"]) < 300 and micro.tokens <= 640
    filled = fits.filled(micro)
    assert len(filled.arrays["ids"]) == 704 and len(filled.arrays["labels"]) == 300


def test_evaluations_are_not_filled():
    for one, other in zip(feed(filling_of(16)).once(), feed(None).once(), strict=True):
        assert shapes(one.micro_batches[0]) == shapes(other.micro_batches[0])


def test_arrays_that_nobody_knows_how_to_fill_are_told():
    unknown = sample_filling(LENGTHS, 16, 4)
    with pytest.raises(ConfigError, match=r"rows has [0-9]+ entries for 16 sequences") as caught:
        list(feed(unknown).steps(0, 1))
    assert "cuda.graphs" in caught.value.hint


def test_totals_are_the_same_in_every_process():
    assert filling_of(16) == filling_of(16)
    assert filling_of(16).budget.tokens[-1] >= max(
        sum(sorted(LENGTHS[DRAW.integers(0, 200, 16)])) for _ in range(20)
    )
