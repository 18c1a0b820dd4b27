"""The kernel that looks at the numbers of records agrees with a plain reading of its rules."""

from __future__ import annotations

import numpy as np
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.records.files.kernels import check
from bertkit.records.files.schema import FEATURES

ODD = st.sampled_from([-(2**31), -100, -2, -1, 0, 1, 2, 3, 23, 24, 99, 2**31 - 1])


def is_right(record) -> bool:
    mask = record["input_mask"].tolist()
    length = sum(value == 1 for value in mask)
    if not length or mask != [1] * length + [0] * (len(mask) - length):
        return False
    if (record["input_ids"][:length] < 0).any():
        return False
    if not set(record["segment_ids"][:length].tolist()) <= {0, 1}:
        return False
    weights = record["masked_lm_weights"]
    if not set(weights.tolist()) <= {0.0, 1.0}:
        return False
    used = weights == 1
    positions, labels = record["masked_lm_positions"][used], record["masked_lm_ids"][used]
    if (positions < 0).any() or (positions >= length).any() or (labels < 0).any():
        return False
    return int(record["next_sentence_labels"]) in (-1, 0, 1)


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(st.sampled_from(FEATURES), st.integers(0, 3), st.integers(0, 23), ODD),
        max_size=3,
    )
)
def test_the_first_wrong_record_is_found(changes):
    batch = synthetic.batch(4, seed=3)
    for name, row, column, value in changes:
        if name == "next_sentence_labels":
            batch[name][row] = value
        else:
            batch[name][row, column % batch[name].shape[1]] = value
    rows = [is_right({name: values[row] for name, values in batch.items()}) for row in range(4)]
    row, problem, _ = check.check_rows(*(batch[name] for name in _ORDER))
    assert (row, problem == check.FINE) == ((4, True) if all(rows) else (rows.index(False), False))


_ORDER = (
    *("input_ids", "input_mask", "segment_ids", "masked_lm_positions"),
    *("masked_lm_ids", "masked_lm_weights", "next_sentence_labels"),
)


def test_no_number_and_infinities_are_no_weights():
    for value in (np.nan, np.inf, 0.5):
        batch = synthetic.batch(2, seed=3)
        batch["masked_lm_weights"][1, 0] = value
        row, problem, _ = check.check_rows(*(batch[name] for name in _ORDER))
        assert (row, problem) == (1, check.WEIGHT)
