"""Refuses records whose numbers cannot be those of training instances, and names file and record.

Files come from other programs, and some of them are damaged or mean something else. Checked is
what training would stumble over or learn wrong from: masks, token ids, segments, weights,
positions and labels. What stands on padding and in unused slots does not matter. Ids above the
vocabulary are found where the vocabulary is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bertkit.errors import DataError
from bertkit.records.files.kernels import check

OUTSIDE = np.int32(-(2**31))  # stands for numbers that 32 bits do not hold
_HINT = "the file is damaged, or its program means something else by this: make it again"


def checked(batch: dict[str, np.ndarray], place: Callable[[int], str]) -> dict[str, np.ndarray]:
    """The batch as it is.

    Args:
        batch: the seven features, as `RecordFile.batch` gives them.
        place: row of the batch → file and record, for messages.

    Raises:
        DataError: a number that no instance can have.
    """
    row, problem, column = check.check_rows(
        batch["input_ids"],
        batch["input_mask"],
        batch["segment_ids"],
        batch["masked_lm_positions"],
        batch["masked_lm_ids"],
        batch["masked_lm_weights"],
        batch["next_sentence_labels"],
    )
    if problem == check.FINE:
        return batch
    record = {name: values[row] for name, values in batch.items()}
    raise DataError(f"{place(int(row))}: {_what(record, int(problem), int(column))}", _HINT)


def within_32_bits(values: np.ndarray) -> np.ndarray:
    """Whole numbers as int32; those that do not fit become `OUTSIDE`, which `checked` refuses."""
    if values.dtype.itemsize < 4 or values.dtype == np.int32:
        return values.astype(np.int32)
    fits = values < 2**31
    if values.dtype.kind == "i":
        fits &= values >= -(2**31)
    return np.where(fits, values.astype(np.int64), OUTSIDE).astype(np.int32)


def _what(record: Mapping[str, np.ndarray], problem: int, column: int) -> str:
    """What is wrong, for people."""
    if problem == check.EMPTY:
        return "the sequence is empty: its input_mask is 0 throughout"
    if problem == check.GAP:
        return f"padding between tokens: input_mask is 1 at {column}, after a 0"
    if problem == check.PAIR:
        label = int(record["next_sentence_labels"])
        return f"next_sentence_labels is {_number(label)}, not 0 or 1"
    if problem == check.POSITION:
        length = int(record["input_mask"].sum())
        found = _number(record["masked_lm_positions"][column])
        return f"masked_lm_positions[{column}] is {found}, the sequence has {length} tokens"
    name, wanted = _RULES[problem]
    return f"{name}[{column}] is {_number(record[name][column])}, {wanted}"


_RULES = {
    check.MASK_VALUE: ("input_mask", "not 0 or 1"),
    check.TOKEN: ("input_ids", "which is no token id"),
    check.SEGMENT: ("segment_ids", "not 0 or 1"),
    check.WEIGHT: ("masked_lm_weights", "not 0 or 1"),
    check.LABEL: ("masked_lm_ids", "which is no token id"),
}


def _number(value: float) -> str:
    return "a number beyond 32 bits" if value == OUTSIDE else f"{value:g}"
