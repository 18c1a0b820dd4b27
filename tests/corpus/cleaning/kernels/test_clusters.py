"""Pairs and clusters, against relabelling in plain Python."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.corpus.cleaning.kernels.clusters import (
    HEADS,
    WHOLE,
    choose_kept,
    equal_pairs,
    find_roots,
    similar_pairs,
    unite,
)
from corpus.cleaning.readable import clusters

PAIRS = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30)


@given(PAIRS)
@settings(max_examples=40)
def test_roots_are_the_first_of_each_cluster(pairs):
    parent = np.arange(20)
    unite(parent, np.array(pairs, np.int64).reshape(-1, 2))
    find_roots(parent)
    assert parent.tolist() == clusters(20, pairs)


def test_the_first_that_is_able_is_kept():
    kept = np.full(6, -1, np.int64)
    roots = np.array([0, 0, 2, 0, 2, 5])
    choose_kept(roots, 0, np.array([False, True, True]), kept)
    choose_kept(roots, 3, np.array([True, True, False]), kept)
    assert kept.tolist() == [1, -1, 2, -1, -1, -1]


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 2)), max_size=20))
@settings(max_examples=40)
def test_items_with_two_equal_keys_are_paired(rows):
    rows = sorted((a, number, b) for number, (a, b) in enumerate(rows))
    keys, items, second = (np.array([row[k] for row in rows], np.int64) for k in range(3))
    out = np.empty((len(rows), 2), np.int64)
    count = equal_pairs(keys.astype(np.uint64), second.astype(np.uint64), items, out)
    expected = [(x[1], y[1]) for x in rows for y in rows
                if x[1] < y[1] and (x[0], x[2]) == (y[0], y[2])]  # fmt: skip
    assert clusters(20, out[:count].tolist()) == clusters(20, expected)
    assert len({later for _, later in out[:count].tolist()}) == count


def connected(keys: list[int], signatures: np.ndarray, threshold: float) -> list[int]:
    order = np.argsort(keys, kind="stable")
    out = np.empty((len(keys), 2), np.int64)
    none = np.zeros(0, np.uint32), np.zeros(0, np.int64)
    count = similar_pairs(
        np.array(keys, np.uint64)[order], order, signatures, *none, threshold, out,
        np.empty(WHOLE, np.int64),
    )  # fmt: skip
    return clusters(len(keys), out[:count].tolist())


def test_only_similar_candidates_are_connected():
    rows = np.zeros((5, 10), np.uint32)
    rows[1, :2] = 1  # 0.8 of it equals the first
    rows[2, :4] = 1  # 0.8 of it equals the second, 0.6 the first
    rows[3] = 9
    assert connected([7, 7, 7, 7, 8], rows, 0.8) == [0, 0, 0, 3, 4]
    assert connected([7, 7, 7, 7, 8], rows, 0.9) == [0, 1, 2, 3, 4]
    assert connected([0, 0, 0, 0, 0], rows, 0.1) == [0, 1, 2, 3, 4]  # no words, no key


def test_large_groups_are_connected_with_few_comparisons():
    count = WHOLE + HEADS + 50
    same = np.zeros((count, 8), np.uint32)
    assert connected([3] * count, same, 1.0) == [0] * count
    # Kinds in turn, each far from its like by less than what is looked back at.
    kinds = np.arange(count, dtype=np.uint32) % 5
    expected = (np.arange(count) % 5).tolist()
    assert connected([3] * count, np.repeat(kinds[:, None], 8, axis=1), 1.0) == expected
