"""Two texts are cut as Google's run_classifier.py cuts them."""

from __future__ import annotations

import numpy as np

from bertkit.tokenization.truncation import fitting


def test_pairs_are_cut_as_google_cuts_them():
    """Token by token, the longer one first; of equal ones the second."""
    random = np.random.default_rng(0)
    for first, second, room in random.integers(0, 30, (300, 3)).tolist():
        one, other = first, second
        while one + other > room:
            if one > other:
                one -= 1
            else:
                other -= 1
        assert fitting(first, second, room) == (one, other)
