"""Tells structured text, such as YAML, mail or bibliographies, from prose."""

from __future__ import annotations

import re

from bertkit.codecs.packed_stream import without_ending

_FIELD = rb"[!-9;-~]{1,60}:[^\n]*\n(?:[ \t][^\n]+\n)*"
_MAIL = (
    rb"(?:Return-Path|Received|Delivered-To|From|To|Cc|Subject|Date|Message-ID|MIME-Version|"
    rb"Reply-To|Sender|X-[\w-]+|DKIM-Signature|Content-Type)"
)
_DAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d "
# The beginning of a file, carriage returns left out → what it is. Of what may be repeated, each
# part begins with a character of its own: a second way to read it would double the time.
_BEGINNINGS = (
    (rb"(?:%[^\n]*\n|\s)*@[A-Za-z]+\s*\{\s*(?:[^\s,{}\"]+\s*)?[,=]", "BibTeX"),
    (rb"(?:%[^\n]*\n|\s)*@(?:string|comment|preamble)\s*[{(]", "BibTeX"),
    (rb"(?:#[^\n]*\n)*1(?:-\d+)?\t[^\t\n]+(?:\t[^\t\n]*){8}\n", "CoNLL-U"),
    (rb"# (?:newdoc|global\.columns|sent_id = )[^\n]*\n(?:#[^\n]*\n)*", "CoNLL-U"),
    (rb"-DOCSTART-[ \t]", "a CoNLL file"),
    (rb"(?:%[^\n]*\n|\s)*\\(?:documentclass|documentstyle|begin\{document\}|"
     rb"(?:part|chapter|section|title|usepackage|newcommand)\*?[\[{])", "LaTeX"),
    (rb">?From \S+ +" + _DAY, "a mailbox"),
    # Three fields of a mail's head, or two and the blank line behind them.
    (rb"(?i:" + _MAIL + rb":[ \t][^\n]*\n(?:[ \t][^\n]+\n)*(?:" + _FIELD + rb"){0,40}?"
     + _MAIL + rb":[ \t][^\n]*\n(?:[ \t][^\n]+\n)*(?:" + _FIELD + rb"){0,60}\n)", "a mail"),
    (rb"(?:(?:#[^\n]*)?\n)*%YAML ", "YAML"),
    # Not the front matter of Markdown: behind its second mark stands text.
    (rb"(?:(?:#[^\n]*)?\n)*---[ \t]*(?:#[^\n]*)?\n"
     rb"(?![\s\S]*?\n---[ \t]*\n\s*(?!\S+:\s)\S)"
     rb"(?:#[^\n]*\n)*[\"']?[\w.-]+[\"']?:[ \t\n]", "YAML"),
    (rb"TY  - [A-Z]{3,6}\s", "a bibliography (RIS)"),
    (rb"BEGIN:V(?:CARD|CALENDAR)\n", "a vCard or calendar"),
    (rb"(?:#[^\n]*\n|\n)*msgid \"", "translations (gettext)"),
)  # fmt: skip
_KNOWN = tuple((re.compile(mark), what) for mark, what in _BEGINNINGS)
_ENDINGS = {
    ".yaml": "YAML",
    ".yml": "YAML",
    ".bib": "BibTeX",
    ".conllu": "CoNLL-U",
    ".conll": "a CoNLL file",
    ".mbox": "a mailbox",
    ".eml": "a mail",
    ".ris": "a bibliography (RIS)",
    ".tex": "LaTeX",
}
_ANY_ENDING = tuple(_ENDINGS)
# Lines of YAML without its mark: comments, keys with or without a value, items of lists.
_KEY = rb"(?:[A-Za-z_][\w.-]*|\"[^\"\n]*\"):"
_LINE = re.compile(rb"[ \t]*(?:#[^\n]*|(?:- +)*" + _KEY + rb"(?: [^\n]*)?|-(?: [^\n]*)?)?")
_OPEN = re.compile(rb"(?m)^(?P<indent> *)(?:- )?" + _KEY + rb" *\n(?P=indent)(?: +| *- )\S")
# Words, as prose begins with: no beginning above, which would have a colon or a tab.
_WORDS = re.compile(
    rb"(?!From |TY  - |msgid |BEGIN:)[A-Za-z\x80-\xff]+(?:,? [A-Za-z\x80-\xff(]|[.\n])"
)
# Tags of names: where one begins in a line, and a line that ends in one, or in none of them.
_TAG_OF_NAME = re.compile(rb"[ \t][BISU]-[A-Za-z][\w-]*\s*\n")
_TAGGED = re.compile(rb"\S+(?:[ \t]+\S+){0,3}[ \t]+(?:O|[BIESLU]-[A-Za-z][\w-]*)\s*")
# Commands that only the source of a document has; formulas in Markdown have others.
_LATEX = re.compile(
    rb"\\(?:(?:part|chapter|(?:sub)*section|cite[pt]?|ref|eqref|label|footnote|textbf|textit|emph|"
    rb"caption|title|author|input|usepackage)\*?[\[{]|item\b|begin\{|end\{)"
)
_LATEX_LINE = re.compile(rb"(?m)^[ \t]*\\(?:part|chapter|(?:sub)*section|begin|end|item|label)\b")
_LATEX_MANY, _LATEX_OFTEN, _LATEX_LINES = 6, 250, 2
# Items of a list that begin with the same key, with keys below it.
_ITEMS = re.compile(rb"- ([A-Za-z_][\w-]*): ?[^\n]*\n(?:  [A-Za-z_][\w-]*:[^\n]*\n)+- \1:[ \n]")
_LOOKED_AT = 4096
_LEAST = 4


def structured_kind(name: str, text: bytes) -> str:
    """What kind of structured text a file is; empty for prose.

    Args:
        name: of the file; its ending counts where the content tells nothing.
        text: its first bytes, as UTF-8.
    """
    head = text[: 4 * _LOOKED_AT].removeprefix(b"\xef\xbb\xbf")
    if b"\r" in head:
        head = head.replace(b"\r\n", b"\n")
    for mark, what in _KNOWN if not _WORDS.match(head) else ():  # nearly all text ends here
        if mark.match(head):
            return what
    if _is_yaml(head[:_LOOKED_AT]):
        return "YAML"
    if _is_tagged(head[:_LOOKED_AT]):
        return "a CoNLL file"
    if _is_latex(head):
        return "LaTeX"
    bare = without_ending(name)
    if not bare.endswith(_ANY_ENDING):
        return ""
    return next(what for end, what in _ENDINGS.items() if bare.endswith(end))


def _is_yaml(head: bytes) -> bool:
    """Whether all lines are those of YAML, and one opens a deeper level: a dialogue has none."""
    if _ITEMS.match(head):
        return True
    if not _LINE.fullmatch(_first_line(head)) or not _OPEN.search(head):  # all prose ends here
        return False
    lines = head.split(b"\n")[: -1 if len(head) == _LOOKED_AT else None]
    solid = [line for line in lines if line.strip()]
    return len(solid) >= _LEAST and all(map(_LINE.fullmatch, solid))


def _is_latex(head: bytes) -> bool:
    """Whether commands of LaTeX's documents are many and often."""
    if b"\\" not in head:  # nearly all prose ends here
        return False
    count = len(_LATEX.findall(head))
    often = count >= _LATEX_MANY and count * _LATEX_OFTEN >= len(head)
    return often and len(_LATEX_LINE.findall(head)) >= _LATEX_LINES


def _first_line(head: bytes) -> bytes:
    """The first line that is not blank: where all lines must be of a kind, it tells soon."""
    return head.lstrip().partition(b"\n")[0]


def _is_tagged(head: bytes) -> bool:
    """Whether all lines are tokens with the tag of a name, or with `O`."""
    if not _TAGGED.fullmatch(_first_line(head)) or not _TAG_OF_NAME.search(head):
        return False  # all prose ends here
    lines = head[: head.rfind(b"\n") + 1].splitlines()
    solid = [line for line in lines if line.strip()]
    return len(solid) > 2 and all(map(_TAGGED.fullmatch, solid))
