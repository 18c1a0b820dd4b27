"""Frames found and features decoded, from Examples that another package serialises."""

from __future__ import annotations

import numpy as np
import pytest
from tfrecord.writer import TFRecordWriter

from bertkit.records.files.kernels import parse
from bertkit.records.files.tfrecord.frames import frame

KINDS = {"the_first_ids": (3, False), "the_floats": (2, True)}


def example(**features):
    return TFRecordWriter.serialize_tf_example(features)


def payloads():
    other = (b"x", "byte")
    return [
        example(the_floats=([0.5, n], "float"), other=other, the_first_ids=([n, -n, 300], "int"))
        for n in range(4)
    ]


def scan(data):
    starts, lengths = np.zeros(9, np.int64), np.zeros(9, np.int64)
    count, end, state = parse.scan_frames(data, 0, starts, lengths)
    return starts[:count], lengths[:count], end, state


def read(records, which=(2, 0)):
    data = np.frombuffer(b"".join(map(frame, records)), np.uint8)
    starts, lengths, end, state = scan(data)
    assert (end, state) == (len(data), parse.FINE)
    wanted = parse.wanted(KINDS, len(which))
    out = np.zeros(len(which) * 5, np.int32)
    numbers = np.array(which, np.int64)
    return parse.read_examples(data, starts[numbers], lengths[numbers], wanted, out), out


def test_wanted_features_of_some_records():
    (rows, state), out = read(payloads())
    assert (rows, state) == (2, parse.FINE)
    assert out[:6].reshape(2, 3).tolist() == [[2, -2, 300], [0, 0, 300]]
    assert out[6:].view(np.float32).reshape(2, 2).tolist() == [[0.5, 2], [0.5, 0]]


@pytest.mark.parametrize(
    ("features", "state"),
    [
        ({"the_floats": ([1.0, 2.0], "float")}, parse.MISSING),
        ({"the_first_ids": ([1, 2], "int"), "the_floats": ([1.0, 2], "float")}, parse.WRONG_SIZE),
        ({"the_first_ids": ([1.0] * 3, "float")}, parse.WRONG_SIZE),
    ],
)
def test_what_is_wrong_with_a_record(features, state):
    records = payloads()
    records[0] = example(**features)
    assert read(records)[0] == (1, state)


@pytest.mark.slow
def test_damage_to_frames():
    data = np.frombuffer(b"".join(map(frame, payloads())), np.uint8).copy()
    starts, lengths, _, _ = scan(data)
    assert scan(data[:-1])[3] == parse.TRUNCATED
    assert scan(data[: int(starts[3]) - 3])[3] == parse.TRUNCATED
    broken = data.copy()
    broken[int(starts[1]) - parse.HEADER] ^= 1
    assert scan(broken)[2:] == (int(starts[1]) - parse.HEADER, parse.WRONG_LENGTH_CRC)
    data[int(starts[0])] ^= 1
    out, wanted = np.zeros(5, np.int32), parse.wanted(KINDS, 1)
    found = parse.read_examples(data, starts[:1], lengths[:1], wanted, out)
    assert found == (0, parse.WRONG_DATA_CRC)
    odd = np.frombuffer(frame(b"\xff\xff"), np.uint8)
    starts, lengths, _, _ = scan(odd)
    found = parse.read_examples(odd, starts, lengths, wanted, out)
    assert found == (0, parse.NOT_EXAMPLE)


@pytest.mark.parametrize(
    ("start", "length"), [(1, 0), (1, -5), (-9, 0), (0, 10**9), (10**9, 0), (0, 4)]
)
def test_a_place_without_a_frame_is_told(start, length):
    """Of an index that belongs to another file: beyond its ends, between frames, of two."""
    data = np.frombuffer(b"".join(map(frame, payloads())), np.uint8)
    starts, lengths, _, _ = scan(data)
    assert parse.check_frame(data, int(starts[1]), int(lengths[1])) == parse.FINE
    wrong = parse.check_frame(data, int(starts[1]) + start, int(lengths[1]) + length)
    assert wrong == parse.WRONG_PLACE
