"""Settings of records that a run on record files does not read."""

from __future__ import annotations

import pytest

from bertkit.configuration.record_settings import unused_record_settings

SETTINGS = {
    "seed": 1,
    "records.do_lower_case": True,
    "records.masked_lm_prob": 0.15,
    "records.max_seq_length": 128,
}
STYLE = "records.style"


@pytest.mark.parametrize(
    ("run", "unused"),
    [
        ({"input": ["a"], "mask": "static"}, ["records.masked_lm_prob", "records.max_seq_length"]),
        ({"input": ["a"], "mask": "dynamic"}, ["records.max_seq_length"]),
        (
            {"input": ["a"], "vocab": "v.txt", "records.allow_duplicates": False, STYLE: "google"},
            ["records.masked_lm_prob", "records.max_seq_length", STYLE],
        ),
        (
            {"input": ["a"], "vocab": "v.txt", "records.allow_duplicates": True, STYLE: "google"},
            ["records.masked_lm_prob", "records.max_seq_length"],
        ),
        ({"input": [], "text": ["a.txt"]}, []),
        ({"task": "classify"}, []),
    ],
)
def test_what_such_a_run_does_not_read(run, unused):
    assert unused_record_settings(SETTINGS | run) == unused
