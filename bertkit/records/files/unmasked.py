"""Reads unmasked windows as records without predictions, for masks that are drawn in training.

The files hold words, not numbers (sequence_example.py), so that a vocabulary is needed to
read them, as Cerebras' BertMlmOnlyTfRecordsDynamicMaskProcessor does.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bertkit.codecs.protobuf import message_fields
from bertkit.errors import DataError
from bertkit.manifests.cache import cached_manifest
from bertkit.manifests.manifest import manifest_path
from bertkit.records.config import RecordsConfig
from bertkit.records.files.instance import NO_LABEL, checked_indices
from bertkit.records.files.tfrecord.sequence_example import TOKENS, TokenFile, decode_tokens
from bertkit.storage.files import read_json
from bertkit.tokenization.vocabulary import Vocab

_PARAMS = "data_params.json"
_SIZES = ("max_seq_length", "max_predictions_per_seq")
_LARGEST = 1 << 20
_MESSAGE = 0x0A  # tag of a message in field 1
_LIST = 2  # number of the feature list in a map entry, and of the map in a SequenceExample


@dataclass(frozen=True)
class UnmaskedRules:
    """What unmasked windows need to be read for training.

    Attributes:
        vocab: of their tokens.
        masked_lm_prob: share of the tokens that is going to be predicted; decides how many
            predictions there is room for where nothing beside the file tells it.
    """

    vocab: Vocab
    masked_lm_prob: float


class UnmaskedFile(TokenFile):
    """A TFRecord file of unmasked windows as records whose prediction slots are empty.

    Attributes:
        max_seq_length: L: as make-records or Cerebras' program noted it beside the file,
            else the longest window.
        max_predictions_per_seq: P, likewise; else by the rule of make-records.

    Raises:
        DataError: as for TfRecordFile, or a token that the vocabulary does not have.
    """

    def __init__(self, path: str | os.PathLike[str], rules: UnmaskedRules) -> None:
        super().__init__(path)
        self._rules = rules
        # Encoded token → id; the bytes of a token are decoded once.
        self._known: dict[bytes, int] = {}
        noted = _noted(Path(self.path))
        length = noted.get("max_seq_length") or max(len(self.tokens(n)) for n in range(len(self)))
        self.max_seq_length = length
        own = RecordsConfig(max_seq_length=self.max_seq_length, masked_lm_prob=rules.masked_lm_prob)
        self.max_predictions_per_seq = noted.get("max_predictions_per_seq") or own.predictions

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self._rules)

    def batch(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Windows as the seven features, nothing masked; see `RecordFile.batch`."""
        which = checked_indices(self.path, len(self), indices)
        shape, slots = (len(which), self.max_seq_length), (len(which), self.max_predictions_per_seq)
        ids, mask = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        for row, number in enumerate(which):
            tokens = self._ids(int(number))
            if len(tokens) > self.max_seq_length:
                raise DataError(
                    f"{self.path}: record {number} has {len(tokens)} tokens, more than "
                    f"max_seq_length {self.max_seq_length}",
                    "make the file again",
                )
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        return {
            "input_ids": ids,
            "input_mask": mask,
            "segment_ids": np.zeros(shape, np.int32),
            "masked_lm_positions": np.zeros(slots, np.int32),
            "masked_lm_ids": np.zeros(slots, np.int32),
            "masked_lm_weights": np.zeros(slots, np.float32),
            "next_sentence_labels": np.full(len(which), NO_LABEL, np.int32),
        }

    def _ids(self, number: int) -> list[int]:
        payload = self.record(number)
        places = self.decoded(number, _places)
        known = self._known
        try:
            return [known[payload[start:end]] for start, end in places]
        except KeyError:  # a token that was not met before
            return self._learnt(number, payload)

    def _learnt(self, number: int, payload: bytes) -> list[int]:
        """The ids of a record, by decoding each of its tokens."""
        ids = []
        blobs = self.decoded(number, decode_tokens)
        for (start, end), blob in zip(_places(payload), blobs, strict=True):
            token = blob.decode("utf-8", "replace")
            if token not in self._rules.vocab.ids:
                raise DataError(
                    f"{self.path}: record {number} holds the token {token!r}, which the "
                    f"vocabulary {self._rules.vocab.path} does not have",
                    "give the --vocab that the records were made with",
                )
            self._known[payload[start:end]] = self._rules.vocab.ids[token]
            ids.append(self._rules.vocab.ids[token])
        return ids


def _places(payload: bytes) -> list[tuple[int, int]]:
    """Where the bytes of each token's feature stand in a SequenceExample.

    The same walk as `decode_tokens`, without looking into the features.
    """
    found: list[tuple[int, int]] = []
    for _, lists in message_fields(payload, 0, len(payload), only=_LIST):
        for _, entry in message_fields(payload, *lists, only=1):
            fields = dict(message_fields(payload, *entry))
            if _LIST in fields and payload[slice(*fields.get(1, (0, 0)))] == TOKENS.encode():
                if found:
                    raise DataError("two feature lists of tokens", "make the file again")
                found += _short_messages(payload, *fields[_LIST])
    return found


def _short_messages(payload: bytes, at: int, end: int) -> list[tuple[int, int]]:
    """The ranges of the messages in field 1, most of which are shorter than 128 bytes."""
    found: list[tuple[int, int]] = []
    while at < end:
        if at + 1 == end or payload[at] != _MESSAGE or payload[at + 1] > 127:
            rest = message_fields(payload, at, end, only=1)
            return [*found, *((start, stop) for _, (start, stop) in rest)]
        start = at + 2
        at = start + payload[at + 1]
        if at > end:
            raise DataError(f"the field at byte {start} reaches beyond its message")
        found.append((start, at))
    return found


def _noted(path: Path) -> dict[str, int]:
    """The sizes that make-records' manifest or Cerebras' data_params.json tell of a file."""
    manifest = cached_manifest(path.parent)
    source, values = "", {}
    if manifest is not None and path.name in manifest.outputs:
        source, values = str(manifest_path(path.parent)), dict(manifest.config)
    elif (params := path.with_name(_PARAMS)).is_file():
        source, values = str(params), read_json(params)
    found = {}
    for name in _SIZES if isinstance(values, dict) else ():
        size = values.get(name) or 0
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST:
            raise DataError(
                f"{source}: {name} is {str(size)[:40]!r}, not a size of records",
                "mend the file, or remove it: the sizes are then taken from the records",
            )
        found[name] = size
    return found
