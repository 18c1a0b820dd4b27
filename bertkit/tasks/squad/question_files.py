"""Takes questions out of SQuAD's own files, and out of rows as `datasets` has them.

A row has `id`, `question`, `context` and `answers`: a list of `{"text", "answer_start"}`, or one
such object with two lists; none, where the question has no answer or it is not known. Rows stand in
JSON lines, in an array or under `data` of a JSON file, in Parquet or in Arrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bertkit.codecs.json_lines import parse_json
from bertkit.errors import DataError
from bertkit.kinds.misplaced import misplaced
from bertkit.kinds.recognise import QUESTIONS
from bertkit.storage.files import is_utf8, read_json
from bertkit.tables.arrow import is_column_file
from bertkit.tables.files import table_files
from bertkit.tables.table import read_table
from bertkit.tasks.squad.question import Answer, Passage, Question
from bertkit.text.files import open_text

# A question, its `is_impossible` (None if absent) and its place for messages.
Found = tuple[Question, bool | None, str]
_LINES = (".jsonl", ".ndjson")
_HINT = "is this a SQuAD file?"
_ROW = ("id", "question", "context")
_ROW_HINT = "a row of questions has id, question, context and answers"
_ANSWERS = '{"text": ["..."], "answer_start": [0]}'


def questions_in(path: str) -> Iterator[Found]:
    """Every question of a file, of several as one, or of a folder of `datasets`.

    Args:
        path: see `bertkit.tables.files.table_files`.

    Raises:
        DataError: of another form; names file, article, paragraph and question, or the row.
        MissingDependencyError: Parquet and Arrow without pyarrow.
    """
    files = table_files(path)
    lines = any(suffix in _LINES for suffix in Path(files[0]).suffixes)
    if len(files) > 1 or lines or is_column_file(files[0]):
        return _of_rows(read_table(path).records())
    name = files[0]
    try:
        content = read_json(name)
    except DataError as error:
        if _begins_with_row(name):
            return _of_rows(read_table(name).records())
        raise misplaced(name, QUESTIONS) or error from error
    rows = content.get("data") if isinstance(content, dict) else content
    if _is_row(content):
        rows = [content]  # JSON lines, of which there is one
    if isinstance(rows, list) and rows and _is_row(rows[0]):
        return _of_rows((f"{name}: row {number}", row) for number, row in enumerate(rows, 1))
    return _of_articles(content, name)


def _is_row(value: Any) -> bool:
    return isinstance(value, dict) and "question" in value


def _begins_with_row(path: str) -> bool:
    """Whether a file that is no single JSON value holds rows as JSON lines."""
    try:
        with open_text(path) as stream:
            return _is_row(parse_json(stream.readline().decode("utf-8-sig"), path))
    except (DataError, ValueError):
        return False


def _of_rows(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[Found]:
    """The questions of (place, row); equal passages are one."""
    passages: dict[str, Passage] = {}
    for place, row in rows:
        missing = [name for name in _ROW if name not in row] if isinstance(row, dict) else _ROW
        if missing:
            raise DataError(f"{place}: has no {missing[0]!r}", _ROW_HINT)
        context = _get(row, "context", str, place)
        passage = passages.setdefault(context, Passage(context))
        name = row["id"]
        if isinstance(name, int) and not isinstance(name, bool):
            row = {**row, "id": str(name)}
        flag = None if row.get("is_impossible") is None else _get(row, "is_impossible", bool, place)
        entry = {**row, "answers": _answers(row.get("answers"), place)}
        yield _question(entry, _get(row, "id", str, place), passage, place), flag, place


def _answers(value: Any, place: str) -> list[Any]:
    """The answers of a row as a list of objects."""
    if value is None or isinstance(value, list):
        return value or []
    if isinstance(value, dict) and {"text", "answer_start"} <= value.keys():
        if value["text"] is None and value["answer_start"] is None:
            return []
        texts, starts = (
            found if isinstance(found := value.get(name), list) else [found]
            for name in ("text", "answer_start")
        )
        if len(texts) == len(starts):
            pairs = zip(texts, starts, strict=True)
            return [{"text": text, "answer_start": start} for text, start in pairs]
    raise DataError(f"{place}: 'answers' is not of the form {_ANSWERS}", _ROW_HINT)


def _of_articles(content: Any, path: str) -> Iterator[Found]:
    """The questions of SQuAD's own form."""
    articles = _get(content, "data", list, path)
    for number, article in enumerate(articles):
        title = article.get("title") if isinstance(article, dict) else None
        place = f"{path}: article {number}" + (f" ({title})" if isinstance(title, str) else "")
        for index, paragraph in enumerate(_get(article, "paragraphs", list, place)):
            here = f"{place}, paragraph {index}"
            passage = Passage(_get(paragraph, "context", str, here))
            for entry in _get(paragraph, "qas", list, here):
                name = _get(entry, "id", str, f"{here}, a question")
                spot = f"{here}, question {name}"
                flag = (
                    _get(entry, "is_impossible", bool, spot) if "is_impossible" in entry else None
                )
                yield _question(entry, name, passage, spot), flag, spot


def _question(entry: Mapping[str, Any], name: str, passage: Passage, place: str) -> Question:
    text = _get(entry, "question", str, place)
    answers = [
        Answer(_get(answer, "text", str, place), _get(answer, "answer_start", int, place))
        for answer in (_get(entry, "answers", list, place) if "answers" in entry else [])
    ]
    for answer in answers:
        if not 0 <= answer.start <= len(passage.text) - len(answer.text):
            raise DataError(
                f"{place}: answer_start {answer.start} and its {len(answer.text)} characters are"
                f" outside the paragraph of {len(passage.text)} characters"
            )
    return Question(name, text, passage, answers)


def _get(value: Any, key: str, kind: type, place: str) -> Any:
    """`value[key]` of the given type."""
    names = {list: "a list", str: "a text", int: "a whole number", bool: "true or false"}
    if not isinstance(value, dict):
        raise DataError(f"{place}: expected an object with {key!r}", _HINT)
    if key not in value:
        raise DataError(f"{place}: has no {key!r}", _HINT)
    found = value[key]
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise DataError(f"{place}: {key!r} is not {names[kind]}")
    if isinstance(found, str) and not is_utf8(found):
        raise DataError(f"{place}: {key!r} holds half a character (a lone surrogate)")
    return found
