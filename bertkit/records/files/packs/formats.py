"""Defines the two formats of packs (several sequences per record), and unpacks them.

Habana's format keeps every [CLS] at the head of its sequence and says where it is;
Graphcore's moves the [CLS] of all sequences to the end of the pack, the first sequence's
last. In both the mask holds the number of the sequence, 1 upward, and 0 on padding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bertkit.errors import DataError
from bertkit.records.files.instance import Instance
from bertkit.records.files.record_values import within_32_bits

GRAPHCORE, HABANA = "graphcore", "habana"


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


def pack_shape(packing: str, length: int, predictions: int, sequences: int) -> PackShape:
    """The sizes that a format's programs expect for records of L tokens and P predictions.

    Rounding gives each of several sequences up to one prediction more than its share;
    Graphcore reserves `sequences - 1` further slots for it, Habana `sequences`.
    """
    return PackShape(length, predictions + sequences - (packing == GRAPHCORE), sequences)


def usual_predictions(packing: str, shape: PackShape) -> int:
    """P of the records before packing, from the shape of a pack; the reverse of `pack_shape`."""
    return shape.predictions - shape.sequences + (packing == GRAPHCORE)


# Packing → feature → (attribute of the shape that is its size, dtype).
FEATURES: dict[str, dict[str, tuple[str, Any]]] = {
    HABANA: {
        **dict.fromkeys(
            ("input_ids", "input_mask", "segment_ids", "positions"), ("length", np.int64)
        ),
        "masked_lm_positions": ("predictions", np.int64),  # in the pack
        "masked_lm_ids": ("predictions", np.int64),
        "masked_lm_weights": ("predictions", np.float32),  # number of the sequence
        "next_sentence_positions": ("sequences", np.int64),  # of [CLS]
        "next_sentence_labels": ("sequences", np.int64),
        "next_sentence_weights": ("sequences", np.int64),
    },
    GRAPHCORE: {
        **dict.fromkeys(
            ("packed_input_ids", "packed_input_mask", "packed_segment_ids", "packed_position_ids"),
            ("length", np.int64),
        ),
        "packed_masked_lm_positions": ("predictions", np.int64),
        "packed_masked_lm_ids": ("predictions", np.int64),
        "packed_masked_lm_mask": ("predictions", np.float32),
        "packed_next_sentence_labels": ("sequences", np.int64),  # the first sequence's last
        "packed_next_sentence_mask": ("sequences", np.float32),
    },
}


def pack_format_of(names: Any) -> str | None:
    """`graphcore` or `habana` for a record with these features; None where it is no pack."""
    if "packed_input_ids" in names:
        return GRAPHCORE
    # HDF5 packs have no weights: position 0 says that nothing is predicted.
    return HABANA if set(FEATURES[HABANA]) - {"masked_lm_weights"} <= set(names) else None


def unpack(packing: str, pack: Mapping[str, Any]) -> list[Instance]:
    """The sequences of a pack, in their order.

    Args:
        packing: `graphcore` or `habana`.
        pack: its features, of any integer type.

    Raises:
        DataError: features are missing or contradict each other.
    """
    try:
        return _graphcore_instances(pack) if packing == GRAPHCORE else _habana_instances(pack)
    except (KeyError, IndexError, ValueError) as error:
        raise DataError(f"not a pack in {packing}'s format: {error!r}", "make it again") from error


def wanted_predictions(packing: str, packs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Places in each of several packs (features stacked, [B, ...]) that are predicted."""
    places = packs["packed_masked_lm_positions" if packing == GRAPHCORE else "masked_lm_positions"]
    if packing == GRAPHCORE:
        weights = packs["packed_masked_lm_mask"]
    else:
        weights = packs.get("masked_lm_weights", np.asarray(places) != 0)
    return [row[wanted > 0] for row, wanted in zip(places, weights, strict=True)]


def _habana_instances(pack: Mapping[str, Any]) -> list[Instance]:
    mask = np.asarray(pack["input_mask"], np.int64)
    asked = np.asarray(pack["next_sentence_weights"]) > 0
    if (np.asarray(pack["next_sentence_positions"])[asked] < 0).any():
        raise ValueError("a [CLS] outside the pack")
    labels = {
        int(mask[place]): int(label)
        for place, label, weight in zip(
            pack["next_sentence_positions"],
            _numbers(pack["next_sentence_labels"]),
            pack["next_sentence_weights"],
            strict=True,
        )
        if weight > 0
    }
    weights = pack.get("masked_lm_weights", np.asarray(pack["masked_lm_positions"]) != 0)
    return _instances(pack, "", "positions", weights, labels)


def _graphcore_instances(pack: Mapping[str, Any]) -> list[Instance]:
    mask = np.asarray(pack["packed_input_mask"], np.int64)
    slots = mask[-len(pack["packed_next_sentence_labels"]) :]
    labels = {
        int(number): int(label)
        for number, label, weight in zip(
            slots,
            _numbers(pack["packed_next_sentence_labels"]),
            pack["packed_next_sentence_mask"],
            strict=True,
        )
        if weight > 0
    }
    return _instances(pack, "packed_", "position_ids", pack["packed_masked_lm_mask"], labels)


def _instances(
    pack: Mapping[str, Any], prefix: str, places: str, weights: Any, labels: Mapping[int, int]
) -> list[Instance]:
    """Tokens by number of their sequence and place in it, wherever they stand."""
    mask = np.asarray(pack[f"{prefix}input_mask"], np.int64)
    position_in = np.asarray(pack[f"{prefix}{places}"], np.int64)
    ids = _numbers(pack[f"{prefix}input_ids"])
    segments = _numbers(pack[f"{prefix}segment_ids"])
    wanted = np.asarray(weights) > 0
    predicted = np.asarray(pack[f"{prefix}masked_lm_positions"], np.int64)[wanted]
    truth = _numbers(pack[f"{prefix}masked_lm_ids"])[wanted]
    if len(predicted) and (predicted.min() < 0 or predicted.max() >= len(mask)):
        raise ValueError("a token is predicted outside the pack")
    found = []
    for number in range(1, int(mask.max(initial=0)) + 1):
        members = np.flatnonzero(mask == number)
        order = members[np.argsort(position_in[members], kind="stable")]
        if not (position_in[order] == np.arange(len(order))).all():
            raise ValueError(f"the positions of sequence {number} have gaps")
        own = mask[predicted] == number
        positions = position_in[predicted[own]]
        ascending = np.argsort(positions, kind="stable")
        found.append(
            Instance(
                ids=ids[order],
                segments=segments[order],
                positions=positions[ascending],
                labels=truth[own][ascending],
                next_label=labels[number],
            )
        )
    return found


def _numbers(values: Any) -> np.ndarray:
    """int64; what 32 bits do not hold is replaced, and later refused."""
    return within_32_bits(np.asarray(values)).astype(np.int64)
