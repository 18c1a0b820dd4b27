"""Chooses how signatures are cut into bands, for a similarity that is looked for."""

from __future__ import annotations

from typing import NamedTuple

# Of two documents of just the least similarity, so many are to meet in some band.
RECALL = 0.97


class Banding(NamedTuple):
    """`bands` bands of `rows` numbers each."""

    bands: int
    rows: int

    def probability(self, similarity: float) -> float:
        """How likely two documents of a similarity agree in a whole band."""
        return 1.0 - (1.0 - similarity**self.rows) ** self.bands


def choose_banding(similarity: float, permutations: int) -> Banding:
    """The longest bands in which documents of this similarity still meet.

    Longer bands bring fewer candidates that are not similar. Every candidate is compared, so
    these cost time and nothing else, while pairs that never meet are lost; hence `RECALL`.
    """
    for rows in range(permutations, 1, -1):
        banding = Banding(permutations // rows, rows)
        if banding.probability(similarity) >= RECALL:
            return banding
    return Banding(permutations, 1)
