from __future__ import annotations

import numpy as np

from bertkit.corpus.cleaning.scratch import Scratch
from bertkit.corpus.cleaning.verdicts import Count, flags_named, join
from corpus.cleaning.readable import clusters


def test_clusters_are_joined_from_arrays_in_any_order(tmp_path):
    scratch = Scratch(str(tmp_path))
    pairs = np.random.default_rng(2).integers(0, 300, (120, 2))
    for number in range(4):
        scratch.save(f"pairs/{number}", pairs[30 * number : 30 * number + 30])
    exact = join(scratch, "exact", ["pairs/1", "pairs/0"], 300)
    assert exact.tolist() == clusters(300, pairs[:60].tolist())
    whole = join(scratch, "near", ["pairs/3", "pairs/2"], exact)
    assert whole.tolist() == clusters(300, pairs.tolist())
    assert exact.tolist() == clusters(300, pairs[:60].tolist())


def test_counts_keep_the_first_few():
    count = Count()
    for start in (0, 10):
        count.add(np.arange(start, start + 2), np.array([5, 7]), 3)
    assert count == Count(4, 24, [0, 1, 10])


def test_flags_of_criteria():
    assert flags_named([]) == flags_named(["lines"]) == 0
    assert flags_named(["exact", "near"]) == flags_named(["exact"]) | flags_named(["near"])
