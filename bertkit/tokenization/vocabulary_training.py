"""`bertkit train-vocab`: trains a WordPiece vocabulary, the same bytes on every run.

The `tokenizers` library merges pieces by frequency. By itself it numbers the continuing
characters ("##a") in the order of a randomly seeded hash table, and breaks ties between
merges by those numbers. So the alphabet is counted first and handed over in fixed order.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertkit import files, log
from bertkit.errors import DataError, UsageError
from bertkit.temporary import remove_leftovers
from bertkit.tokenization.normalisation import UNCASED, Normalisation
from bertkit.tokenization.text_encoding import not_utf8
from bertkit.tokenization.tokenizer_facts import TokenizerFacts
from bertkit.tokenization.tokenizer_files import write_sidecar
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS, save_vocab
from bertkit.tokenization.wordpiece import is_cjk, is_punctuation

LIMIT_ALPHABET = 1000
TENSOR_MULTIPLE = 8
_BLOCK = 1 << 20


@dataclass(frozen=True)
class TrainedVocab:
    """A vocabulary that was written: its file, size, digest, and seconds of work.

    Attributes:
        facts: the file beside it that says how its text was treated.
    """

    path: str
    facts: str
    tokens: int
    sha256: str
    bytes_read: int
    seconds: float


def train_vocab(
    inputs: Sequence[str],
    output: str | Path,
    size: int = 30_528,
    normalisation: Normalisation = UNCASED,
    min_frequency: int = 2,
    overwrite: bool = False,
) -> TrainedVocab:
    """Learn a vocabulary and write it: special tokens, characters, then merged pieces.

    Args:
        inputs: UTF-8 text files; line structure does not matter.
        output: the file to write, one token per line.
        size: tokens to end with; small texts may not have that many.
        normalisation: what happens to the text first; it is noted beside the vocabulary.
        min_frequency: how often a pair must occur to be merged.
        overwrite: replace an existing file.

    Raises:
        UsageError: the output exists, or the size leaves no room for the alphabet.
        DataError: unreadable, not UTF-8, or no text at all.
    """
    started = time.perf_counter()
    if Path(output).exists() and not overwrite:
        raise UsageError(f"{output} exists", "give --overwrite to replace it")
    remove_leftovers(Path(output).parent, name=Path(output).name)
    import tokenizers

    trainer = tokenizers.BertWordPieceTokenizer(
        lowercase=normalisation.do_lower_case,
        strip_accents=normalisation.strips_accents,
        handle_chinese_chars=normalisation.tokenize_chinese_chars,
    )
    alphabet = _alphabet(inputs, trainer)
    split = normalisation.tokenize_chinese_chars
    starts = [character for character in alphabet if not _stands_alone(character, split)]
    given = [*SPECIAL_TOKENS, *(f"##{character}" for character in starts)]
    _require_room(size, len(given), len(alphabet))
    trainer.train_from_iterator(
        _blocks(inputs),
        vocab_size=size,
        min_frequency=min_frequency,
        limit_alphabet=len(alphabet),
        initial_alphabet=alphabet,
        special_tokens=given,
        show_progress=log.bars_wanted(),
    )
    tokens = _in_usual_order(trainer.get_vocab(), len(given))
    if len(tokens) % TENSOR_MULTIPLE:
        text = "%d tokens: a multiple of %d makes the output layer faster on accelerators"
        log.logger.warning(text, len(tokens), TENSOR_MULTIPLE)
    digest = save_vocab(output, tokens)
    facts = TokenizerFacts(digest, digest, len(tokens), normalisation)
    return TrainedVocab(
        path=str(output),
        facts=write_sidecar(output, facts),
        tokens=len(tokens),
        sha256=digest,
        bytes_read=sum(Path(name).stat().st_size for name in inputs if not files.is_remote(name)),
        seconds=time.perf_counter() - started,
    )


def _require_room(size: int, given: int, characters: int) -> None:
    if size < given + characters:
        raise UsageError(
            f"--size {size} is too small: the text has {characters} different characters",
            f"give at least {given + characters}",
        )


def _in_usual_order(ids: dict[str, int], given: int) -> list[str]:
    """Special tokens, whole characters, continuing characters, then merges as learnt."""
    learnt = sorted(ids, key=lambda token: ids[token])
    specials, continuing = learnt[: len(SPECIAL_TOKENS)], learnt[len(SPECIAL_TOKENS) : given]
    characters = [token for token in learnt[given:] if len(token) == 1]
    merges = [token for token in learnt[given:] if len(token) > 1]
    return [*specials, *characters, *continuing, *merges]


def _alphabet(inputs: Sequence[str], trainer: Any) -> list[str]:
    """The most frequent characters of the normalised text, in the order of Unicode."""
    counts: Counter[str] = Counter()
    for block in _blocks(inputs):
        counts.update(trainer.normalizer.normalize_str(block))
    for character in [character for character in counts if character.isspace()]:
        del counts[character]
    if not counts:
        raise DataError("the input holds no text", "give files with text in --input")
    ranked = sorted(counts, key=lambda character: (-counts[character], character))
    if len(ranked) > LIMIT_ALPHABET:
        log.logger.info(
            "%d different characters: words with the rarest %d become [UNK]",
            len(ranked),
            len(ranked) - LIMIT_ALPHABET,
        )
    return sorted(ranked[:LIMIT_ALPHABET])


def _stands_alone(character: str, split_cjk: bool) -> bool:
    """True for characters that are words of their own and never continue one."""
    return is_punctuation(character) or (split_cjk and is_cjk(character))


def _blocks(inputs: Sequence[str]) -> Iterator[str]:
    """Text in pieces of about a megabyte that end at line ends."""
    for name in inputs:
        offset, line = 0, 1
        with files.open_binary(name) as stream:
            while lines := stream.readlines(_BLOCK):
                blob = b"".join(lines)
                try:
                    yield blob.decode("utf-8")
                except UnicodeDecodeError as error:
                    line += blob.count(b"\n", 0, error.start)
                    place = offset + error.start
                    raise not_utf8(name, line, place, blob, offset) from error
                offset += len(blob)
                line += len(lines)
