from __future__ import annotations

import numpy as np
import pytest

from bertkit.data.sample_order import SampleOrder


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_every_epoch_is_a_permutation(count):
    order = SampleOrder(count, seed=3)
    for epoch in range(3):
        assert sorted(order.take(epoch * count, count)) == list(range(count))


def test_any_cut_of_the_stream_gives_the_same_samples():
    """Resuming at a position, and other batch sizes, see the same sequence."""
    whole = SampleOrder(37, seed=1).take(0, 37 * 4)
    for size in (1, 5, 37, 50):
        starts = range(0, 37 * 4 - size, size)
        pieces = [SampleOrder(37, seed=1).take(start, size) for start in starts]
        joined = np.concatenate(pieces)
        assert np.array_equal(joined, whole[: len(joined)])


def test_epochs_and_seeds_have_their_own_orders():
    order = SampleOrder(50, seed=1)
    first, second = order.take(0, 50), order.take(50, 50)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, SampleOrder(50, seed=2).take(0, 50))
    assert not np.array_equal(first, SampleOrder(50, seed=1 + (1 << 32)).take(0, 50))
    assert np.array_equal(order.take(0, 50), first), "going back must work too"


def test_the_order_never_changes_between_releases():
    """Runs made by an older release must be resumable: these numbers are a promise."""
    assert SampleOrder(10, seed=12345).take(0, 12).tolist() == [8, 3, 2, 4, 5, 6, 1, 7, 9, 0, 7, 1]


def test_unshuffled_order_is_the_stored_one():
    assert SampleOrder(3, seed=9, shuffle=False).take(1, 5).tolist() == [1, 2, 0, 1, 2]


def test_epoch_of_a_position():
    order = SampleOrder(10, seed=0)
    assert [order.epoch(position) for position in (0, 9, 10, 25)] == [0, 0, 1, 2]


def test_nothing_to_order():
    with pytest.raises(ValueError, match="at least one"):
        SampleOrder(0, seed=0)


@pytest.mark.parametrize("count", [1, 2, 100, 5000])
def test_the_order_is_numpys_permutation(count):
    words = np.array([7, 0, 3], np.uint32)
    plain = np.random.RandomState(words).permutation(count)
    found = SampleOrder(count, seed=7).take(3 * count, count)
    assert np.array_equal(found, plain) and found.dtype == np.int64


def test_a_shared_order_is_the_same(monkeypatch, tmp_path):
    count, seed = 200_000, 5
    plain = SampleOrder(count, seed).take(count - 1000, 3000)
    monkeypatch.setattr("bertkit.data.sample_order.SHARED_FROM", 1000)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for _ in range(2):  # made, then mapped
        order = SampleOrder(count, seed)
        assert np.array_equal(order.take(count - 1000, 3000), plain)
        assert np.array_equal(order.take(0, 10), SampleOrder(count, seed).take(0, 10))
    assert len(list(tmp_path.rglob("*.u32"))) == 2
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert np.array_equal(SampleOrder(count, seed).take(count - 1000, 3000), plain)
