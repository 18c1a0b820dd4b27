"""Caches the windows of question files on disk for later runs.

A file's name is a digest of all that decides its content, so it can never be wrong, only
absent: questions, vocabulary, case, lengths, and what tokenization depends on. It holds
numbers alone; the texts come from the question file, which is read anyway.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bertkit import log
from bertkit.storage.files import atomic_write
from bertkit.tasks.squad.features import FIRST_ID, PassageTokens, Window
from bertkit.tasks.squad.question import Question
from bertkit.tasks.squad.questions import collector_paused
from bertkit.tokenization.vocabulary import Vocab

# Raise it whenever windows or the layout of the file change.
_VERSION = 2


def cached_windows(
    folder: str | Path,
    facts: dict[str, Any],
    questions: Sequence[Question],
    vocab: Vocab,
    make: Callable[[], list[Window]],
) -> list[Window]:
    """The windows of questions, from the folder where it has them, else made and kept there.

    Args:
        folder: of the cache; made where it is absent.
        facts: all that decides the windows beside vocabulary and program, as plain values.
        questions: those that `make` cuts into windows.
        vocab: of the tokenizer.
        make: makes the windows.

    Returns:
        Windows equal to those that `make` would give.
    """
    path = Path(folder) / f"squad-{key(facts, vocab)}.npz"
    if path.is_file():
        try:
            windows = load(path, questions, vocab)
        except Exception as error:  # a changed byte makes zipfile and numpy raise nearly anything
            log.logger.warning("%s is damaged and will be made again (%s)", path, error)
        else:
            log.logger.info("%s windows from %s", f"{len(windows):,}", path)
            return windows
    windows = make()
    if not windows:  # all passages are empty
        return windows
    save(path, questions, windows)
    return windows


def key(facts: dict[str, Any], vocab: Vocab) -> str:
    """Digest (64 hex digits) of everything that decides the windows."""
    whole = {
        **facts,
        "vocab": vocab.sha256,
        "unicode": unicodedata.unidata_version,
        "version": _VERSION,
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def save(path: Path, questions: Sequence[Question], windows: Sequence[Window]) -> None:
    """Write windows whole or not at all, as int32 arrays and their cumulative counts."""
    firsts = [window for window in windows if window.index == 0]
    number_of = {id(question): number for number, question in enumerate(questions)}
    passages = [next(group) for _, group in groupby((w.passage for w in firsts), key=id)]
    arrays = {
        "questions": [number_of[id(window.question)] for window in firsts],
        "query_ids": [number for window in firsts for number in window.query_ids],
        "query_ends": accumulate(len(window.query_ids) for window in firsts),
        "spans": [number for window in firsts for span in window.spans for number in span],
        "span_ends": accumulate(len(window.spans) for window in firsts),
        "passage_ids": np.concatenate([passage.ids for passage in passages]),
        "passage_ends": accumulate(len(passage.ids) for passage in passages),
        "first_tokens": [number for passage in passages for number in passage.first_token],
        "word_ends": accumulate(len(passage.first_token) for passage in passages),
    }
    if windows[0].start is not None:
        arrays["answers"] = [place for w in windows for place in (w.start or 0, w.end or 0)]
    numbers: dict[str, Any] = {
        name: np.array(values if isinstance(values, np.ndarray) else list(values), np.int32)
        for name, values in arrays.items()
    }
    with atomic_write(path) as stream:
        np.savez(stream, **numbers)


@collector_paused()
def load(path: Path, questions: Sequence[Question], vocab: Vocab) -> list[Window]:
    """Read what `save` wrote.

    Raises:
        Exception: of many kinds, where the file is damaged.
    """
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    queries = _ranges(arrays["query_ends"])
    spans = arrays["spans"].reshape(-1, 2).tolist()
    span_ranges = _ranges(arrays["span_ends"])
    answers = arrays["answers"].reshape(-1, 2).tolist() if "answers" in arrays else None
    passages = _passages(arrays, vocab.tokens)
    query_ids = arrays["query_ids"].tolist()
    windows: list[Window] = []
    before = passage = None
    asked = arrays["questions"].tolist()
    for example, (number, query, places) in enumerate(
        zip(asked, queries, span_ranges, strict=True)
    ):
        question = questions[number]
        if passage is None or question.passage is not before:
            before, passage = question.passage, next(passages)
        ids = query_ids[query]
        of_question = [(first, count) for first, count in spans[places]]
        for index in range(len(of_question)):
            start, end = answers[len(windows)] if answers is not None else (None, None)
            windows.append(
                Window(
                    FIRST_ID + len(windows),
                    example,
                    index,
                    question,
                    ids,
                    passage,
                    of_question,
                    start,
                    end,
                )
            )
    if not windows or next(passages, None) is not None:
        raise ValueError("questions and passages do not belong together")
    return windows


def _passages(arrays: dict[str, np.ndarray], tokens: Sequence[str]) -> Iterator[PassageTokens]:
    """The passages in order, each as it is asked for."""
    whole, firsts = arrays["passage_ids"].astype(np.int64), arrays["first_tokens"]
    ends, word_ends = (_ranges(arrays[name]) for name in ("passage_ends", "word_ends"))
    for place, words in zip(ends, word_ends, strict=True):
        ids, first = whole[place], firsts[words]
        counts = np.diff(np.append(first, len(ids)))
        word_of_token = np.repeat(np.arange(len(first)), counts)
        yield PassageTokens(ids, word_of_token, first.tolist(), tokens)


def _ranges(ends: np.ndarray) -> list[slice]:
    return [slice(first, last) for first, last in pairwise([0, *ends.tolist()])]
