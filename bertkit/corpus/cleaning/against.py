"""Collects the n-grams of evaluation texts, which no document should share with them."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bertkit import log
from bertkit.codecs.json_lines import keys_once
from bertkit.corpus import forms
from bertkit.corpus.cleaning.characters import character_table
from bertkit.corpus.cleaning.kernels.overlap import filter_of, text_ngrams
from bertkit.corpus.cleaning.kernels.scan import FIRST_WORD, WORDS, room_for, scan
from bertkit.corpus.cleaning.scratch import Scratch
from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.document import Document, Rejected
from bertkit.corpus.extraction.part import documents_of
from bertkit.corpus.forms.detect import recognised
from bertkit.corpus.inputs import list_inputs
from bertkit.corpus.raw_file import RawFile, head_of, open_source
from bertkit.corpus.sentences import split_lines
from bertkit.errors import DataError
from bertkit.storage.folder_walk import describes_data_set
from bertkit.tables.files import is_unlisted
from bertkit.tables.table import NoRowsError, read_table

# A text of fewer words is not looked for: it may stand anywhere.
FEWEST = 8
_HEAD = 4096
_PARAGRAPHS = "paragraphs"  # of an article in SQuAD's own files
# Forms whose rows are read whole, with all texts in them.
_TABLES = ("jsonl", "csv", "parquet", "arrow")
_JSON = "json"
_MISSED = "no text of an evaluation set may be missed: mend the file"


class EvaluationNgrams(NamedTuple):
    """The n-grams that are looked for.

    Attributes:
        sizes: the numbers of words that there are n-grams of.
        keys: per size sorted uint64[n] hashes.
        owners: per size int64[n], the first text that has the n-gram.
        names: of the texts.
        short: how many further texts had too few words.
    """

    sizes: tuple[int, ...]
    keys: tuple[np.ndarray, ...]
    owners: tuple[np.ndarray, ...]
    names: tuple[str, ...]
    short: int

    def filters(self) -> tuple[np.ndarray, ...]:
        """`overlap.filter_of` the keys of each size."""
        return tuple(map(filter_of, self.keys))


def evaluation_files(paths: Sequence[str]) -> list[str]:
    """The files of `--against`; of a folder of `datasets` those that hold its rows.

    Raises:
        DataError: something does not exist.
    """
    return [path for path in list_inputs(paths) if path in paths or _holds_texts(path)]


def _holds_texts(path: str) -> bool:
    return not (describes_data_set(os.path.basename(path)) or is_unlisted(path))


def collect_ngrams(files: Sequence[str], size: int) -> EvaluationNgrams:
    """The n-grams of `size` words of these files; shorter texts count as a whole.

    Raises:
        DataError: a file cannot be read, or none holds a text that is long enough.
    """
    found: dict[int, tuple[list[np.ndarray], list[np.ndarray]]] = {}
    names: list[str] = []
    short = 0
    for name, text in (item for path in files for item in evaluation_texts(path)):
        words = words_of(text)
        used = min(size, len(words))
        if used < min(FEWEST, size):
            short += 1
            continue
        out = np.empty(len(words), np.uint64)
        count = text_ngrams(words, 0, len(words), used, out)
        keys, owners = found.setdefault(used, ([], []))
        keys.append(out[:count].copy())
        owners.append(np.full(count, len(names)))
        names.append(name)
    if not found:
        raise DataError(
            f"--against: no text of {min(FEWEST, size)} words or more in "
            f"{log.counted(len(files), 'file')}",
            "give SQuAD files, tables, text, JSON lines or sentence files",
        )
    sizes = tuple(sorted(found, reverse=True))
    sorted_keys, first_owners = [], []
    for used in sizes:
        unique, firsts = np.unique(np.concatenate(found[used][0]), return_index=True)
        sorted_keys.append(unique)
        first_owners.append(np.concatenate(found[used][1])[firsts])
    return EvaluationNgrams(sizes, tuple(sorted_keys), tuple(first_owners), tuple(names), short)


def save_ngrams(scratch: Scratch, name: str, ngrams: EvaluationNgrams) -> None:
    """Write what is looked for, for all workers; the name must be of no other n-grams."""
    for size, keys, owners in zip(ngrams.sizes, ngrams.keys, ngrams.owners, strict=True):
        scratch.save(f"{name}/keys-{size}", keys)
        scratch.save(f"{name}/owners-{size}", owners)
    facts = {"sizes": ngrams.sizes, "names": ngrams.names, "short": ngrams.short}
    scratch.record(f"{name}/texts", name, facts)


@functools.lru_cache(maxsize=1)
def load_ngrams(folder: str, name: str) -> EvaluationNgrams:
    """What `save_ngrams` wrote; once per process."""
    scratch = Scratch(folder)
    facts = scratch.note(f"{name}/texts", name)
    keys, owners = (
        tuple(np.array(scratch.load(f"{name}/{kind}-{size}")) for size in facts["sizes"])
        for kind in ("keys", "owners")
    )
    sizes, names = tuple(facts["sizes"]), tuple(facts["names"])
    return EvaluationNgrams(sizes, keys, owners, names, facts["short"])


def words_of(text: str) -> np.ndarray:
    """uint64 hashes of the words of a text, as `scan` makes them."""
    blob = (" ".join(text.split()) + "\n").encode("utf-8", "replace")
    room, counts = room_for(len(blob)), np.zeros(4, np.int64)
    scan(np.frombuffer(blob, np.uint8), len(blob), character_table(), room, counts)
    if not counts[2]:
        return np.empty(0, np.uint64)
    first, count = int(room.documents[0, FIRST_WORD]), int(room.documents[0, WORDS])
    return room.words[first : first + count].copy()


def evaluation_texts(path: str) -> Iterator[tuple[str, str]]:
    """(name, text) of what an evaluation set holds.

    Of a SQuAD file every passage and question, of a table every text in its rows, of another file
    every document.

    Raises:
        DataError: it cannot be read; or JSON of another kind.
    """
    head = head_of(path, _HEAD).lstrip(b"\xef\xbb\xbf \t\r\n")
    content = _json_object(path, head)
    if content is not None:
        yield from _texts_of_object(path, content)
        return
    # Sentences are lines: nothing depends on where they end. Plain text is many texts, with
    # blank lines between them: one of its paragraphs may be a question, too short to be found.
    config = ExtractConfig(splitter="lines")
    form = recognised(RawFile.of(path)).form.name
    if form in _TABLES or (form == _JSON and head.startswith(b"[")):
        with contextlib.suppress(NoRowsError):  # as a part of a data set may be
            yield from _texts_of_rows(read_table(path).records())
        return
    if form == forms.FALLBACK.name:
        config = replace(config, form="documents")
    for found in documents_of(path, config, split_lines):
        if isinstance(found, Rejected):
            raise DataError(f"--against: {found.id}: {found.reason}", _MISSED)
        if isinstance(found, Document) and found.sentences:
            yield found.id, " ".join(found.sentences)


def _texts_of_rows(rows: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    """Every text in (place, row): both of a pair, passage and question, answers in a list."""
    for place, row in rows:
        texts = list(_texts_in(row, place))
        if not texts:
            raise DataError(f"--against: {place}: no text", _MISSED)
        yield from texts


def _texts_in(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _texts_in(part, f"{name}, {key}")
    elif _are_words(value):
        yield name, " ".join(value)
    elif isinstance(value, list):
        for part in value:
            yield from _texts_in(part, name)


def _are_words(value: Any) -> bool:
    """Whether a list is a sentence cut into words, as for tags: none has white space in it."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(part, str) and len(part.split()) <= 1 for part in value)
    )


def _json_object(path: str, head: bytes) -> dict[str, Any] | None:
    """The content of a file that is one JSON object; each of JSON lines is one of many."""
    named = ".json" in Path(path.lower()).suffixes[-2:]
    if not head.startswith(b"{") or not (named or re.match(rb'\{\s*"(data|version)"', head)):
        return None
    try:
        with open_source(path) as stream:
            text = stream.read().decode("utf-8-sig")
        return dict(json.loads(text, object_pairs_hook=keys_once))
    except json.JSONDecodeError:
        return None
    except (ValueError, RecursionError) as error:
        raise _not_squad(path, error) from error


def _texts_of_object(path: str, content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Of SQuAD's own file, of rows under `data`, or of a single row."""
    data = content.get("data")
    if "data" not in content and any(isinstance(value, str) for value in content.values()):
        yield from _texts_of_rows([(f"{path}:1", content)])
        return
    if isinstance(data, list) and data and isinstance(data[0], dict) and _PARAGRAPHS not in data[0]:
        yield from _texts_of_rows((f"{path}: row {n}", row) for n, row in enumerate(data, 1))
        return
    place = path
    try:
        for article in content["data"]:
            for number, paragraph in enumerate(article[_PARAGRAPHS]):
                place = f"{path}: {article.get('title', 'article')}, paragraph {number}"
                yield place, _text(paragraph["context"])
                for question in paragraph["qas"]:
                    yield f"{place}, question {question['id']}", _text(question["question"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _not_squad(place, error) from error


def _not_squad(place: str, error: Exception) -> DataError:
    return DataError(
        f"{place}: not of SQuAD's form: {type(error).__name__} {error}",
        "--against takes SQuAD files, tables, JSON lines (name them .jsonl), and text",
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value
