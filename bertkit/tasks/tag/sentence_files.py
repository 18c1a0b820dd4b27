"""Reads files of words and tags, in columns or in rows, and the tags that others predict."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice
from pathlib import Path

from bertkit import log
from bertkit.errors import DataError
from bertkit.tables.arrow import is_column_file
from bertkit.tables.files import table_files
from bertkit.tables.table import read_table
from bertkit.tasks.tag.conll import ConllFile, read_conll
from bertkit.tasks.tag.row_words import (
    PREDICTED,
    RowFile,
    is_json,
    read_json_words,
    read_table_words,
)
from bertkit.tasks.tag.sentence import BY_DEFAULT, Columns, Sentence
from bertkit.text.encoding import decode_utf8
from bertkit.text.files import open_text

_ENDINGS = (".json", ".jsonl", ".ndjson")


def read_sentences(
    path: str | Path,
    columns: Columns = BY_DEFAULT,
    tagged: bool = True,
    limit: int = 0,
    labels: Sequence[str] = (),
) -> ConllFile | RowFile:
    """Take a file of words apart.

    Parquet and Arrow are told by their first bytes, JSON by the name or the first line; else it is
    CoNLL.

    Args:
        path: of the file, also compressed; or of several, see `bertkit.tables.files.table_files`.
        columns: where words and tags are.
        tagged: tags are needed.
        limit: leave out what follows so many sentences; 0: nothing.
        labels: names of tags that are numbers from 0; none where these are not known.

    Raises:
        DataError: not UTF-8, or not of these forms; names file and line.
        ConfigError: a column that is not there.
    """
    found = _read(str(path), columns, tagged, labels)
    if 0 < limit < len(found.sentences):
        found.cut(limit)
    return found


def _read(path: str, columns: Columns, tagged: bool, labels: Sequence[str]) -> ConllFile | RowFile:
    name, *more = table_files(path)
    in_json = any(suffix in _ENDINGS for suffix in Path(name).suffixes)
    in_columns = is_column_file(name)
    if more and not (in_json or in_columns):
        raise DataError(f"{path} stands for {len(more) + 1} CoNLL files", "put them into one file")
    if more or in_columns:
        return read_table_words(read_table(path), columns, tagged, labels)
    text = _text_of(name)
    if in_json or is_json(text):
        return read_json_words(name, text, columns, tagged, labels)
    return read_conll(name, text, columns, tagged)


def read_predicted(
    path: str | Path, gold: Sequence[Sentence], labels: Sequence[str] = ()
) -> list[list[str]]:
    """The tags that a system has predicted for sentences.

    Args:
        path: CoNLL with the tags in the last column, words before them or not; rows of JSON,
            Parquet or Arrow with `predicted_tags`, or tags by another name; or all tags of a
            sentence on one line.
        gold: the sentences. Where the predictions end sentences elsewhere, these here count.
        labels: names of tags that are numbers from 0; none where these are not known.

    Returns:
        Tags for each sentence.

    Raises:
        DataError: another form, or other words; names the first line that differs.
    """
    if _in_rows(str(path)):
        theirs = _predicted_rows(str(path), labels)
    else:
        text = _text_of(path)
        whole = [line.split() for line in text.split("\n") if line.strip()]
        if [len(tags) for tags in whole] == [len(sentence.words) for sentence in gold]:
            return whole
        if is_json(text):
            theirs = _predicted_rows(str(path), labels)
        else:
            file = read_conll(str(path), text, BY_DEFAULT, False)
            file = read_conll(str(path), text, BY_DEFAULT, True) if file.width > 1 else file
            theirs = file.sentences
    _check_words(theirs, gold)
    tags = chain.from_iterable(sentence.tags or sentence.words for sentence in theirs)
    return [list(islice(tags, len(sentence.words))) for sentence in gold]


def _in_rows(path: str) -> bool:
    """Whether a file holds rows, by its name and its first bytes."""
    name, *more = table_files(path)
    return bool(more) or any(end in _ENDINGS for end in Path(name).suffixes) or is_column_file(name)


def _predicted_rows(path: str, labels: Sequence[str]) -> list[Sentence]:
    """The sentences of rows, with the tags that bertkit has predicted where they have some."""
    columns = Columns(tags=PREDICTED)
    plain = read_sentences(path, tagged=False)
    ours = isinstance(plain, RowFile) and any(PREDICTED in (row or {}) for row in plain.entries)
    return read_sentences(path, columns if ours else BY_DEFAULT, labels=labels).sentences


def _check_words(theirs: Sequence[Sentence], gold: Sequence[Sentence]) -> None:
    """Refuse tags of another text; say where words or the ends of sentences are others."""
    found, wanted = ([(s, n) for s in side for n in range(len(s.words))] for side in (theirs, gold))
    named = theirs[0].tags is not None
    pairs = zip(found, wanted, strict=False)
    other = [(a, b) for a, b in pairs if named and a[0].words[a[1]] != b[0].words[b[1]]]
    first = ""
    if other:
        (mine, number), (its, place) = other[0]
        first = (
            f"{mine.place(number)}: {mine.words[number]!r} where {its.place(place)} has"
            f" {its.words[place]!r}"
        )
    if len(found) != len(wanted) or len(other) * 2 > len(found):
        counts = f"{theirs[0].file}: {len(found):,} words where {gold[0].file} has {len(wanted):,}"
        raise DataError(first or counts, "predictions need the words of the file, in its order")
    if other:
        log.logger.warning(
            "%s: %d words are others, the first at %s", found[0][0].file, len(other), first
        )
    if [len(s.words) for s in theirs if s.words] != [len(s.words) for s in gold if s.words]:
        log.logger.warning(
            "%s ends sentences elsewhere; those of %s count", theirs[0].file, gold[0].file
        )


def _text_of(path: str | Path) -> str:
    with open_text(path) as stream:
        return decode_utf8(stream.read(), path)
