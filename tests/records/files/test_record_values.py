"""What is said of a record with a wrong number; tools/test_foreign_numbers.py has the commands."""

from __future__ import annotations

import numpy as np
import pytest
import synthetic

from bertkit.errors import DataError
from bertkit.records.files.record_values import OUTSIDE, checked, within_32_bits


@pytest.mark.parametrize(
    ("name", "at", "value", "says"),
    [
        ("input_mask", np.s_[:], 0, "the sequence is empty: its input_mask is 0 throughout"),
        ("input_mask", 3, 0, "padding between tokens: input_mask is 1 at 4, after a 0"),
        ("input_ids", 3, OUTSIDE, "input_ids[3] is a number beyond 32 bits, which is no token id"),
        ("masked_lm_positions", 0, 24, "masked_lm_positions[0] is 24, the sequence has "),
        ("masked_lm_weights", 0, 0.5, "masked_lm_weights[0] is 0.5, not 0 or 1"),
        ("next_sentence_labels", (), 7, "next_sentence_labels is 7, not 0 or 1"),
    ],
)
def test_places_are_named(name, at, value, says):
    batch = synthetic.batch(3, seed=1)
    assert checked(batch, str) is batch
    batch[name][(1, *at) if isinstance(at, tuple) else (1, at)] = value
    with pytest.raises(DataError) as caught:
        checked(batch, lambda row: f"file: record {row}")
    assert caught.value.message.startswith(f"file: record 1: {says}")


def test_numbers_that_do_not_fit_do_not_pass_for_others():
    values = [2**31, -(2**31) - 1, 2**32 + 5, 5, -1]
    assert within_32_bits(np.array(values)).tolist() == [OUTSIDE] * 3 + [5, -1]
    assert within_32_bits(np.array([2**63 + 5, 5], np.uint64)).tolist() == [OUTSIDE, 5]
    assert within_32_bits(np.array([5], np.int8)).dtype == np.int32
