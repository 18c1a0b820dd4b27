"""Reads TFRecord files with any features, such as data sets of other programs.

The bytes of a record are checked against their checksum here; the message is parsed by the
package `tfrecord`, which is loaded when the first such record is read.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bertkit.errors import DataError, MissingDependencyError
from bertkit.records.files.tfrecord.frames import Feature
from bertkit.records.files.tfrecord.reader import TfRecordFile


class ExternalRecord(NamedTuple):
    """The values of a tf.train.Example, or of a SequenceExample.

    Attributes:
        features: name → int64[n], float32[n] or list of bytes; empty features are empty lists.
        lists: name → such values for each step of a sequence; empty for an Example.
    """

    features: dict[str, Feature]
    lists: dict[str, list[Feature]]

    def flat(self) -> dict[str, Feature]:
        """Features by name, those of step k of a list `name` as `name[k]`."""
        steps = {
            f"{name}[{step}]": values
            for name, sequence in self.lists.items()
            for step, values in enumerate(sequence)
        }
        return {**self.features, **steps}


class ExternalFile(TfRecordFile):
    """A TFRecord file of Examples or SequenceExamples with any features."""

    def read(self, number: int) -> ExternalRecord:
        """One record, its checksum checked.

        Raises:
            DataError: damaged, or neither an Example nor a SequenceExample.
            MissingDependencyError: the package tfrecord is not installed.
        """
        try:
            return decode_external(self.record(number))
        except DataError as error:
            if error.message.startswith(self.path):
                raise
            raise DataError(f"{self.path}: record {number}: {error.message}", error.hint) from error


def decode_external(payload: bytes) -> ExternalRecord:
    """Parse a serialised tf.train.Example or SequenceExample.

    Raises:
        DataError: the bytes are neither.
        MissingDependencyError: the package tfrecord is not installed.
    """
    messages, decode_error = _protobuf()
    # A SequenceExample has the features of an Example in its first field, and lists behind.
    message = messages.SequenceExample()
    try:
        message.ParseFromString(payload)
    except decode_error as error:
        raise DataError(
            f"neither a tf.train.Example nor a SequenceExample: {error}",
            "records of other messages are not read",
        ) from error
    return ExternalRecord(
        features={name: _values(item) for name, item in sorted(message.context.feature.items())},
        lists={
            name: [_values(item) for item in sequence.feature]
            for name, sequence in sorted(message.feature_lists.feature_list.items())
        },
    )


def _values(feature: Any) -> Feature:
    kind = feature.WhichOneof("kind")
    if kind is None:
        return []
    values = getattr(feature, kind).value
    if kind == "bytes_list":
        return list(values)
    return np.array(values, np.int64 if kind == "int64_list" else np.float32)


def _protobuf() -> tuple[Any, type[Exception]]:
    """The messages of the package tfrecord, and what they raise for other bytes."""
    try:
        from google.protobuf.message import DecodeError
        from tfrecord import example_pb2
    except ImportError as error:
        raise MissingDependencyError(
            f"records with other features than BERT's need the package tfrecord: {error}",
            "pip install tfrecord",
        ) from error
    return example_pb2, DecodeError
