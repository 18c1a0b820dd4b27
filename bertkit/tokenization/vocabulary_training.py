"""`bertkit train-vocab`: trains a WordPiece vocabulary, the same bytes on every run.

Words are counted in one pass over the text, by several processes if asked; their number does
not change the result, nor do the lines of the text. Pieces are merged by frequency, in the
order in which the `tokenizers` package merges them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bertkit import log
from bertkit.errors import DataError, UsageError
from bertkit.manifests.output_state import COMPLETE, NEW, REPLACED
from bertkit.storage import files
from bertkit.summary import report
from bertkit.summary.counts import CountsSum, TextCounts
from bertkit.summary.sketch import level_for
from bertkit.text.unsplit import refuse_raw_files
from bertkit.tokenization.known_characters import knows_characters
from bertkit.tokenization.normalisation import UNCASED, Normalisation
from bertkit.tokenization.tokenizer_facts import TokenizerFacts
from bertkit.tokenization.tokenizer_files import write_sidecar
from bertkit.tokenization.training import stripped, trained, unknown_share
from bertkit.tokenization.training.alphabet import Alphabet, Wanted, choose_alphabet, fill_up
from bertkit.tokenization.training.merges import learn_merges
from bertkit.tokenization.training.text_spans import Opener, count_spans, tasks_of
from bertkit.tokenization.training.trained import TrainedVocab
from bertkit.tokenization.training.unknown_share import Shares
from bertkit.tokenization.training.word_counts import WordCounter, WordCounts
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS, Vocab, save_vocab, sha256_of_tokens
from bertkit.tokenization.wordpiece import MAX_WORD_CHARACTERS
from bertkit.workers.engine import Engine
from bertkit.workers.pool import map_in_order, worker_count

TENSOR_MULTIPLE = 8


def train_vocab(
    inputs: Sequence[str],
    output: str | Path,
    size: int = 30_528,
    normalisation: Normalisation = UNCASED,
    min_frequency: int = 2,
    overwrite: bool = False,
    *,
    alphabet: Wanted = Wanted(),  # noqa: B008 - frozen
    word_length: int | None = None,
    workers: int = 1,
    executor: str = "processes",
    scheduler: str = "",
    opener: Opener = files.open_binary,
) -> TrainedVocab:
    """Learn a vocabulary and write it: special tokens, characters, then merged pieces.

    Args:
        inputs: UTF-8 text files; line structure does not matter.
        output: the file to write, one token per line.
        size: tokens to end with; small texts may not have that many.
        normalisation: what happens to the text first; it is noted beside the vocabulary.
        min_frequency: how often a pair must occur to be merged.
        overwrite: replace an existing file. Without it one that the same text and settings made is
            left as it is.
        alphabet: how many characters to keep.
        word_length: letters of the longest word that is not [UNK], noted beside the vocabulary;
            None: 200, of which nothing is noted.
        workers: processes; 0 for one per core. The result does not depend on it.
        executor: `processes` here, or `dask`; see `bertkit.workers.pool.run_tasks`.
        scheduler: address of the Dask cluster, whose workers see the same files.
        opener: opens an input for reading its text.

    Raises:
        UsageError: the output exists, or the size leaves no room for the alphabet.
        DataError: unreadable, not UTF-8, or no text at all.
    """
    started = time.perf_counter()
    longest = word_length or MAX_WORD_CHARACTERS
    settings = deciding(size, min_frequency, word_length, alphabet, normalisation)
    engine = Engine(workers, executor, scheduler)
    if _is_whole(Path(output)) and not overwrite:
        return trained.again(output, inputs, settings, engine)
    refuse_raw_files(inputs)
    words, text = _counted(inputs, normalisation, longest, engine=engine, opener=opener)
    learnt = _learn(words, alphabet, normalisation, size=size, min_frequency=min_frequency)
    digest = sha256_of_tokens(learnt.tokens)
    facts = TokenizerFacts(digest, digest, len(learnt.tokens), normalisation, word_length)
    held_out = _held_out(words, learnt, alphabet, size=size, normalisation=normalisation)
    found = {
        "sha256": digest,
        **_measured(words, text, learnt, normalisation),
        "size": size,
        "short_because": _why_short(len(learnt.tokens), size, min_frequency),
        "held_out_unknown_share": held_out,
        "word_length": longest,
    }
    _write(output, learnt.tokens, facts, trained.note(inputs, settings, engine, found))
    result = trained.result_of(output, found, time.perf_counter() - started)
    _remark(result, learnt.chosen)
    if normalisation.strips_accents:
        for remark in stripped.remarks(text.characters):
            log.logger.warning("%s", remark)
    return result


class _Learnt(NamedTuple):
    """A vocabulary before it is written.

    Attributes:
        chosen: its characters.
        tokens: all of it.
        added: those of the tokens that are common characters and not in the text.
        pieces: int64[n], how many of its tokens make up each word of the text; 0 for [UNK].
    """

    chosen: Alphabet
    tokens: list[str]
    added: list[str]
    pieces: np.ndarray


def _learn(
    words: WordCounts,
    wanted: Wanted,
    normalisation: Normalisation,
    *,
    size: int,
    min_frequency: int,
) -> _Learnt:
    """Choose characters and merge pieces.

    Raises:
        DataError: there are no words.
        UsageError: the size leaves no room for the alphabet.
    """
    split = normalisation.tokenize_chinese_chars
    pairs = words.characters()
    if not pairs:
        raise DataError("the input holds no text", "give files with text in --input")
    occurrences = {character: int(pair.sum()) for character, pair in pairs.items()}
    chosen = choose_alphabet(occurrences, wanted, size=size, split_cjk=split)
    first = chosen.tokens(split)
    tokens = _in_usual_order(first, learn_merges(words, first, size, min_frequency))
    added = fill_up(tokens, occurrences, size, normalisation) if wanted.count is None else []
    tokens += added
    return _Learnt(chosen, tokens, added, unknown_share.pieces_of_words(words, tokens))


def _measured(
    words: WordCounts, text: TextCounts, learnt: _Learnt, normalisation: Normalisation
) -> dict[str, Any]:
    """What a vocabulary makes of its text: attributes of `TrainedVocab`."""
    shares = unknown_share.shares(words.together(), learnt.pieces, unknown_share.LEARNT)
    vocab = _vocab(learnt.tokens, sha256_of_tokens(learnt.tokens))
    return {
        "tokens": len(learnt.tokens),
        "added_characters": len([token for token in learnt.added if len(token) == 1]),
        "bytes_read": words.bytes,
        "words": shares.words,
        "different_words": len(words),
        "dropped_words": int(words.dropped.sum()),
        "characters": len(learnt.chosen.characters),
        "different_characters": learnt.chosen.seen,
        "character_coverage": round(learnt.chosen.coverage, 6),
        "tokens_per_word": round(shares.tokens / max(1, text.words), 4),
        "unknown_share": round(shares.unknown_share, 6),
        "long_words": words.cut,
        "text": _figures(text, shares, vocab, normalisation),
    }


def state_of_output(
    inputs: Sequence[str],
    output: str | Path,
    settings: dict[str, Any],
    overwrite: bool,
    engine: Engine,
) -> str:
    """What becomes of the output file, see `bertkit.manifests.output_state`.

    The inputs are read only where a vocabulary is there already.

    Args:
        inputs, output, overwrite: as for `train_vocab`.
        settings: from `deciding`.
        engine: reads the inputs.

    Raises:
        UsageError: the output exists, and another training made it.
    """
    if not _is_whole(Path(output)):
        return NEW
    if overwrite:
        return REPLACED
    trained.again(output, inputs, settings, engine)
    return COMPLETE


def deciding(
    size: int,
    min_frequency: int,
    word_length: int | None,
    alphabet: Wanted,
    normalisation: Normalisation,
) -> dict[str, Any]:
    """What decides a vocabulary beside the text: arguments of `train_vocab` as plain values."""
    return {
        "size": size,
        "min_frequency": min_frequency,
        "word_length": word_length,
        **asdict(alphabet),
        **normalisation.as_dict(),
    }


def _is_whole(output: Path) -> bool:
    """Whether a vocabulary is there, other than what a killed run left."""
    return output.exists() and not _unfinished(output)


def _write(
    output: str | Path, tokens: list[str], facts: TokenizerFacts, more: dict[str, Any]
) -> None:
    """Write the vocabulary and its facts.

    Until both are there, a note says that they belong to a run that has not finished.
    """
    note = _note(Path(output))
    files.write_text(note, sha256_of_tokens(tokens) + "\n")
    save_vocab(output, tokens)
    write_sidecar(output, facts, more)
    note.unlink()


def _unfinished(output: Path) -> bool:
    """Whether a run that was killed wrote this vocabulary, and not all that belongs to it."""
    try:
        noted = _note(output).read_text("utf-8").strip()
    except OSError:
        return False
    return noted == files.sha256_of(output)


def _note(output: Path) -> Path:
    return output.with_name(f".{output.name}.unfinished")


def _counted(
    inputs: Sequence[str],
    normalisation: Normalisation,
    longest: int,
    *,
    engine: Engine,
    opener: Opener,
) -> tuple[WordCounts, TextCounts]:
    """The words of all inputs, merged in their order, and what else is counted in them."""
    level = level_for(sum(map(files.size_of, inputs)))
    settings = {"normalisation": normalisation, "longest": longest, "level": level}
    tasks = list(tasks_of(list(map(engine.path, inputs)), opener, **settings))
    counter = WordCounter(normalisation, longest)
    text = CountsSum()
    with log.progress(total=len(tasks), unit="part", description="train-vocab") as bar:
        if engine.executor == "dask":
            results = engine.in_order(count_spans, tasks)
        else:  # which holds fewer results at a time
            results = map_in_order(count_spans, tasks, worker_count(engine.workers, len(tasks)))
        for words, counts in results:
            counter.add(words)
            text.add(counts)
            bar.update(1)
    return counter.finished(), text.result()


def _held_out(
    words: WordCounts,
    learnt: _Learnt,
    wanted: Wanted,
    *,
    size: int,
    normalisation: Normalisation,
) -> float | None:
    """[UNK] per token of the held-out lines, had the characters been chosen without them.

    A word with known characters always has pieces, so its characters decide.
    """
    counts = {character: int(pair[0]) for character, pair in words.characters().items()}
    split = normalisation.tokenize_chinese_chars
    try:
        chosen = choose_alphabet(counts, wanted, size=size, split_cjk=split)
    except UsageError:
        return None
    if not chosen.characters:
        return None
    # What fills the room is what it would be, as far as the standards have it.
    known = chosen.characters
    if learnt.added:
        known = known + fill_up(chosen.tokens(split), counts, size, normalisation)
    changed = unknown_share.without_characters(words, learnt.pieces, known)
    found = unknown_share.shares(words, changed, unknown_share.HELD_OUT)
    return round(found.unknown_share, 6) if found.words else None


def _in_usual_order(first: Sequence[str], merges: Sequence[str]) -> list[str]:
    """Special tokens, whole characters, continuing characters, then merges as learnt."""
    rest = first[len(SPECIAL_TOKENS) :]
    characters = [token for token in rest if len(token) == 1]
    continuing = [token for token in rest if len(token) > 1]
    return [*first[: len(SPECIAL_TOKENS)], *characters, *continuing, *merges]


def _vocab(tokens: list[str], digest: str) -> Vocab:
    return Vocab(tokens, {token: number for number, token in enumerate(tokens)}, digest)


def _figures(
    text: TextCounts, learnt: Shares, vocab: Vocab, normalisation: Normalisation
) -> dict[str, Any]:
    """Figures of the text, with the tokens that the vocabulary makes of it."""
    counts = replace(text, tokens=learnt.tokens, unknown=learnt.unknown)
    return report.figures(counts, knows_characters(vocab, normalisation))


def _why_short(tokens: int, size: int, min_frequency: int) -> str:
    if tokens >= size:
        return ""
    often = "at all" if min_frequency <= 1 else f"{min_frequency} times"
    return f"no further pair of pieces occurs {often} in this text"


def _remark(result: TrainedVocab, alphabet: Alphabet) -> None:
    """Say what the user should know of the vocabulary."""
    say = log.logger.warning
    report.say(result.text, lines_count=False)
    if result.long_words:
        text = (
            "words of more than %d letters were cut in %d places: in records they are [UNK]; for "
            "sequences that are not sentences give a larger --word-length"
        )
        say(text, result.word_length, result.long_words)
    if result.short_because:
        say("%d tokens, not %d: %s", result.tokens, result.size, result.short_because)
    if result.tokens % TENSOR_MULTIPLE:
        text = "%d tokens: a multiple of %d makes the output layer faster on accelerators"
        say(text, result.tokens, TENSOR_MULTIPLE)
    if result.added_characters:
        text = "%d common characters of the text's scripts, not in this text, fill the room left"
        log.logger.info(text, result.added_characters)
    left = alphabet.seen - len(alphabet.characters)
    if alphabet.cut_to_fit:
        text = (
            "--size %d leaves room for %d of %d different characters; words with others are [UNK]"
        )
        say(text, result.size, len(alphabet.characters), alphabet.seen)
    elif left:
        text = "%d different characters: words with the rarest %d become [UNK]"
        log.logger.info(text, alphabet.seen, left)
    if result.dropped_words:
        text = "%d occurrences of rare words are not counted: too many different words for memory"
        log.logger.info(text, result.dropped_words)
