"""Notices text that was never split into sentences where one sentence per line is expected."""

from __future__ import annotations

import codecs
import re
import shlex
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from bertkit import log
from bertkit.errors import DataError
from bertkit.kinds.misplaced import misplaced_kind
from bertkit.kinds.recognise import QUESTIONS, SETTINGS, TEXT, VOCABULARY, kind_of_bytes
from bertkit.manifests.manifest import read_manifest
from bertkit.storage.files import is_remote
from bertkit.summary.scripts import MARKLESS, script_of
from bertkit.tables.csv_rows import rows_of, without_named_delimiter
from bertkit.tables.text_column import find_text_key
from bertkit.text.files import open_text

# So much is looked at: the beginnings of the first files.
_FILES = 20
_BYTES = 200_000
# Of raw forms the first lines tell.
_HEAD = 1 << 16
_ROWS = 20
_OBJECT = re.compile(rb'\s*\{\s*"[^"\n]{1,200}"\s*:')
_OBJECTS = re.compile(rb'\[\s*\{\s*"[^"\n]{1,200}"\s*:')
_HEADER = re.compile(rb"[\t,;|]")
_FEW_ROWS = 3
_MARKUP = {
    b"<mediawiki": "a dump of MediaWiki",
    b"<?xml": "XML",
    b"<doc ": "WikiExtractor's output",
    b"<!DOCTYPE": "HTML or XML",
    b"<html": "HTML",
    b"WARC/": "a WARC file",
}
# Sentences of encyclopaedias have some 130 characters, of laws some 200.
_LONG = 250
# Characters that tell the script.
_LETTERS = 2000
# Lines of a list begin with small letters, too, but they are few.
_WRAPPED = 0.2
_ENDS = ".!?:;\u2026\"'\u201d\u2019)]。！？।۔"
# A sentence ends inside a line: a mark, white space, and what begins the next; or a mark of
# East Asia, which needs no space.
_INSIDE = re.compile(
    r"""[.!?]["'\u201d\u2019)\]]*\s+["'\u201c(]?[A-Z\u00c0-\u00de\u0410-\u042f]|[。！？।۔]['"”’」』）]*\s*[^\s'"”’」』）]"""
)


def looks_unsplit(text: str) -> str:
    """Why text seems not to have one sentence per line; empty where it may have.

    Args:
        text: its beginning, some hundred thousand characters.
    """
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    if not lines:
        return ""
    if text.count("\r") - text.count("\r\n") > text.count("\n"):
        return "lines end in carriage returns alone, which end no line here"
    mean = sum(map(len, lines)) / len(lines)
    several = sum(len(_INSIDE.findall(line)) >= 1 for line in lines) / len(lines)
    if mean > _LONG and not _is_markless("".join(lines)[:_LETTERS]):
        return f"lines have {mean:,.0f} characters on average"
    if several > 0.5 and mean > 60:
        return f"{several:.0%} of the lines hold several sentences"
    if (wrapped := _wrapped_share(text)) > _WRAPPED:
        return f"{wrapped:.0%} of the lines go on in the next line"
    return ""


def _is_markless(text: str) -> bool:
    """Whether text is in a script without marks of sentences, where long lines tell nothing."""
    scripts = [name for name in map(script_of, text) if name]
    return 2 * sum(name in MARKLESS for name in scripts) > len(scripts)


def _wrapped_share(text: str) -> float:
    """The share of lines that break inside a sentence, as lines of a fixed width do.

    The line ends without a mark, and the next one begins with a small letter. Text that is
    lower-cased as a whole tells nothing.
    """
    lines = [line.strip() for line in text.split("\n")]
    filled = sum(map(bool, lines))
    if sum(line[:1].isupper() for line in lines) * 10 < filled:
        return 0.0
    broken = (
        line and line[-1] not in _ENDS and following[:1].islower()
        for line, following in pairwise(lines)
    )
    return sum(map(bool, broken)) / max(1, filled)


def check_sentence_files(paths: Sequence[str]) -> None:
    """Refuse what is no text, and say so in the log if text seems raw: pairs need sentences.

    Args:
        paths: of sentence files, local; the first few are looked at.

    Raises:
        DataError: a vocabulary, questions or the like, JSON or markup, which would be read as
            text.
    """
    parts = []
    for path in _first_local(paths):
        with open_text(path) as stream:
            blob = stream.read(_BYTES // min(len(paths), _FILES))
        _refuse_other_kinds(path, blob)
        _refuse_raw(path, blob)
        parts.append(blob.decode("utf-8", "replace"))
    if reason := looks_unsplit("\n".join(parts)):
        log.logger.warning(
            "%s: %s. One sentence per line is expected, and a blank line between documents: is"
            " this text that was not split yet? `bertkit extract` makes such files of it",
            paths[0] if len(paths) == 1 else f"{paths[0]} and others",
            reason,
        )


def is_raw(paths: Sequence[str]) -> bool:
    """Whether files seem to need `bertkit extract`: no sentence per line, or JSON and the like."""
    parts = []
    for path in _first_local(paths):
        with open_text(path) as stream:
            blob = stream.read(_BYTES // min(len(paths), _FILES))
        found = kind_of_bytes(blob)
        if blob.strip() and (found is None or found.name != TEXT) and not _is_ours(path):
            return True
        parts.append(blob.decode("utf-8", "replace"))
    return bool(looks_unsplit("\n".join(parts)))


def _first_local(paths: Sequence[str]) -> list[str]:
    """The files that are looked at."""
    return [path for path in paths if not is_remote(path)][:_FILES]


def _refuse_other_kinds(path: str, blob: bytes) -> None:
    found = kind_of_bytes(blob)
    other = found and found.name in (VOCABULARY, QUESTIONS, SETTINGS)
    if other and (error := misplaced_kind(path, found, TEXT)):
        raise error


def refuse_raw_files(paths: Sequence[str]) -> None:
    """Refuse JSON, markup and tables, whose keys, tags and columns would be read as words.

    Args:
        paths: of text files; the first few local ones are looked at.

    Raises:
        DataError: names the file and the command that takes the text out of it.
    """
    for path in _first_local(paths):
        with open_text(path, _HEAD) as stream:
            _refuse_raw(path, stream.read(_HEAD))


def _refuse_raw(path: str, blob: bytes) -> None:
    found = raw_form(blob[:_HEAD])
    if found and not _is_ours(path):
        raise DataError(
            f"{path} looks like {found}, not like text: keys, tags and columns would become words",
            f"take the text out of it: bertkit extract --input {shlex.quote(path)} --output DIR"
            " (--form text takes its lines as they are)",
        )


def _is_ours(path: str) -> bool:
    """Whether bertkit wrote a file: what `extract --form text` was told to take is text."""
    try:
        return read_manifest(Path(path).parent) is not None
    except DataError:  # a damaged one is told where it is read
        return True


def raw_form(head: bytes) -> str:
    """What JSON, markup or table a file is, in words, by its first bytes; empty for text."""
    begin = head.removeprefix(codecs.BOM_UTF8).lstrip()
    for mark, words in _MARKUP.items():
        if begin.startswith(mark):
            return words
    if _OBJECTS.match(begin):
        return "an array of JSON objects"
    lines = [line for line in begin.split(b"\n") if line.strip()][:_ROWS]
    # The last line may be cut off, or the only one.
    if lines and all(map(_OBJECT.match, lines)):
        return "JSON lines"
    return "a table with a column of text" if _is_table(begin) else ""


def _is_table(head: bytes) -> bool:
    """Whether a header names a column of text, and rows of as many fields follow."""
    if not _HEADER.search(without_named_delimiter(head).partition(b"\n")[0]):
        return False  # nearly all text ends here
    rows = rows_of(head)
    if len(rows) <= _FEW_ROWS or len(rows[0]) < 2 or len(set(map(len, rows))) > 1:
        return False
    # In prose a space follows a comma.
    apart = not any(name.startswith(" ") for name in rows[0])
    return apart and bool(find_text_key(rows[0]))
