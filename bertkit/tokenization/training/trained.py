"""What the training of a vocabulary says, and whether the same command need train it again.

The file of facts beside a vocabulary (`tokenizer_files`) has, under `training`, a digest of all
that decides the vocabulary, and what the training said of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.errors import UsageError
from bertkit.manifests.inputs import digest_of
from bertkit.manifests.manifest import describe_inputs
from bertkit.storage import files
from bertkit.tokenization.tokenizer_files import SIDECAR
from bertkit.workers.engine import Engine

_KEY, _DIGEST, _RESULT = "training", "made_from", "result"
# What says where and how long, not what.
_PLACES = ("path", "facts", "seconds")


@dataclass(frozen=True)
class TrainedVocab:
    """A vocabulary that was written, and what it makes of its text.

    Attributes:
        path, sha256: the file; `facts` is the one beside it that says how its text was treated.
        tokens, size: how many it has, and how many were asked for.
        short_because: why it has fewer; empty where it has all.
        added_characters: common characters of the text's scripts that are not in the text, which
            filled the room that was left.
        bytes_read: of text, unpacked.
        words, different_words: in the text, punctuation marks and ideographs included.
        dropped_words: occurrences of rare words beyond the limit of memory.
        characters, different_characters: kept, and in the text.
        character_coverage: share of the text's characters that are kept.
        tokens_per_word: in the text.
        unknown_share: [UNK] per token of the text.
        held_out_unknown_share: the same in lines that were held out when the characters were
            chosen for this figure; None where the text is too short for it.
        word_length: letters of the longest word that a tokenizer takes.
        long_words: places where a word was cut because it is longer.
        text: what the text holds, see `bertkit.summary.report.figures`.
        seconds: of work.
    """

    path: str
    facts: str
    tokens: int
    size: int
    short_because: str
    added_characters: int
    sha256: str
    bytes_read: int
    words: int
    different_words: int
    dropped_words: int
    characters: int
    different_characters: int
    character_coverage: float
    tokens_per_word: float
    unknown_share: float
    held_out_unknown_share: float | None
    word_length: int
    long_words: int
    text: dict[str, Any]
    seconds: float

    @property
    def summary(self) -> str:
        """In one line, for people."""
        found = (
            f"{self.tokens:,} tokens from {files.human_bytes(self.bytes_read)} of text "
            f"in {self.path} ({self.seconds:.1f} s); {self.characters:,} of "
            f"{self.different_characters:,} different characters; {self.tokens_per_word:.2f} "
            f"tokens per word; [UNK]: {self.unknown_share:.2%} of the tokens"
        )
        if self.held_out_unknown_share is None:
            return found
        return f"{found}, {self.held_out_unknown_share:.2%} in held-out lines"


def made_from(inputs: Sequence[str], settings: Mapping[str, Any], engine: Engine) -> str:
    """SHA-256 of all that decides a vocabulary.

    Args:
        inputs: files, whose content counts and whose names do not.
        settings: of the training, as JSON values.
        engine: what reads the files.
    """
    described = describe_inputs(inputs, engine)
    values = [digest_of(described), dict(settings)]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def note(
    inputs: Sequence[str], settings: Mapping[str, Any], engine: Engine, result: Mapping[str, Any]
) -> dict[str, Any]:
    """What is added to the facts of a vocabulary; `result` as for `result_of`."""
    return {_KEY: {_DIGEST: made_from(inputs, settings, engine), _RESULT: dict(result)}}


def result_of(output: str | Path, found: Mapping[str, Any], seconds: float) -> TrainedVocab:
    """The result: all of it but where it is and how long it took is in `found`."""
    return TrainedVocab(path=str(output), facts=f"{output}{SIDECAR}", seconds=seconds, **found)


def again(
    output: str | Path, inputs: Sequence[str], settings: Mapping[str, Any], engine: Engine
) -> TrainedVocab:
    """The result of the training that wrote a vocabulary, if it was just this one.

    Args:
        output: the vocabulary, which is there.
        inputs, settings, engine: as for `made_from`, of what is asked for now. Files are read
            only if it is known what made the vocabulary.

    Raises:
        UsageError: it was another training, or it is not known what made the vocabulary.
    """
    beside = Path(f"{output}{SIDECAR}")
    values = files.read_json(beside) if beside.is_file() else None
    noted = values.get(_KEY) if isinstance(values, dict) else None
    found = noted.get(_RESULT) if isinstance(noted, dict) else None
    names = {field.name for field in fields(TrainedVocab)} - {*_PLACES}
    if (
        isinstance(noted, dict)
        and isinstance(found, dict)
        and set(found) == names
        and found["sha256"] == files.sha256_of(output)
        and noted.get(_DIGEST) == made_from(inputs, settings, engine)
    ):
        log.logger.info("%s is complete already; nothing to do", output)
        return result_of(output, found, 0.0)
    raise UsageError(f"{output} exists", "give --overwrite to replace it")
