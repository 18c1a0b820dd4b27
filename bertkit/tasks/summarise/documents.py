"""Reads documents and their summaries from tables, CNN/DailyMail's stories and BERTSum's JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bertkit.errors import DataError
from bertkit.storage.files import is_utf8
from bertkit.storage.input_files import expand_inputs
from bertkit.tables.files import is_data_set
from bertkit.tables.table import Row, Table, read_table
from bertkit.tasks.finetuning.texts import is_blank
from bertkit.text.files import open_text
from bertkit.text.sentence_splitter import Splitter, rule_splitter

STORY = ".story"
_HIGHLIGHT = "@highlight"
# Usual names of columns: Hugging Face's cnn_dailymail, xsum and others; BERTSum's own files.
DOCUMENTS = ("document", "article", "src", "text", "sentences")
SUMMARIES = ("summary", "highlights", "tgt", "abstract")
SUMMARY, LABELS, NAME = "summary", "labels", "id"


@dataclass(frozen=True, eq=False)
class Document:
    """A document, and its summary where one is given.

    Attributes:
        place: file and line, for messages.
        sentences: of the document, as they stand.
        summary: sentences of the summary given; None without one.
        labels: 1 for every sentence that belongs to the summary, else 0; None where unknown.
        name: its `id`, for predictions; None without one.
    """

    place: str
    sentences: Sequence[str]
    summary: Sequence[str] | None = None
    labels: Sequence[int] | None = None
    name: str | int | None = None

    @cached_property
    def words(self) -> list[list[str]]:
        """Words of each sentence, as white space divides them."""
        return [sentence.split() for sentence in self.sentences]


class DocumentReader:
    """Reads files of documents.

    Args:
        language: whose rules split texts into sentences.
        document_column: name of the column; None for the first of the usual names.
        summary_column: likewise.
    """

    def __init__(
        self,
        language: str = "en",
        document_column: str | None = None,
        summary_column: str | None = None,
    ) -> None:
        self._language = language
        self._columns = document_column, summary_column

    def read(self, path: str, limit: int = 0, needs: str = "") -> list[Document]:
        """The documents of a file, or of a folder of stories.

        Args:
            path: a table, a story, or a folder of stories.
            limit: documents at most; 0 for all.
            needs: what every document must have: `SUMMARY`, `LABELS` (a summary will do, too) or
                nothing.

        Raises:
            DataError: cannot be read, no such column, a document without text or summary; names
                file and line.
            MissingDependencyError: a text has to be split, and spaCy is not installed.
        """
        if is_stories(path):
            stories = story_files(path)
            found = [self._story(story) for story in (stories[:limit] if limit else stories)]
        else:
            table = read_table(path)
            rows = table.rows[:limit] if limit else table.rows
            found = self._of_table(table, rows, needs)
        for document in found if needs else ():
            learnable = needs == LABELS and document.labels is not None
            if document.summary is None and not learnable:
                raise DataError(
                    f"{document.place}: there is no summary", "every document needs one here"
                )
        return found

    def of_lines(self, lines: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Document]:
        """Documents of (place, JSON object), for prediction."""
        wanted = DOCUMENTS if self._columns[0] is None else (self._columns[0], *DOCUMENTS)
        found = []
        for place, line in lines:
            name = next((name for name in wanted if name in line), None)
            if name is None:
                raise DataError(f"{place}: no {wanted[0]}", f"one of {', '.join(wanted)} is needed")
            sentences = self._sentences(place, name, line[name])
            found.append(Document(place, sentences, name=line.get(NAME)))
        return found

    def _of_table(self, table: Table, rows: Sequence[Row], needs: str = "") -> list[Document]:
        text = _column(table, self._columns[0], DOCUMENTS, "--document-column")
        labels, name = _usual(table, (LABELS,)), _usual(table, (NAME,))
        given = _usual(table, SUMMARIES if self._columns[1] is None else (self._columns[1],))
        if given is None and needs and not (needs == LABELS and labels is not None):
            given = _column(table, self._columns[1], SUMMARIES, "--summary-column")
        found = []
        for row in rows:
            place = table.place(row)
            whole = self._sentences(place, "document", row.values[text])
            marks = None if labels is None else row.values[labels]
            found.append(
                Document(
                    place=place,
                    sentences=whole,
                    summary=None if given is None else self._summary(place, row.values[given]),
                    labels=None if marks is None else _marks(place, marks, len(whole)),
                    name=None if name is None else _name(row.values[name]),
                )
            )
        return found

    def _sentences(self, place: str, what: str, value: Any) -> list[str]:
        """A text or a list as sentences: of a list each one text or its words."""
        found: list[Any] = [None]
        if isinstance(value, str):
            if value.startswith(("['", '["')) and value.endswith(("']", '"]')):
                raise DataError(
                    f"{place}: the {what} is a list written as text",
                    "CSV holds no lists: write the data set as Parquet or JSON lines",
                )
            found = self._split(value)
        elif isinstance(value, list):
            found = [" ".join(v) if _are_texts(v) else v for v in value]
        if not all(isinstance(text, str) and is_utf8(text) for text in found):
            raise DataError(f"{place}: the {what} is neither a text nor a list of sentences")
        if all(map(is_blank, found)):
            raise DataError(f"{place}: the {what} is empty", "remove it, or fill it in")
        return found

    def _summary(self, place: str, value: Any) -> list[str] | None:
        """As `_sentences`; in a text of several lines each is a sentence. None where blank."""
        if value is None or value == [] or (isinstance(value, str) and not value.strip()):
            return None
        lines = _lines(value) if isinstance(value, str) else []
        return self._sentences(place, "summary", lines if len(lines) > 1 else value)

    def _split(self, text: str) -> list[str]:
        """Sentences of a text; a line end always ends one."""
        found = [part.strip() for line in _lines(text) for part in self._splitter(line)]
        return [sentence for sentence in found if sentence]

    @cached_property
    def _splitter(self) -> Splitter:
        return rule_splitter(self._language, instead="lists of sentences")

    def _story(self, path: str) -> Document:
        """A story of CNN or the Daily Mail: paragraphs, and lines after `@highlight`."""
        with open_text(path) as stream:
            blob = stream.read()
        try:
            text = blob.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = blob.count(b"\n", 0, error.start) + 1
            raise DataError(f"{path}:{line}: not UTF-8") from error
        body, *highlights = text.split(_HIGHLIGHT)
        summary = [" ".join(part.split()) for part in highlights if part.strip()]
        sentences = self._sentences(path, "document", body)
        return Document(path, sentences, summary or None, name=Path(path).name.partition(".")[0])


def is_stories(path: str) -> bool:
    """Whether a path is a story, or a folder of them."""
    return (Path(path).is_dir() and not is_data_set(path)) or STORY in Path(path).suffixes


def story_files(path: str) -> list[str]:
    """The stories of a folder, or the one itself.

    Raises:
        DataError: there is none.
    """
    return expand_inputs([path], suffixes=(STORY,))


def _column(table: Table, name: str | None, usual: Sequence[str], flag: str) -> int:
    if name is not None:
        return table.column(name, flag)
    found = _usual(table, usual)
    if found is None:
        raise DataError(
            f"{table.path}: which column is the {usual[0]}? It has {table.shown()}",
            f"name it: {flag}",
        )
    return found


def _lines(text: str) -> list[str]:
    return [line for line in map(str.strip, text.splitlines()) if line]


def _usual(table: Table, names: Sequence[str]) -> int | None:
    """The number of the first column that has one of these names."""
    name = next((name for name in names if name in table.names), None)
    return None if name is None else list(table.names).index(name)


def _name(value: Any) -> str | int | None:
    """An `id` as it is written: dates and the like, which JSON has no form for, as text."""
    return value if value is None or isinstance(value, (str, int)) else str(value)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _marks(place: str, value: Any, sentences: int) -> list[int]:
    """Labels as a file has them: 0 or 1 for every sentence."""
    if not isinstance(value, list) or len(value) != sentences:
        raise DataError(
            f"{place}: labels must be a list of {sentences} numbers, one for every sentence",
            "give the document as a list of sentences",
        )
    if any(mark not in (0, 1) for mark in value):
        raise DataError(f"{place}: a label is neither 0 nor 1")
    return [int(mark) for mark in value]
