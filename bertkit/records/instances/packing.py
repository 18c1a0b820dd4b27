"""Packs the instances of a plan: which sequences go together, and the packs as features.

Longest-pack-first histogram packing (Krell et al. 2021, "Efficient sequence packing
without cross-contamination", arXiv:2107.02027, algorithm 2). Sequences of one length are
interchangeable, so packs are planned on counts, longest sequences first, each into the
fullest kind of pack that has room.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate

import numpy as np

from bertkit.records.files.instance import checked_indices
from bertkit.records.files.packs.formats import FEATURES, GRAPHCORE, HABANA, PackShape
from bertkit.records.instances.kernels import pack_rows
from bertkit.records.instances.pairs import PairPlan

Class = tuple[int, int]  # (tokens, predictions) of interchangeable sequences


class PackTable(ABC):
    """Packs as rows of features; a subclass knows what the instances are made of.

    Args:
        packs: int64[packs, sequences], see `plan_packs`.
        packing: `graphcore` or `habana`.
        shape: sizes.

    Attributes:
        columns: features by name → (values per pack, floats or not).
    """

    def __init__(self, packs: np.ndarray, packing: str, shape: PackShape) -> None:
        self._packs = packs
        self.columns = {
            name: (getattr(shape, size), dtype is np.float32)
            for name, (size, dtype) in sorted(FEATURES[packing].items())
        }
        self._width = sum(width for width, _ in self.columns.values())
        self._columns = _pack_columns(packing, shape, self.columns)

    def __len__(self) -> int:
        return len(self._packs)

    def sizes(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """int64[B]: how many sequences each of some packs holds."""
        chosen = self._packs[np.asarray(indices, np.int64)]
        return np.asarray((chosen >= 0).sum(axis=1), np.int64)

    def batch(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Packs in the features of their format: int32, or float32, [B, n].

        Raises:
            IndexError: an index out of range.
        """
        table = self.table(indices)
        found, at = {}, 0
        for name, (width, floats) in self.columns.items():
            values = table[:, at : at + width]
            found[name] = values.view(np.float32) if floats else values
            at += width
        return found

    def table(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Packs as int32[B, W], the features side by side as in `columns`, floats as bits.

        Raises:
            IndexError: an index out of range.
        """
        which = checked_indices("packs", len(self), indices)
        table = np.zeros((len(which), self._width), np.int32)
        self._fill(self._packs[which], table)
        return table

    @abstractmethod
    def _fill(self, packs: np.ndarray, table: np.ndarray) -> None:
        """Write some packs to the rows of a table of zeros."""


class Packs(PackTable):
    """The instances of a plan as packs.

    Args:
        plan: the instances.
        packing: `graphcore` or `habana`.
        shape: sizes.
    """

    def __init__(self, plan: PairPlan, packing: str, shape: PackShape) -> None:
        self._plan = plan
        pairs = plan.instances.pairs[plan.order]
        tokens = pairs["first_length"].astype(np.int64) + pairs["second_length"] + 3
        packs = plan_packs(tokens, pairs["masked"].astype(np.int64), shape)
        super().__init__(packs, packing, shape)

    def _fill(self, packs: np.ndarray, table: np.ndarray) -> None:
        plan = self._plan
        ids = np.zeros(plan.max_seq_length, plan.text.tokens.dtype)
        pack_rows.fill_packs(plan.for_kernels(), packs, self._columns, ids, table)


# Field of `pack_rows.PackColumns` → the feature it is the first column of, where there is one.
_FEATURE_OF = {
    HABANA: {
        "input_ids": "input_ids",
        "input_mask": "input_mask",
        "segment_ids": "segment_ids",
        "positions": "positions",
        "places": "masked_lm_positions",
        "labels": "masked_lm_ids",
        "weights": "masked_lm_weights",
        "starts": "next_sentence_positions",
        "next_labels": "next_sentence_labels",
        "next_weights": "next_sentence_weights",
    },
    GRAPHCORE: {
        "input_ids": "packed_input_ids",
        "input_mask": "packed_input_mask",
        "segment_ids": "packed_segment_ids",
        "positions": "packed_position_ids",
        "places": "packed_masked_lm_positions",
        "labels": "packed_masked_lm_ids",
        "weights": "packed_masked_lm_mask",
        "starts": "",
        "next_labels": "packed_next_sentence_labels",
        "next_weights": "packed_next_sentence_mask",
    },
}


def _pack_columns(
    packing: str, shape: PackShape, columns: Mapping[str, tuple[int, bool]]
) -> pack_rows.PackColumns:
    """Where the features of a format stand, side by side in their order."""
    ends = accumulate(width for width, _ in columns.values())
    firsts = dict(zip(columns, [0, *ends], strict=False))
    numbers = np.arange(shape.sequences + 1, dtype=np.float32).view(np.int32)
    behind = int(packing == GRAPHCORE)
    one = int(numbers[1]) if behind else 1  # Graphcore's next sentence weights are floats
    places = {field: firsts.get(name, -1) for field, name in _FEATURE_OF[packing].items()}
    return pack_rows.PackColumns(
        **places,
        length=shape.length,
        sequences=shape.sequences,
        cls_behind=behind,
        one=one,
        numbers=numbers,
    )


def plan_packs(tokens: np.ndarray, predictions: np.ndarray, shape: PackShape) -> np.ndarray:
    """Which sequences go together.

    Args:
        tokens: int64[N], of each sequence.
        predictions: int64[N], predicted tokens of each.
        shape: limits of a pack; each sequence alone is within them.

    Returns:
        int64[packs, sequences]: ascending sequence numbers, then -1, in the order of the
        first sequence. Every sequence is in exactly one pack; of a class, the first ones
        go to the first kind of pack, kinds in their order.
    """
    if not len(tokens):
        return np.full((0, shape.sequences), -1, np.int64)
    classes, kind_of, counts = np.unique(
        tokens * (shape.predictions + 1) + predictions, return_inverse=True, return_counts=True
    )
    names: list[Class] = [divmod(number, shape.predictions + 1) for number in classes.tolist()]
    members = np.split(np.argsort(kind_of, kind="stable"), np.cumsum(counts)[:-1])
    waiting = dict(zip(names, members, strict=True))
    kinds = pack_kinds(dict(zip(names, counts.tolist(), strict=True)), shape)
    packs = np.full((sum(kinds.values()), shape.sequences), -1, np.int64)
    done = 0
    for kind, count in sorted(kinds.items()):
        taken = []
        for member, times in Counter(kind).items():
            taken.append(waiting[member][: count * times].reshape(count, times))
            waiting[member] = waiting[member][count * times :]
        packs[done : done + count, : len(kind)] = np.sort(np.concatenate(taken, axis=1), axis=1)
        done += count
    return packs[np.argsort(packs[:, 0])]


def pack_kinds(histogram: Mapping[Class, int], shape: PackShape) -> dict[tuple[Class, ...], int]:
    """Kinds of packs, by the classes they hold, and how many of each."""
    # kinds_with[room]: kinds with that many free tokens → how many packs.
    kinds_with: list[Counter[tuple[Class, ...]]] = [Counter() for _ in range(shape.length + 1)]
    for member in sorted(histogram, reverse=True):
        remaining = histogram[member]
        while remaining:
            room, kind, fitting = _fullest(kinds_with, member, shape)
            fitting = min(fitting, remaining)
            count = remaining // fitting
            if kind:
                count = min(count, kinds_with[room][kind])
                kinds_with[room][kind] -= count
            kinds_with[room - fitting * member[0]][kind + (member,) * fitting] += count
            remaining -= fitting * count
    return {kind: count for kinds in kinds_with for kind, count in kinds.items() if count}


def _fullest(
    kinds_with: list[Counter[tuple[Class, ...]]], member: Class, shape: PackShape
) -> tuple[int, tuple[Class, ...], int]:
    """(free tokens, kind, how many of the class it takes) of the fullest kind; else a new one."""
    for room in range(member[0], shape.length + 1):
        for kind, count in kinds_with[room].items():
            if count and (fitting := _fitting(kind, room, member, shape)):
                return room, kind, fitting
    return shape.length, (), max(1, _fitting((), shape.length, member, shape))


def _fitting(kind: tuple[Class, ...], room: int, member: Class, shape: PackShape) -> int:
    """How many sequences of a class a pack takes beside what it holds."""
    fitting = min(room // member[0], shape.sequences - len(kind))
    if member[1]:
        free = shape.predictions - sum(predictions for _, predictions in kind)
        fitting = min(fitting, free // member[1])
    return fitting
