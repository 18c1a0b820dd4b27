"""Finds sentence ends as NLTK 3.4.5's Punkt does, whichever NLTK is installed.

Punkt (Kiss and Strunk 2006, "Unsupervised multilingual sentence boundary detection") looks
at each word that ends in a period and at the word after it, with what it learnt about both:
abbreviations, collocations, words that often start sentences, and how words are spelled.
The learnt parameters have not changed since 2019 and are NLTK's data `punkt_tab`; the
patterns and rules around them have, and MLPerf's text is fixed to the byte. So they stand
here, as facts of release 3.4.5. Quotation marks and brackets are those of ASCII: since then
NLTK has added ‘ ’ “ ” « » to both patterns that know them, and looks for the word before a
sentence end in another way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bertkit.errors import DataError, MissingDependencyError
from bertkit.optional import require

_ENDS = (".", "?", "!")
# Characters that end a word (beside white space), and those that cannot begin one.
_NON_WORD = r"""[?!)";}\]*:@'({\[]"""
_WORD_START = r"""[^("`{\[:;&#*@)}\]\-,]"""
_SEVERAL = r"(?:-{2,}|\.{2,}|(?:\.\s){2,}\.)"
# A possible end with the word before it from its first character, then punctuation, or white
# space and a word.
_CONTEXT = re.compile(rf"(?<!\S)\S*[.?!](?=(?P<after>{_NON_WORD}|\s+(?P<next>\S+)))")
# What still belongs to the sentence that has just ended.
_REALIGNED = re.compile(r"""["')\]}]+?(?:\s+|(?=--)|$)""", re.MULTILINE)
_WORD = re.compile(
    rf"{_SEVERAL}"
    rf"|(?={_WORD_START})\S+?(?=\s|$|{_NON_WORD}|{_SEVERAL}|,(?=$|\s|{_NON_WORD}|{_SEVERAL}))"
    r"|\S"
)
_NUMBER = re.compile(r"^-?[.,]?\d[\d,.-]*\.?$")
_ELLIPSIS = re.compile(r"\.\.+$")
_INITIAL = re.compile(r"[^\W\d]\.$")
_NO_START = frozenset(";:,.!?")
# How a word was seen in training: at the beginning of a sentence, inside one, or unknown.
_UPPER_INSIDE, _LOWER_BEGINNING = 1 << 2, 1 << 4
_UPPER = 1 << 1 | _UPPER_INSIDE | 1 << 3
_LOWER = _LOWER_BEGINNING | 1 << 5 | 1 << 6


@dataclass(frozen=True)
class Parameters:
    """What Punkt learnt of a language.

    Attributes:
        abbreviations: lower case, without the last period.
        collocations: pairs of words; the first one's period ends no sentence.
        starters: words that often begin a sentence.
        spellings: word → bits that say how it was seen, see `_UPPER` and `_LOWER`.
    """

    abbreviations: frozenset[str]
    collocations: frozenset[tuple[str, str]]
    starters: frozenset[str]
    spellings: dict[str, int]


@dataclass
class _Word:
    """A word with what is decided of it so far."""

    text: str
    kind: str = field(init=False)
    ends: bool = False
    abbreviation: bool = False
    ellipsis: bool = False

    def __post_init__(self) -> None:
        self.kind = _NUMBER.sub("##number##", self.text.lower())

    @property
    def stem(self) -> str:
        """Its kind without a last period."""
        return self.kind[:-1] if len(self.kind) > 1 and self.kind[-1] == "." else self.kind

    @property
    def seen_as(self) -> str:
        """Its kind, without the period if that ends a sentence."""
        return self.stem if self.ends else self.kind


def english_parameters() -> Parameters:
    """The parameters of NLTK's data on this machine.

    Raises:
        MissingDependencyError: NLTK or its data `punkt_tab` are not on this machine.
        DataError: the data cannot be read.
    """
    data = require("nltk.data", "--chain mlperf", hint="pip install nltk")
    try:
        folder = data.find("tokenizers/punkt_tab/english/")
    except LookupError as error:
        raise MissingDependencyError(
            "NLTK's punkt model for english is not on this machine",
            "python -m nltk.downloader punkt_tab",
        ) from error
    try:
        collocations = [line.split("\t") for line in _lines(folder, "collocations.tab")]
        spellings = [line.split("\t") for line in _lines(folder, "ortho_context.tab")]
        return Parameters(
            abbreviations=frozenset(_lines(folder, "abbrev_types.txt")),
            collocations=frozenset((first, second) for first, second in collocations),
            starters=frozenset(_lines(folder, "sent_starters.txt")),
            spellings={word: int(bits) for word, bits in spellings},
        )
    except (OSError, ValueError) as error:  # not UTF-8 is a ValueError too
        raise DataError(
            f"cannot read NLTK's punkt data {folder}: {error}",
            "fetch them again: python -m nltk.downloader --force punkt_tab",
        ) from error


def _lines(folder: Any, name: str) -> list[str]:
    """The lines of a data file; NLTK's own reading is for what it has in an archive."""
    place = Path(str(folder))
    if place.is_dir():
        text = (place / name).read_text(encoding="utf-8")
    else:
        with folder.join(name).open() as stream:
            text = str(stream.read(), "utf-8")
    return text.removesuffix("\n").split("\n")


class Punkt2019:
    """Splits a text into sentences; every character but white space between them is kept.

    Args:
        parameters: of the language.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._learnt = parameters

    def __call__(self, text: str) -> list[str]:
        """The sentences of a text, in order."""
        return [text[span.start : span.stop] for span in _realigned(text, self._spans(text))]

    def _spans(self, text: str) -> Iterator[slice]:
        start = 0
        for match in _CONTEXT.finditer(text):
            if self._holds_an_end(match.group() + match.group("after")):
                yield slice(start, match.end())
                start = match.start("next") if match.group("next") else match.end()
        yield slice(start, len(text.rstrip()))

    def _holds_an_end(self, context: str) -> bool:
        """Whether a word of these, but the last, ends a sentence."""
        words = [_Word(word) for line in context.split("\n") for word in _WORD.findall(line)]
        for word in words:
            self._judge_alone(word)
        for index, word in enumerate(words[:-1]):
            self._judge_before(word, words[index + 1])
            if word.ends:
                return True
        return False

    def _judge_alone(self, word: _Word) -> None:
        """By the word itself: an end, an ellipsis, or an abbreviation."""
        if word.text in _ENDS:
            word.ends = True
        elif _ELLIPSIS.match(word.text):
            word.ellipsis = True
        elif word.text.endswith(".") and not word.text.endswith(".."):
            known = self._learnt.abbreviations
            stem = word.text[:-1].lower()
            if stem in known or stem.split("-")[-1] in known:
                word.abbreviation = True
            else:
                word.ends = True

    def _judge_before(self, word: _Word, following: _Word) -> None:
        """By the word after it (sections 4.1 to 4.3 of the paper)."""
        if not word.text.endswith("."):
            return
        learnt = self._learnt
        if (word.stem, following.seen_as) in learnt.collocations:
            word.ends = False
            return
        initial = _INITIAL.match(word.text) is not None
        begins = self._begins(following)
        upper = following.text[0].isupper()
        starts = begins is True or (upper and following.seen_as in learnt.starters)
        if (word.abbreviation or word.ellipsis) and not initial and starts:
            word.ends = True
            return
        if initial or word.stem == "##number##":
            never_lower = not learnt.spellings.get(following.seen_as, 0) & _LOWER
            if begins is False or (begins is None and initial and upper and never_lower):
                word.ends = False

    def _begins(self, word: _Word) -> bool | None:
        """Whether a word's spelling says that it begins a sentence; None where it does not tell."""
        if word.text in _NO_START:
            return False
        seen = self._learnt.spellings.get(word.seen_as, 0)
        first = word.text[0]
        if first.isupper() and seen & _LOWER and not seen & _UPPER_INSIDE:
            return True
        if first.islower() and (seen & _UPPER or not seen & _LOWER_BEGINNING):
            return False
        return None


def _realigned(text: str, spans: Iterator[slice]) -> Iterator[slice]:
    """Closing marks at the beginning of a sentence go to the one before."""
    moved = 0
    before: slice | None = None
    for span in spans:
        if before is not None:
            found = _REALIGNED.match(text[span.start : span.stop])
            # What went to the sentence before that.
            start = before.start + moved
            if found:
                yield slice(start, span.start + len(found.group().rstrip()))
                moved = found.end()
            else:
                if text[start : before.stop]:
                    yield slice(start, before.stop)
                moved = 0
        before = span
    if before is not None and text[before.start + moved : before.stop]:
        yield slice(before.start + moved, before.stop)
