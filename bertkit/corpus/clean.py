"""Cleans the text of a document: a few rules, the same for every source.

What happens to the text, in this order:

1. Line ends: CR LF and CR become LF; vertical tab, form feed, NEL, LINE SEPARATOR and
   PARAGRAPH SEPARATOR too, so that only LF ends a line from here on.
2. Code points that carry no text are dropped: byte order marks, zero width spaces and
   soft hyphens; other control characters become a space; lone surrogates (which JSON
   can spell but UTF-8 cannot) become U+FFFD. Joiners and direction marks stay: they
   belong to scripts.
3. Entities (`&lt;`, `&amp;`) are resolved once, where the form escapes its text.
4. The title, where the form repeats it as the first line.
5. Ruler lines (`====`, `****`) of plain-text headings separate paragraphs and vanish.

Nothing else changes: no case folding, no Unicode normalisation, no filtering by length.
"""

from __future__ import annotations

import re

from bertkit.corpus.document import RawDocument
from bertkit.corpus.entities import unescape

_LINE_ENDS = re.compile("[\r\x0b\x0c\x85\u2028\u2029]")
_INVISIBLE = re.compile("[\ufeff\u200b\u00ad]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_SURROGATES = re.compile("[\ud800-\udfff]")
# One search tells that there is nothing to do, as for most texts.
_ANY = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b\u2028\u2029\ud800-\udfff\ufeff]")
_RULER = re.compile(r"^[ \t]*([*=~^_#+-])\1{2,}[ \t]*$", re.MULTILINE)
_RULER_ENDS = frozenset("*=~^_#+- \t")
_PARAGRAPHS = re.compile(r"\n[^\S\n]*\n\s*")


def clean_text(text: str) -> str:
    """Rules 1 and 2: line ends, invisible and control characters."""
    # What these rules change is not printable, which is told in a third of the time.
    if not any(_ANY.search(line) for line in text.split("\n") if not line.isprintable()):
        return text
    text = _LINE_ENDS.sub("\n", text.replace("\r\n", "\n"))
    text = _INVISIBLE.sub("", text)
    text = _CONTROLS.sub(" ", text)
    return _SURROGATES.sub("\ufffd", text)


def clean_document(document: RawDocument, *, titled: bool = False, escaped: bool = False) -> str:
    """All rules, for a document of a form that is `titled` or `escaped` (`forms.form.Form`).

    Returns:
        Its text; lines end with LF, paragraphs are separated by blank lines.
    """
    text = document.text
    if escaped:
        text = unescape(text)
    text = clean_text(text)
    if titled and document.title:
        text = _without_title(text, clean_text(unescape(document.title)))
    return _without_rulers(text)


def paragraphs(text: str) -> list[str]:
    """The non-empty blocks between blank lines, in order."""
    return [block for block in _PARAGRAPHS.split(text.strip()) if block.strip()]


def one_line(text: str) -> str:
    """Text with each run of white space as one space, and none at the ends."""
    return " ".join(text.split())


def _without_rulers(text: str) -> str:
    if any(line[-1:] in _RULER_ENDS for line in text.split("\n") if line):
        return _RULER.sub("", text)
    return text


def _without_title(text: str, title: str) -> str:
    head, _, rest = text.lstrip("\n").partition("\n")
    return rest if one_line(head) == one_line(title) else text
