"""Converts the HTML of an article, as MediaWiki's Parsoid writes it, to plain paragraphs.

What goes and what stays is the same as for wikitext: headings, tables, boxes, references,
notes, formulas, galleries, code and hidden text go with what they hold; a link is its text;
a list item is a paragraph, unless it holds nothing but links. What templates show is there
already. Parsoid closes every element and quotes every attribute, so that tags are found
in one pass; measured at 10 MB a second of one core for all of it, where html.parser alone
takes 3.6, and the libraries in C with a walk over their trees 15 to 17.
"""

from __future__ import annotations

import re

from bertkit.corpus.entities import unescape
from bertkit.corpus.forms.mediawiki.prose import LINK_END, LINK_START, says_something, tidy


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# The slash, name and attributes of a tag. A quoted value may hold < and >.
_TOKENS = re.compile(
    r"""<(/?)([a-zA-Z][a-zA-Z0-9-]*)(?![a-zA-Z0-9-])([^<>"']*(?:(?:"[^"]*"|'[^']*')[^<>"']*){0,100})>"""
)
_DROPPED = frozenset(
    _words(
        """
        audio caption figure gallery h1 h2 h3 h4 h5 h6 head map math noscript object pre
        script style svg table template textarea title video
        """
    )
)
# Elements that may be dropped by an attribute; the others are too many to be looked at.
_LOOKED_AT = frozenset(
    _words(
        """
        aside blockquote center cite code dd div dl footer header i li nav ol p section small
        span sup ul
        """
    )
)
_HIDDEN_CLASSES = (
    r"(?:mw-)?references?|mw-ref|mw-references-wrap|reflist\S*|refbegin\S*|navbox\S*|"
    r"vertical-navbox|infobox\S*|sidebar\S*|side-box\S*|hatnote\S*|noprint|nomobile|metadata|"
    r"mw-editsection\S*|\w*mbox\S*|asbox|dmbox\S*|stub|sister\S*|portal\S*|mwe-math-element\S*|"
    r"mw-empty-elt|toc|thumb|gallery|mw-gallery\S*|mw-file\S*|error|shortdescription|"
    r"Inline-Template|authority-control|catlinks|Z3988|mw-cite-backlink|mw-highlight\S*|"
    r"mw-kartographer\S*|mw-tmh-player|geo-nondefault|geo-multi-punct|rellink|dablink|"
    r"bandeau\S*|printfooter|mw-indicators?|mw-hidden\S*|succession-box|NavFrame|need_ref_tag\S*"
)
_HIDDEN = re.compile(
    rf"""(?:^|\s)(?:class=(?:"|'|"[^"]*\s|'[^']*\s)(?:{_HIDDEN_CLASSES})(?=["'\s])|"""
    r"""role=["'](?:navigation|note)["']|id=["']coordinates["']|hidden(?:=|\s|$)|"""
    r"""typeof=["'][^"']*mw:(?:Extension/(?:ref|references|math|ce|chem|gallery|timeline|score|graph|"""
    r"""hiero|imagemap|syntaxhighlight|mapframe|maplink|templatestyles|inputbox)\b|File|Image|"""
    r"""Video|Audio)|style=(?:"[^"]*|'[^']*)display:\s*none)"""
)
_BLOCKS = frozenset(
    _words(
        """
        address article aside blockquote center dd div dl dt footer header hr li main nav ol
        p section ul
        """
    )
)
_ITEMS = frozenset(("li", "dd", "dt"))
# Begins the line of a list item.
_ITEM = "\x03"
_ANY_MARK = re.compile(f"[{LINK_START}{LINK_END}{_ITEM}]")
_MARKS = str.maketrans("", "", LINK_START + LINK_END + _ITEM)
_SPACES = re.compile(r"[ \t\n\r\f]+")
# A note such as [citation needed] links to a page about pages: its name has a colon.
_NOTE = re.compile(r"""href=["'](?!https?:)[^"']*:""")
_REDIRECT = re.compile(r"""<link[^<>]*\srel=["']mw:PageProp/redirect["']""")
_LOOKED_AHEAD = 8


def is_redirect(document: str) -> bool:
    """True if a page is a redirect."""
    return _REDIRECT.search(document, 0, 20_000) is not None


def plain_text_of_html(document: str) -> str:
    """The prose of an article.

    Args:
        document: its HTML, whole or only what its body holds.

    Returns:
        Paragraphs separated by blank lines, each list item one paragraph; no headings.
    """
    document = document.translate(_MARKS) if _ANY_MARK.search(document) else document
    document = _without_comments(document)
    tokens = list(_TOKENS.finditer(document))
    last_end = {match[2].lower(): place for place, match in enumerate(tokens) if match[1]}
    out: list[str] = []
    start, number = 0, 0
    while number < len(tokens):
        match = tokens[number]
        if match.start() > start:
            out.append(_SPACES.sub(" ", document[start : match.start()]))
        start = match.end()
        name = match[2].lower()
        closing = bool(match[1])
        if name == "a":
            out.append(LINK_END if closing else LINK_START)
        elif name == "br":
            out.append("\n")
        elif not closing and last_end.get(name, -1) > number and _is_dropped(tokens, number, name):
            number = _end_of(tokens, number, name)
            start = tokens[number].end()
            out.append("\n\n" if name in _BLOCKS or name == "table" else "")
        elif name in _BLOCKS:
            out.append(f"\n\n{_ITEM}" if name in _ITEMS and not closing else "\n\n")
        number += 1
    out.append(_SPACES.sub(" ", document[start:]))
    return _paragraphs("".join(out))


def _without_comments(document: str) -> str:
    """The document without comments; one that never ends is none."""
    out: list[str] = []
    place = 0
    while (start := document.find("<!--", place)) >= 0:
        end = document.find("-->", start + 4)
        if end < 0:
            break
        out.append(document[place:start])
        place = end + 3
    return "".join([*out, document[place:]]) if out else document


def _is_dropped(tokens: list[re.Match[str]], number: int, name: str) -> bool:
    if name in _DROPPED:
        return True
    if name not in _LOOKED_AT:
        return False
    rest = tokens[number][3]
    if rest and _HIDDEN.search(rest):
        return True
    return name == "sup" and _is_note(tokens, number)


def _is_note(tokens: list[re.Match[str]], number: int) -> bool:
    for match in tokens[number + 1 : number + _LOOKED_AHEAD]:
        if match[2] == "sup":
            return False
        if match[2] == "a" and not match[1]:
            return "title=" in match[3] and _NOTE.search(match[3]) is not None
    return False


def _end_of(tokens: list[re.Match[str]], number: int, name: str) -> int:
    """The place of the tag that closes an element, or of the last one of its name."""
    depth, last = 0, number
    for place in range(number, len(tokens)):
        match = tokens[place]
        if match[2].lower() == name:
            if not match[1]:
                depth += 1
                continue
            depth -= 1
            last = place
            if not depth:
                break
    return last


def _paragraphs(text: str) -> str:
    """Lines without marks; items of lists of nothing but links are left out."""
    out: list[str] = []
    for line in text.split("\n"):
        item = _ITEM in line
        line = line.replace(_ITEM, "").strip()
        # An item with a list of its own has no line of its own.
        if not line or not (item or LINK_START in line) or says_something(line):
            out.append(line)
    prose = "\n".join(out)
    return tidy(unescape(prose))
