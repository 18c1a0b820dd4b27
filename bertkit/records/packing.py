"""Several short sequences in one record: which go together, and the two layouts of packs.

Which go together: longest-pack-first histogram packing (Krell et al. 2021, "Efficient
sequence packing without cross-contamination", arXiv:2107.02027, algorithm 2). Sequences of
one length are interchangeable, so packs are planned on counts, longest sequences first,
each into the fullest kind of pack that has room.

Habana's layout keeps every [CLS] at the head of its sequence and says where it is;
Graphcore's moves the [CLS] of all sequences to the end of the pack, the first sequence's
last. In both the mask holds the number of the sequence, 1 upward, and 0 on padding.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bertkit.errors import DataError
from bertkit.records.rows import Row

GRAPHCORE, HABANA = "graphcore", "habana"
Class = tuple[int, int]  # (tokens, predictions) of interchangeable sequences


@dataclass(frozen=True)
class PackShape:
    """Sizes of a pack.

    Attributes:
        length: token slots.
        predictions: slots for predicted tokens.
        sequences: most sequences.
    """

    length: int
    predictions: int
    sequences: int


def pack_shape(layout: str, length: int, predictions: int, sequences: int) -> PackShape:
    """The sizes that a layout's programs expect for records of L tokens and P predictions.

    Rounding gives each of several sequences up to one prediction more than its share;
    Graphcore reserves `sequences - 1` further slots for it, Habana `sequences`.
    """
    return PackShape(length, predictions + sequences - (layout == GRAPHCORE), sequences)


def usual_predictions(layout: str, shape: PackShape) -> int:
    """P of the records before packing, from the shape of a pack; the reverse of `pack_shape`."""
    return shape.predictions - shape.sequences + (layout == GRAPHCORE)


def plan_packs(classes: Sequence[Class], shape: PackShape) -> list[list[int]]:
    """Which sequences go together.

    Args:
        classes: (tokens, predictions) of each sequence.
        shape: limits of a pack; each sequence alone is within them.

    Returns:
        Packs as ascending sequence numbers, in the order of their first sequence. Every
        sequence is in exactly one.
    """
    waiting: dict[Class, list[int]] = defaultdict(list)
    for number in reversed(range(len(classes))):
        waiting[classes[number]].append(number)
    kinds = _pack_kinds(Counter(classes), shape)
    packs = [
        sorted(waiting[member].pop() for member in kind)
        for kind, count in sorted(kinds.items())
        for _ in range(count)
    ]
    return sorted(packs)


def _pack_kinds(histogram: Mapping[Class, int], shape: PackShape) -> dict[tuple[Class, ...], int]:
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


def habana_pack(rows: Sequence[Row], shape: PackShape) -> dict[str, np.ndarray]:
    """A pack as Habana's features, int64.

    Args:
        rows: at most `shape.sequences`, together within the shape.
        shape: sizes.

    Returns:
        [length] input_ids, input_mask (number of the sequence), segment_ids, positions;
        [predictions] masked_lm_positions (in the pack), masked_lm_ids, masked_lm_weights
        (number of the sequence; float32); [sequences] next_sentence_positions,
        next_sentence_labels, next_sentence_weights.
    """
    pack = _empty(_HABANA, shape)
    begin = done = 0
    for number, row in enumerate(rows, start=1):
        tokens = slice(begin, begin + row.length)
        predicted = slice(done, done + len(row.positions))
        pack["input_ids"][tokens] = row.ids
        pack["input_mask"][tokens] = number
        pack["segment_ids"][tokens] = row.segments
        pack["positions"][tokens] = np.arange(row.length)
        pack["masked_lm_positions"][predicted] = row.positions + begin
        pack["masked_lm_ids"][predicted] = row.labels
        pack["masked_lm_weights"][predicted] = number
        pack["next_sentence_positions"][number - 1] = begin
        pack["next_sentence_labels"][number - 1] = row.next_label
        pack["next_sentence_weights"][number - 1] = 1
        begin, done = tokens.stop, predicted.stop
    return pack


def graphcore_pack(rows: Sequence[Row], shape: PackShape) -> dict[str, np.ndarray]:
    """A pack as Graphcore's features, `packed_*`.

    Args: as for `habana_pack`.

    Returns:
        int64 [length] packed_input_ids, packed_input_mask (number of the sequence),
        packed_segment_ids, packed_position_ids; [predictions]
        packed_masked_lm_positions (in the pack), packed_masked_lm_ids,
        packed_masked_lm_mask (number of the sequence; float32); [sequences]
        packed_next_sentence_labels, packed_next_sentence_mask (float32), the first
        sequence last.
    """
    pack = _empty(_GRAPHCORE, shape)
    begin = done = 0
    for number, row in enumerate(rows, start=1):
        tokens = slice(begin, begin + row.length - 1)
        predicted = slice(done, done + len(row.positions))
        for places, part in ((tokens, slice(1, None)), (shape.length - number, 0)):
            pack["packed_input_ids"][places] = row.ids[part]
            pack["packed_input_mask"][places] = number
            pack["packed_segment_ids"][places] = row.segments[part]
            pack["packed_position_ids"][places] = np.arange(row.length)[part]
        pack["packed_masked_lm_positions"][predicted] = row.positions - 1 + begin
        pack["packed_masked_lm_ids"][predicted] = row.labels
        pack["packed_masked_lm_mask"][predicted] = number
        pack["packed_next_sentence_labels"][shape.sequences - number] = row.next_label
        pack["packed_next_sentence_mask"][shape.sequences - number] = 1
        begin, done = tokens.stop, predicted.stop
    return pack


# Feature → (attribute of the shape that is its size, dtype).
_HABANA = {
    **dict.fromkeys(("input_ids", "input_mask", "segment_ids", "positions"), ("length", np.int64)),
    "masked_lm_positions": ("predictions", np.int64),
    "masked_lm_ids": ("predictions", np.int64),
    "masked_lm_weights": ("predictions", np.float32),
    "next_sentence_positions": ("sequences", np.int64),
    "next_sentence_labels": ("sequences", np.int64),
    "next_sentence_weights": ("sequences", np.int64),
}
_GRAPHCORE = {
    **dict.fromkeys(
        ("packed_input_ids", "packed_input_mask", "packed_segment_ids", "packed_position_ids"),
        ("length", np.int64),
    ),
    "packed_masked_lm_positions": ("predictions", np.int64),
    "packed_masked_lm_ids": ("predictions", np.int64),
    "packed_masked_lm_mask": ("predictions", np.float32),
    "packed_next_sentence_labels": ("sequences", np.int64),
    "packed_next_sentence_mask": ("sequences", np.float32),
}
PACKERS = {GRAPHCORE: graphcore_pack, HABANA: habana_pack}


def _empty(kinds: Mapping[str, tuple[str, Any]], shape: PackShape) -> dict[str, np.ndarray]:
    return {name: np.zeros(getattr(shape, size), dtype) for name, (size, dtype) in kinds.items()}


def layout_of(names: Any) -> str | None:
    """The layout of a record with these features; None where it is no pack."""
    if "packed_input_ids" in names:
        return GRAPHCORE
    # HDF5 packs have no weights: position 0 says that nothing is predicted.
    return HABANA if set(_HABANA) - {"masked_lm_weights"} <= set(names) else None


def unpack(layout: str, pack: Mapping[str, Any]) -> list[Row]:
    """The sequences of a pack, in their order.

    Args:
        layout: `graphcore` or `habana`.
        pack: its features, of any integer type.

    Raises:
        DataError: features are missing or contradict each other.
    """
    try:
        return _graphcore_rows(pack) if layout == GRAPHCORE else _habana_rows(pack)
    except (KeyError, IndexError, ValueError) as error:
        raise DataError(f"not a pack in {layout}'s layout: {error!r}", "make it again") from error


def wanted_predictions(layout: str, packs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Places in each of several packs (features stacked, [B, ...]) that are predicted."""
    places = packs["packed_masked_lm_positions" if layout == GRAPHCORE else "masked_lm_positions"]
    if layout == GRAPHCORE:
        weights = packs["packed_masked_lm_mask"]
    else:
        weights = packs.get("masked_lm_weights", places)
    return [row[wanted > 0] for row, wanted in zip(places, weights, strict=True)]


def _habana_rows(pack: Mapping[str, Any]) -> list[Row]:
    mask = np.asarray(pack["input_mask"], np.int64)
    labels = {
        int(mask[place]): int(label)
        for place, label, weight in zip(
            pack["next_sentence_positions"], pack["next_sentence_labels"],
            pack["next_sentence_weights"], strict=True,
        )
        if weight > 0
    }  # fmt: skip
    weights = pack.get("masked_lm_weights", pack["masked_lm_positions"])
    return _rows(pack, "", "positions", weights, labels)


def _graphcore_rows(pack: Mapping[str, Any]) -> list[Row]:
    mask = np.asarray(pack["packed_input_mask"], np.int64)
    slots = mask[-len(pack["packed_next_sentence_labels"]) :]
    labels = {
        int(number): int(label)
        for number, label, weight in zip(
            slots, pack["packed_next_sentence_labels"], pack["packed_next_sentence_mask"],
            strict=True,
        )
        if weight > 0
    }  # fmt: skip
    return _rows(pack, "packed_", "position_ids", pack["packed_masked_lm_mask"], labels)


def _rows(
    pack: Mapping[str, Any], prefix: str, places: str, weights: Any, labels: Mapping[int, int]
) -> list[Row]:
    """Tokens by number of their sequence and place in it, wherever they stand."""
    mask = np.asarray(pack[f"{prefix}input_mask"], np.int64)
    position_in = np.asarray(pack[f"{prefix}{places}"], np.int64)
    ids = np.asarray(pack[f"{prefix}input_ids"], np.int64)
    segments = np.asarray(pack[f"{prefix}segment_ids"], np.int64)
    wanted = np.asarray(weights) > 0
    predicted = np.asarray(pack[f"{prefix}masked_lm_positions"], np.int64)[wanted]
    truth = np.asarray(pack[f"{prefix}masked_lm_ids"], np.int64)[wanted]
    rows = []
    for number in range(1, int(mask.max(initial=0)) + 1):
        members = np.flatnonzero(mask == number)
        order = members[np.argsort(position_in[members], kind="stable")]
        if not (position_in[order] == np.arange(len(order))).all():
            raise ValueError(f"the positions of sequence {number} have gaps")
        own = mask[predicted] == number
        positions = position_in[predicted[own]]
        ascending = np.argsort(positions, kind="stable")
        rows.append(
            Row(
                ids[order], segments[order], positions[ascending], truth[own][ascending],
                labels[number],
            )
        )  # fmt: skip
    return rows
