"""Fills micro-batches of samples to a few sizes, so that few kinds of passes are computed.

What `bertkit.data.token_budget` does for records: dummy sequences of padding tokens take a
micro-batch to the smallest of a few totals that holds it. They have weight 0 in the loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bertkit.data.step_batch import MicroBatch
from bertkit.data.token_budget import TILE_ROWS, Budget, best_totals, filled, up
from bertkit.errors import ConfigError

_DRAWS = 2048  # micro-batches by which totals are chosen
_SIZES = 57  # totals that are considered
_ROOM = 4.0  # deviations of the rows looked at, for which there is room
_ROOM_GRAIN = 8
_PER_TOKEN = ("ids", "segments", "positions")


@dataclass(frozen=True)
class Filling:
    """The sizes of micro-batches, and how the arrays of a task are filled.

    Attributes:
        budget: totals of tokens, and room for the rows that are looked at.
        rows: names of the arrays with one entry, or line, for every row that is looked at, such
            as labelled words; each with the number that fills it. Arrays that are neither these
            nor of tokens have one entry, or line, for every sequence, and are filled with 0.
    """

    budget: Budget
    rows: Mapping[str, float] = field(default_factory=dict)

    def filled(self, batch: MicroBatch) -> MicroBatch | None:
        """A micro-batch in the smallest size that holds it; None where none does.

        Raises:
            ConfigError: it has arrays that this does not know how to fill.
        """
        looked_at = [len(batch.arrays[name]) for name in self.rows]
        sizes = self.budget.sizes(batch.tokens, max(looked_at, default=0), batch.sequences)
        if sizes is None:
            if batch.sequences == 1:
                raise AssertionError("a sample alone is above the totals")
            return None
        tokens, rows, sequences = sizes
        rooms = {}
        for name, values in batch.arrays.items():
            if name in self.rows:
                rooms[name] = (rows, self.rows[name])
            elif name not in (*_PER_TOKEN, "cumulative"):
                if len(values) != batch.sequences:
                    raise ConfigError(
                        f"passes cannot be filled: {name} has {len(values)} entries for"
                        f" {batch.sequences} sequences, and the task's batcher does not name it in"
                        " `fills`",
                        "name it there, or leave out cuda.graphs and cuda.totals",
                    )
                rooms[name] = (sequences, 0.0)
        return filled(batch, self.budget, tokens, rooms)


def sample_filling(
    lengths: Sequence[int],
    size: int,
    totals: int,
    looked_at: Sequence[int] | None = None,
    rows: Mapping[str, float] | None = None,
) -> Filling:
    """The sizes for the samples of a run.

    Args:
        lengths: tokens of every sample.
        size: samples of a micro-batch.
        totals: how many totals there may be.
        looked_at: rows that are looked at in every sample; None where there are no such arrays.
        rows: see `Filling`.
    """
    tokens = np.asarray(lengths, np.int64)
    # Micro-batches as they may come; the last total holds all of them, and each sample alone.
    draws = np.random.RandomState(0).randint(len(tokens), size=(_DRAWS, size))
    sums = np.sort(tokens[draws].sum(axis=1))
    longest = int(tokens.max())
    places = np.linspace(0, _DRAWS - 1, _SIZES).round().astype(np.int64)
    sizes = np.unique([up(float(sums[place]), TILE_ROWS) for place in places])
    sizes[-1] = max(sizes[-1], up(longest, TILE_ROWS))
    below = np.searchsorted(sums, sizes, side="right") / _DRAWS
    ladder = best_totals(sizes.tolist(), below.tolist(), totals)
    if looked_at is None:
        return Filling(Budget(longest, ladder, (0,) * len(ladder), size), rows or {})
    counts = np.asarray(looked_at, np.int64)
    share = counts.sum() / tokens.sum()
    # Rows looked at beside what the tokens let expect.
    beside = _ROOM * np.sqrt(size) * float((counts - share * tokens).std())
    most = int(counts.max())
    rooms = (up(float(share * total + beside), _ROOM_GRAIN) for total in ladder)
    room = tuple(max(most, min(one, size * most)) for one in rooms)
    return Filling(Budget(longest, ladder, room, size), rows or {})
