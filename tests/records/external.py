"""Files of records with other features than BERT's, written by the tfrecord package itself."""

from __future__ import annotations

from pathlib import Path

from tfrecord.writer import TFRecordWriter


def write_examples(path: Path, count: int, **changes: tuple[object, str]) -> Path:
    """Records of a data set of images; record n has n in several places."""
    writer = TFRecordWriter(str(path))
    for n in range(count):
        features = {
            "image": ([b"\x89PNG\x00" + bytes([n]), b""], "byte"),
            "label": ([-n, n], "int"),
            "scores": ([0.1, float(n)], "float"),
            "none": ([], "int"),
        }
        writer.write({**features, **changes})
    writer.close()
    return path


def write_sequences(path: Path, count: int) -> Path:
    """SequenceExamples; the frames of record n hold n."""
    writer = TFRecordWriter(str(path))
    for n in range(count):
        steps = {"frames": ([[0, n], [1, n]], "int"), "words": ([[b"a"], [b"b", b"c"]], "byte")}
        writer.write({"id": (n, "int")}, steps)
    writer.close()
    return path
