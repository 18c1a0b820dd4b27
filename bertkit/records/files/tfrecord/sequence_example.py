"""Reads and writes unmasked windows as tf.train.SequenceExamples of their tokens.

The form that Cerebras' create_tfrecords_mlm_only.py writes with --disable_masking: one
bytes value per token, [CLS] and [SEP] included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bertkit.codecs.protobuf import message_field, message_fields
from bertkit.errors import DataError
from bertkit.records.files.tfrecord import frames as tfrecord
from bertkit.records.files.tfrecord.reader import TfRecordFile

T = TypeVar("T")
TOKENS = "tokens"
_FEATURE_LISTS = 2  # field number in tf.train.SequenceExample


def encode_token(token: str) -> bytes:
    """A token as one of the features in the list, for `wrap_tokens`."""
    return message_field(1, tfrecord.encode_feature([token.encode("utf-8")]))


def wrap_tokens(features: bytes) -> bytes:
    """The serialised SequenceExample of encoded tokens, one after the other."""
    entry = message_field(1, TOKENS.encode()) + message_field(2, features)
    return message_field(_FEATURE_LISTS, message_field(1, entry))


def decode_tokens(payload: bytes) -> list[bytes]:
    """The tokens of a serialised SequenceExample.

    Raises:
        DataError: it is none, or has no feature list `tokens`.
    """
    lists: dict[str, list[bytes]] = {}
    try:
        for _, place in message_fields(payload, 0, len(payload), only=_FEATURE_LISTS):
            for _, entry in message_fields(payload, *place, only=1):
                name, values = _entry(payload, *entry)
                if name in lists:
                    raise DataError(f"two feature lists {name!r}")
                lists[name] = values
    except (DataError, ValueError) as error:
        raise DataError(f"not a tf.train.SequenceExample: {error}", "fetch it again") from error
    if TOKENS not in lists:
        raise DataError("not a tf.train.SequenceExample with a feature list `tokens`")
    return lists[TOKENS]


class TokenFile(TfRecordFile):
    """A TFRecord file of unmasked windows, as their tokens."""

    def tokens(self, number: int) -> list[str]:
        """The tokens of one record, its checksum checked."""
        found = self.decoded(number, decode_tokens)
        return [token.decode("utf-8", "replace") for token in found]

    def decoded(self, number: int, decode: Callable[[bytes], T]) -> T:
        """What a function makes of the bytes of a record.

        Raises:
            DataError: the record is damaged, or none of this kind; names it.
        """
        payload = self.record(number)
        try:
            return decode(payload)
        except DataError as error:
            raise DataError(f"{self.path}: record {number}: {error.message}", error.hint) from error


def is_tokens(payload: bytes) -> bool:
    """True for a SequenceExample with a feature list `tokens`."""
    try:
        decode_tokens(payload)
    except DataError:
        return False
    return True


def _entry(payload: bytes, at: int, end: int) -> tuple[str, list[bytes]]:
    """(name, first bytes value of each feature) of a map entry."""
    name, values = "", []
    lists = 0
    for number, place in message_fields(payload, at, end):
        if number == 1:
            name = payload[slice(*place)].decode()
        elif number == 2:
            lists += 1
            if lists > 1:
                raise DataError(f"two values of the feature list {name!r}")
            for _, feature in message_fields(payload, *place, only=1):
                found = tfrecord.decode_feature(payload, *feature)
                if not isinstance(found, list) or len(found) != 1:
                    raise DataError("a token is not one bytes value")
                values += found
    return name, values
