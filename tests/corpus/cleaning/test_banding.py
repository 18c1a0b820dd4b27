from __future__ import annotations

import pytest

from bertkit.corpus.cleaning.banding import RECALL, Banding, choose_banding


@pytest.mark.parametrize("similarity", [0.1, 0.3, 0.5, 0.8, 0.9, 1.0])
@pytest.mark.parametrize("permutations", [16, 128, 256])
def test_bands_are_the_longest_that_find_enough(similarity, permutations):
    bands, rows = choose_banding(similarity, permutations)
    assert bands * rows <= permutations
    assert Banding(bands, rows).probability(similarity) >= RECALL or rows == 1
    if rows < permutations:
        longer = Banding(permutations // (rows + 1), rows + 1)
        assert longer.probability(similarity) < RECALL


def test_the_usual_case():
    assert choose_banding(0.8, 128) == (18, 7)
    assert choose_banding(0.8, 128).probability(0.8) == pytest.approx(1 - (1 - 0.8**7) ** 18)
