"""Rows of numbers as framed Examples, against the readable encoder."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.records.files.kernels import frame_examples
from bertkit.records.files.tfrecord.frames import encode_example, frame

# Widths and values of each feature: small, of two and three bytes, any, negative ones too.
FEATURES = {
    "a_masks": (5, 0, 127),
    "b_ids": (9, 0, (1 << 21) - 1),
    "c_any": (4, -(1 << 31), (1 << 31) - 1),
    "d_floats": (3, -1000, 1000),
    "e_name_of_thirty_two_bytes_xxxxx": (1, 0, 300),
}


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_rows_equal_examples_encoded_one_by_one(count, seed):
    generator = np.random.default_rng(seed)
    columns = {
        name: generator.integers(low, high, (count, width), dtype=np.int64, endpoint=True)
        for name, (width, low, high) in FEATURES.items()
    }
    columns["d_floats"] = columns["d_floats"].astype(np.float32)
    kinds = {name: (width, name == "d_floats") for name, (width, _, _) in FEATURES.items()}
    table = np.concatenate(
        [
            values.view(np.int32) if values.dtype == np.float32 else values.astype(np.int32)
            for values in columns.values()
        ],
        axis=1,
    )
    template = frame_examples.example_template(kinds)
    # Room for two records at a time: the rest is written by further calls.
    out = np.empty(2 * frame_examples.largest_record(template), np.uint8)
    checks, written, done = np.empty(count, np.uint32), b"", 0
    while done < count:
        more, size = frame_examples.write_examples(table[done:], template, out, checks[done:])
        written += out[:size].tobytes()
        done += more
    records = [{name: values[row] for name, values in columns.items()} for row in range(count)]
    framed = [frame(encode_example(record)) for record in records]
    assert written == b"".join(framed)
    assert checks.astype("<u4").tobytes() == b"".join(one[-4:] for one in framed)
