"""The TFRecord code against TensorFlow's files and the `tfrecord` package."""

from __future__ import annotations

import hashlib
import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertkit.codecs.protobuf import message_field
from bertkit.errors import DataError
from bertkit.kernels.crc32c import masked_crc32c
from bertkit.records.files.tfrecord.frames import (
    decode_example,
    encode_example,
    encode_feature,
    frame,
    read_records,
    write_records,
)

GOLDENS = [
    "google_sample_128",
    "google_sample_128_wwm",
    "mlperf_sample_512",
    "cerebras_sample_nsp_128_dupe2_seed0",
    "cerebras_sample_nsp_wwm_128_dupe2_seed0",
    "cerebras_sample_mlmonly_128_dupe2_seed0",
]


def plain(example):
    return {name: np.asarray(values).tolist() for name, values in example.items()}


@pytest.mark.parametrize("name", GOLDENS)
def test_reads_what_tensorflow_wrote(shared, name):
    path = shared / "goldens/records" / f"{name}.tfrecord"
    expected = path.with_suffix(".tfrecord.records.sha1").read_text().split()
    found = []
    for payload in read_records(path):
        text = json.dumps(plain(decode_example(payload)), sort_keys=True, separators=(",", ":"))
        found.append(hashlib.sha1(text.encode()).hexdigest())
    assert found == expected


def test_rewriting_tensorflow_records_keeps_their_values(shared, tmp_path):
    path = shared / "goldens/records/mlperf_sample_512.tfrecord"
    examples = [decode_example(payload) for payload in read_records(path)]
    written = write_records(tmp_path / "again", map(encode_example, examples))
    again = [decode_example(payload) for payload in read_records(tmp_path / "again")]
    assert list(map(plain, again)) == list(map(plain, examples))
    blob = (tmp_path / "again").read_bytes()
    assert written == (70, len(blob), hashlib.sha256(blob).hexdigest())
    # TensorFlow packs the same numbers into the same number of bytes.
    assert len(blob) == path.stat().st_size


@pytest.mark.parametrize("name", ["sample_text", "sample_text_packed"])
def test_reads_graphcore_records_at_their_indexed_places(shared, name):
    folder = shared / "data/tfrecord_samples/graphcore"
    rows = [line.split() for line in (folder / f"{name}.index").read_text().splitlines()]
    sizes = [len(payload) + 16 for payload in read_records(folder / f"{name}.tfrecord")]
    assert sizes == [int(size) for _, size in rows]


features = st.dictionaries(
    st.text(min_size=1, max_size=30),
    st.one_of(
        st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1).map(lambda v: np.array(v, np.int64)),
        st.lists(st.floats(width=32), min_size=1).map(lambda v: np.array(v, np.float32)),
        st.lists(st.binary(max_size=200)),
    ),
    max_size=6,
)


@given(features)
def test_round_trip_of_any_features(example):
    decoded = decode_example(encode_example(example))
    assert decoded.keys() == example.keys()
    for name, values in example.items():
        if isinstance(values, list):
            assert decoded[name] == values
        else:
            assert decoded[name].dtype == values.dtype
            assert decoded[name].tobytes() == values.tobytes()


def test_bytes_do_not_depend_on_the_order_of_features():
    one = {"b": np.array([1, 2]), "a": [b"x"], "c": np.array([0.5])}
    two = {name: one[name] for name in ("c", "a", "b")}
    assert encode_example(one) == encode_example(two)


def test_unpacked_numbers_and_interleaved_fields():
    # Int64List { value: 3 } { value: -1 } { packed: [300] }, FloatList { value: 1.5 }
    minus_one = b"\xff" * 9 + b"\x01"
    ints = b"\x1a" + bytes([2 + 11 + 4]) + b"\x08\x03" + b"\x08" + minus_one + b"\x0a\x02\xac\x02"
    floats = b"\x12\x05" + b"\x0d" + struct.pack("<f", 1.5)

    def entry(name, feature, value_first):
        key, value = b"\x0a" + bytes([len(name)]) + name, b"\x12" + bytes([len(feature)]) + feature
        both = value + key if value_first else key + value
        return b"\x0a" + bytes([len(both)]) + both

    inside = entry(b"i", ints, True) + entry(b"f", floats, False)
    decoded = decode_example(b"\x0a" + bytes([len(inside)]) + inside)
    assert plain(decoded) == {"i": [3, -1, 300], "f": [1.5]}


def test_an_array_of_text_is_refused():
    with pytest.raises(TypeError, match="dtype"):
        encode_example({"a": np.array(["x"])})


@pytest.mark.parametrize(
    "blob", [b"\x0a", b"\x0a\x05abc", b"\xff" * 20, b"\x0a\x04\x0a\x02\x0a\x09", b"hello world"]
)
def test_other_bytes_are_not_an_example(blob):
    with pytest.raises(DataError, match=r"not a tf\.train\.Example"):
        decode_example(blob)


@given(st.binary(max_size=300))
def test_any_bytes_decode_or_raise_a_data_error(blob):
    try:
        decode_example(blob)
    except DataError as error:
        assert "not a tf.train.Example" in error.message


def test_the_tfrecord_package_reads_our_file(tmp_path):
    from tfrecord.reader import tfrecord_loader

    rng = np.random.default_rng(0)
    examples = [
        {
            "ids": rng.integers(0, 30522, 128),
            "far": np.array([-1, -(2**63), 2**63 - 1]),
            "weights": rng.random(20).astype(np.float32),
            "raw": [rng.bytes(n)],
        }
        for n in (0, 1, 127, 128, 20000)
    ]
    path = tmp_path / "a.tfrecord"
    write_records(path, map(encode_example, examples))
    for ours, theirs in zip(examples, tfrecord_loader(str(path), None), strict=True):
        for name in ("ids", "far", "weights"):
            np.testing.assert_array_equal(ours[name], theirs[name])
        assert ours["raw"][0] == bytes(theirs["raw"])


def test_we_read_what_the_tfrecord_package_writes(tmp_path):
    from tfrecord.writer import TFRecordWriter

    path = tmp_path / "a.tfrecord"
    writer = TFRecordWriter(str(path))
    for n in range(5):
        writer.write({
            "ids": (list(range(-3, 200 + n)), "int"),
            "weights": ([0.5] * n + [1.0], "float"),
            "raw": (b"\0\xff" * n, "byte"),
        })  # fmt: skip
    writer.close()
    for n, payload in enumerate(read_records(path)):
        example = decode_example(payload)
        assert example["ids"].tolist() == list(range(-3, 200 + n))
        assert example["weights"].tolist() == [0.5] * n + [1.0]
        assert example["raw"] == [b"\0\xff" * n]
    assert n == 4


@pytest.fixture
def three(tmp_path):
    """A file of three records, and where each begins."""
    payloads = [bytes([n]) * (n * 300 + 1) for n in range(3)]
    path = tmp_path / "three.tfrecord"
    write_records(path, payloads)
    return path, [0, 17, 17 + 317], payloads


def test_a_file_cut_anywhere_gives_its_whole_records_then_says_where(three, tmp_path):
    path, places, payloads = three
    blob, cut = path.read_bytes(), tmp_path / "cut.tfrecord"
    for size in range(len(blob)):
        cut.write_bytes(blob[:size])
        if size in (0, *places[1:]):
            assert len(list(read_records(cut))) == [0, *places[1:]].index(size)
            continue
        number = sum(place < size for place in places) - 1
        got = []
        with pytest.raises(DataError) as caught:
            for payload in read_records(cut):
                got.append(payload)  # noqa: PERF402 - keep what came before the error
        assert got == payloads[:number]
        assert f"{cut}: record {number} at byte {places[number]}" in caught.value.message
        assert "the file ends inside" in caught.value.message
        assert caught.value.hint


def test_any_flipped_bit_is_found(three):
    path, places, _ = three
    blob = bytearray(path.read_bytes())
    for place in range(0, len(blob), 3):
        blob[place] ^= 1 << place % 8
        path.write_bytes(blob)
        number = sum(start <= place for start in places) - 1
        inside = place - places[number]
        expected = "checksum of its length" if inside < 12 else "checksum of its data"
        with pytest.raises(DataError) as caught:
            list(read_records(path))
        assert f"record {number} at byte {places[number]}: wrong {expected}" in caught.value.message
        blob[place] ^= 1 << place % 8


def test_a_failing_source_leaves_no_file(tmp_path):
    def payloads():
        yield b"one"
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write_records(tmp_path / "a", payloads())
    assert list(tmp_path.iterdir()) == []


def test_missing_file():
    with pytest.raises(DataError, match="cannot read /nowhere/at-all"):
        next(read_records("/nowhere/at-all"))


def test_frame_layout():
    framed = frame(b"abc")
    assert framed[:8] == struct.pack("<Q", 3)
    assert framed[12:15] == b"abc"
    assert len(framed) == 19


def test_a_length_beyond_the_file_takes_no_memory(tmp_path):
    head = struct.pack("<Q", 1 << 60)
    blob = head + struct.pack("<I", masked_crc32c(head)) + b"x" * 100
    (tmp_path / "a").write_bytes(blob)
    with pytest.raises(DataError, match="the file ends inside the record"):
        list(read_records(tmp_path / "a"))


@pytest.mark.parametrize("inner", [True, False])
def test_two_values_of_a_feature_are_refused(inner):
    one = encode_feature(np.array([1]))
    value = one + one if inner else one
    values = message_field(2, value) + (b"" if inner else message_field(2, one))
    entry = message_field(1, message_field(1, b"input_ids") + values)
    with pytest.raises(DataError, match=r"second list of values|two values of one feature"):
        decode_example(message_field(1, entry))
