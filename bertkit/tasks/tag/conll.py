"""Reads and writes CoNLL files: a word per line in columns, an empty line after each sentence.

Columns stand between tabs or spaces. Lines that are no words are kept for writing: comments
(`# text = ...`, `#begin document`), `-DOCSTART-`, and the ranges (`3-4`) and empty words (`8.1`)
of Universal Dependencies.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from bertkit import log
from bertkit.errors import ConfigError, DataError
from bertkit.tasks.tag.schemes import OUTSIDE, is_tag
from bertkit.tasks.tag.sentence import Columns, Sentence

_BREAK = "-DOCSTART-"
_COMMENT = re.compile(r"#(?:\s+\S|(?:begin|end) document\b)")
_NO_WORD = re.compile(r"\d+[-.]\d+")
_HINT = "a line is a word and its columns, in every line as many; sentences end with an empty line"
# Columns of CoNLL-U; those of CoNLL-X are as many.
_DEPENDENCIES = 10
_TABLE = (
    "a row of a table with a text in it is for --task classify; lists of words and of tags stand in"
    f" JSON lines, Parquet or Arrow; else {_HINT}"
)


@dataclass
class ConllFile:
    """A CoNLL file, taken apart.

    Attributes:
        name: of the file.
        lines: as they are, with their ends.
        tabs: columns stand between single tabs; else between runs of spaces and tabs.
        width: columns of a line.
        words: number of the column of words, from 0.
        tags: the same of the tags.
        sentences: all words; their tags where they were asked for.
        fillers: line from 1 → what stands for a tag in a line that is no word.
    """

    name: str
    lines: list[str]
    tabs: bool = False
    width: int = 0
    words: int = 0
    tags: int = 0
    sentences: list[Sentence] = field(default_factory=list)
    fillers: dict[int, str] = field(default_factory=dict)

    def cut(self, limit: int) -> None:
        """Leave out all that comes after so many sentences."""
        del self.lines[self.sentences[limit].lines[0] - 1 :], self.sentences[limit:]
        self.fillers = {n: tag for n, tag in self.fillers.items() if n <= len(self.lines)}

    def with_tags(self, tags: Sequence[Sequence[str]]) -> str:
        """The same lines with one more column: the tags of each sentence's words."""
        added = dict(self.fillers)
        for sentence, own in zip(self.sentences, tags, strict=True):
            added |= zip(sentence.lines, own, strict=True)
        lines = list(self.lines)
        separator = "\t" if self.tabs else " "
        for number, tag in added.items():
            line = lines[number - 1]
            body = line.rstrip("\r\n")
            kept = "\t".join(self.fields(body)) if self.tabs else body.rstrip(" \t")
            lines[number - 1] = f"{kept}{separator}{tag}{line[len(body) :]}"
        return "".join(lines)

    def fields(self, body: str) -> list[str]:
        """The columns of a line without its end; what is empty beyond the width is left out."""
        found = _split(body, self.tabs)
        while len(found) > self.width > 0 and not found[-1].strip():
            found.pop()
        return found


def read_conll(name: str, text: str, columns: Columns, tagged: bool) -> ConllFile:
    """Take a CoNLL file apart.

    The words are in the first column, or in the second where the first numbers them (1, 2, ...);
    the tags in the last.

    Args:
        name: of the file, for messages.
        text: its content.
        columns: where words and tags are.
        tagged: tags are needed.

    Raises:
        DataError: lines of different widths, an empty tag, no words; names file and line.
        ConfigError: a column that is not there.
    """
    end = "\n" if "\n" in text else "\r"
    found = ConllFile(name, re.findall(f"[^{end}]*{end}|[^{end}]+", text))
    bodies = [line.rstrip("\r\n") for line in found.lines]
    bodies[:1] = [body.removeprefix("\ufeff") for body in bodies[:1]]
    _find_form(found, bodies)
    blocks = _blocks(found, bodies)
    _find_columns(found, blocks, columns, tagged)
    for block in blocks:
        _add_sentence(found, block, tagged)
    if not any(word for sentence in found.sentences for word in sentence.words):
        raise DataError(f"{name}: holds no word", _HINT)
    return found


# Line from 1 → columns, of the words between two empty lines.
_Block = dict[int, list[str]]


def _split(body: str, tabs: bool) -> list[str]:
    return body.split("\t") if tabs else re.split("[ \t]+", body.rstrip(" \t"))


def _find_form(found: ConllFile, bodies: Sequence[str]) -> None:
    """Tell what stands between columns, and how many there are in most lines."""
    full = [body for body in bodies if body.strip(" \t")]
    plain = [body for body in full if not body.startswith(("#", _BREAK))] or full
    if not plain:
        raise DataError(f"{found.name}: holds no word", _HINT)
    tabs, spaces = (
        Counter(len(_split(body.rstrip(" \t"), by_tabs)) for body in plain)
        for by_tabs in (True, False)
    )
    # Words may have spaces in them, but not all words equally many.
    even = len(spaces) == 1 and len(plain) > 1 and (len(tabs) > 1 or max(spaces) > max(tabs))
    found.tabs = "\t" in plain[0] and not even
    found.width = (tabs if found.tabs else spaces).most_common(1)[0][0]


def _blocks(found: ConllFile, bodies: Sequence[str]) -> list[_Block]:
    """The lines of words, sentence by sentence."""
    known = {found.fields(body)[-1] for body in bodies if body and not body.startswith("#")}
    blocks: list[_Block] = [{}]
    for number, body in enumerate(bodies, 1):
        fields = found.fields(body)
        if not body.strip(" \t"):
            blocks.append({})
        elif _BREAK in fields[:2]:
            found.fillers[number] = OUTSIDE
            blocks.append({})
        elif _is_comment(found, body, first=not blocks[-1], known=known):
            continue
        elif len(fields) == found.width:
            blocks[-1][number] = fields
        else:
            wrong = f"{len(fields)} column{'s' * (len(fields) > 1)}"
            raise DataError(
                f"{found.name}:{number}: {wrong} where most lines have {found.width}",
                _TABLE if number == 1 and len(fields) == 1 and "," in body else _HINT,
            )
    return [block for block in blocks if block]


def _is_comment(found: ConllFile, body: str, first: bool, known: set[str]) -> bool:
    """Whether a line is a comment, and not a word such as `#` or `#topic`.

    Args:
        found: says how wide lines are.
        body: the line.
        first: no word of its sentence comes before it.
        known: what is in the last column of lines that are no comments.
    """
    if not body.startswith("#"):
        return False
    fields = found.fields(body)
    marked = _COMMENT.match(body) is not None
    like_tag = len(fields) > 1 and (fields[-1] in known or is_tag(fields[-1]))
    if len(fields) == found.width:  # by chance, or a word
        return first and marked and len(fields) > 1 and not like_tag
    if first:
        return marked or body.strip() == "#" or len(body.split()) > 1
    return marked and not is_tag(body.split()[-1])


def _find_columns(found: ConllFile, blocks: list[_Block], columns: Columns, tagged: bool) -> None:
    """Set the numbers of the columns; leave out lines that stand for several words or none."""
    numbered = found.width > 1 + tagged and _are_numbered(blocks)
    found.words = _column(found, columns.words, "--word-column", 1 if numbered else 0)
    found.tags = _column(found, columns.tags, "--tag-column", found.width - 1)
    if tagged and numbered and columns.tags is None and found.width == _DEPENDENCIES:
        raise DataError(
            f"{found.name} looks like CoNLL-U, whose last column has remarks, not tags",
            "say which column to learn: --tag-column 4 (UPOS, the parts of speech), 5 (XPOS), ...",
        )
    if numbered and columns.words is None:
        log.logger.info(
            "%s: the first column numbers the words, which are taken from the second", found.name
        )
    if numbered and found.words:
        for block in blocks:
            for number in [n for n, fields in block.items() if _NO_WORD.fullmatch(fields[0])]:
                del block[number]
                found.fillers[number] = "_"
    if tagged and found.words == found.tags:
        raise DataError(f"{found.name}: has no column of tags beside the words", _HINT)


def _are_numbered(blocks: Sequence[_Block]) -> bool:
    """Whether the first column counts the words of every sentence."""
    firsts = [[f[0] for f in block.values() if not _NO_WORD.fullmatch(f[0])] for block in blocks]
    counted = all(own == [str(n) for n in range(1, len(own) + 1)] for own in firsts)
    return counted and max(map(len, firsts), default=0) > 1


def _column(found: ConllFile, given: str | None, flag: str, default: int) -> int:
    if given is None:
        return default
    number = int(given) if re.fullmatch(r"-?\d+", given) else 0
    if not 1 <= abs(number) <= found.width:
        raise ConfigError(
            f"{flag} {given} is no column of {found.name}, which has {found.width}",
            "columns of CoNLL files are counted from 1, or from -1 at the end",
        )
    return number - 1 if number > 0 else found.width + number


def _add_sentence(found: ConllFile, block: _Block, tagged: bool) -> None:
    words = [fields[found.words].strip(" ") for fields in block.values()]
    tags = [fields[found.tags].strip() for fields in block.values()] if tagged else None
    sentence = Sentence(words, tags, found.name, list(block))
    if tags and "" in tags:
        raise DataError(f"{sentence.place(tags.index(''))}: the tag is empty", _HINT)
    found.sentences.append(sentence)
