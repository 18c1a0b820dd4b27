"""Converts wikitext to plain paragraphs in one linear pass over its markers.

A stack follows `{{ }}`, `[[ ]]` and `{| |}`; what they hold is rendered by the rules of
wikitext_rules.py, innermost first. Where the markers of a page do not match, mwparserfromhell
takes it apart instead (wikitext_fallback.py), under the same rules.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bertkit.corpus.entities import unescape
from bertkit.corpus.forms.mediawiki import wikitext_rules
from bertkit.corpus.forms.mediawiki.prose import LINK_END, LINK_START, says_something, tidy
from bertkit.corpus.forms.mediawiki.site import Site
from bertkit.corpus.forms.mediawiki.templates import nothing
from bertkit.corpus.forms.mediawiki.variants import with_one_variant
from bertkit.corpus.forms.mediawiki.wikitext_rules import DROPPED_TAGS, PLAIN_TAGS

# Deeper nesting is no article; the bound keeps the pass linear.
DEPTH = 60
# Beyond these mwparserfromhell, which tries again from every marker, takes too long.
SLIPS = 20
TOLERANT_SIZE = 300_000


def _any_of(names: Sequence[str]) -> str:
    """An expression for any of these names, which asks for their first letter but once."""
    by_letter: dict[str, list[str]] = {}
    for name in names:
        by_letter.setdefault(name[0], []).append(name[1:])
    return "|".join(f"{first}(?:{'|'.join(rest)})" for first, rest in by_letter.items())


_SIMPLE_LINK = re.compile(r"\[\[(?!\])([^\[\]{}|\n:#]*)(?:\|([^\[\]{}|\n:#]+))?\]\]")
# A template or link that holds no other is one piece, the most frequent one.
_MARKERS = re.compile(
    r"(\{\{[^{}\[\]]*\}\}|\[\[[^{}\[\]]*\]\]|\{\{|\}\}|\[\[|\]\]|\{\||\|\}(?!\}))"
)
_OPENING = {"{{": "}}", "[[": "]]", "{|": "|}"}
# So many characters around a template are looked at and shown.
_AROUND = 40
_LETTER = re.compile(r"[^\W\d_]")
_DOUBLE = re.compile(r"\{\{|\}\}|\[\[|\]\]")
_ELEMENTS = re.compile(
    rf"<(/?)({_any_of((*DROPPED_TAGS, 'nowiki'))})(?![\w-])([^<>]*)>", re.IGNORECASE
)
_TAGS = re.compile(rf"</?(?:{_any_of(PLAIN_TAGS + DROPPED_TAGS)})(?![\w-])[^<>]*>", re.IGNORECASE)
_BREAKS = re.compile(r"<(?:br|hr|p|li|div|blockquote)(?![\w-])[^<>]*>", re.IGNORECASE)
_EXTERNAL = re.compile(r"\[((?:https?:|ftp:|mailto:)?//?[^\s\[\]]*(?: [^\[\]\n]*)?)\]")
_SWITCHES = re.compile(r"__[A-Z]{3,}__")
_QUOTES = re.compile(r"''+")
_HEADING = re.compile(r"={1,6}[^\n]*?={1,6}\s*")
_PROTECTED = str.maketrans({c: f"&#{ord(c)};" for c in "[]{}|<>='*#:;_!"})


def plain_text(
    text: str,
    title: str = "",
    site: Site | None = None,
    unknown: list[tuple[str, str]] | None = None,
) -> str:
    """The prose of a page.

    Args:
        text: wikitext.
        title: of the page, for PAGENAME.
        site: the wiki; without it the usual names are taken.
        unknown: takes up (name, words around it) of each template within a sentence that
            nothing is known of.

    Returns:
        Paragraphs separated by blank lines, each list item one paragraph; no headings.

    Raises:
        MissingDependencyError: the markers do not match, and mwparserfromhell is not installed.
    """
    site = site or Site()
    bare = _without_elements(_without_comments(text))
    bare = with_one_variant(bare, site.variants)
    flat, slips = _flattened(bare, title, site, [] if unknown is None else unknown)
    if 0 < slips <= SLIPS and len(bare) <= TOLERANT_SIZE:
        from bertkit.corpus.forms.mediawiki.wikitext_fallback import flatten

        flat = _DOUBLE.sub("", flatten(_without_tags(bare), title, site))
    return _paragraphs(flat)


def _without_comments(text: str) -> str:
    if "<!--" not in text:
        return text
    out: list[str] = []
    place = 0
    while (start := text.find("<!--", place)) >= 0:
        out.append(text[place:start])
        end = text.find("-->", start + 4)
        if end < 0:
            return "".join(out)
        place = end + 3
    out.append(text[place:])
    return "".join(out)


def _without_elements(text: str) -> str:
    """References, formulas and the like with what they hold; nowiki becomes plain characters."""
    pieces = _ELEMENTS.split(text)
    if len(pieces) == 1:
        return text
    # Of each tag `/` or nothing, its name, the rest of it; and the text behind it.
    closes, rests, behind = pieces[1::4], pieces[3::4], pieces[4::4]
    names = [name.lower() for name in pieces[2::4]]
    last_end = {name: at for at, name in enumerate(names) if closes[at]}
    out, verbatim = [pieces[0]], list[str]()
    inside = ""
    for at, (name, closing, rest) in enumerate(zip(names, closes, rests, strict=True)):
        if not inside:
            # Without an end the tag alone goes.
            if not closing and last_end.get(name, -1) > at and not rest.endswith("/"):
                inside, verbatim = name, [behind[at]]
            else:
                out.append(behind[at])
        elif closing and name == inside:
            if inside == "nowiki":
                out.append("".join(verbatim).translate(_PROTECTED))
            out.append(behind[at])
            inside = ""
        elif inside == "nowiki":
            verbatim += [f"<{closing}{pieces[4 * at + 2]}{rest}>", behind[at]]
    return "".join(out)


def _flattened(
    text: str, title: str, site: Site, unknown: list[tuple[str, str]]
) -> tuple[str, int]:
    """Text without templates, links and tables, and how many markers did not match."""
    text = _with_simple_links(text)
    out: list[str] = []
    # Of each open marker its end, where it begins in `out`, and where in the text.
    stack: list[tuple[str, int, int]] = []
    place = slips = 0
    # Text and markers in turn, text first and last.
    pieces = _MARKERS.split(text)
    for piece, kind in zip(pieces[:-1:2], pieces[1::2], strict=True):
        out.append(piece)
        place += len(piece) + len(kind)
        if len(kind) > 2:  # the whole of a template or link
            if len(stack) < DEPTH:
                shown = _rendered(kind[-2:], kind[2:-2], title, site)
                if shown is None:
                    begin = place - len(kind) + 2
                    shown = _of_unknown(text, begin, place, site, [] if stack else unknown)
                out.append(shown)
                continue
            slips += 1
            out.append(kind[2:-2])
            kind = kind[-2:]
        if "|" in kind and not _begins_line(text, place - 2, kind):
            out.append(kind)
        elif kind in _OPENING:
            if len(stack) < DEPTH:
                stack.append((_OPENING[kind], len(out), place))
                out.append("\n" if kind == "{|" else "")
            else:
                slips += 1
        elif stack and stack[-1][0] == kind:
            _, start, begin = stack.pop()
            shown = _rendered(kind, "".join(out[start:]), title, site)
            if shown is None:
                shown = _of_unknown(text, begin, place, site, [] if stack else unknown)
            out[start:] = [shown]
        elif stack or kind == "|}":
            slips += 1
            level = next((i for i in range(len(stack) - 1, -1, -1) if stack[i][0] == kind), -1)
            # A bracket may be plain text within a template, not the other way round.
            if level >= 0 and kind != "]]":
                start = stack[level][1]
                del stack[level:]
                out[start:] = [_rendered(kind, "".join(out[start:]), title, site) or ""]
        # Else it ends nothing: the parser would leave it too, and marks go with the rest.
    out.append(pieces[-1])
    return "".join(out), slips + len(stack)


def _of_unknown(text: str, begin: int, end: int, site: Site, unknown: list[tuple[str, str]]) -> str:
    """What a template leaves that nothing is known of; within a sentence it is noted.

    Args:
        text: that it stands in.
        begin: where what it holds begins.
        end: where it ends.
        site: the wiki.
        unknown: takes up its name and the words around it.
    """
    content = text[begin : end - 2]
    if "\n" in content or not _within_sentence(text, begin - 2, end):
        return ""
    name, _, rest = content.partition("|")
    before = text[max(0, begin - 2 - _AROUND) : begin - 2].rpartition("\n")[2]
    after = text[end : end + _AROUND].partition("\n")[0]
    example = f"{before}{{{{{content[:_AROUND]}}}}}{after}"
    unknown.append((name.strip(), example.replace(LINK_START, "").replace(LINK_END, "")))
    if site.unknown == "last":
        return wikitext_rules.last_argument(_DOUBLE.sub("", rest).split("|"))
    return ""


def _within_sentence(text: str, begin: int, end: int) -> bool:
    """True if words stand before and after a place on its line: no note or box, by its look.

    A note stands at the end of a word or a sentence, without a space; but for scripts
    without spaces.
    """
    before = text[max(0, begin - _AROUND) : begin].rpartition("\n")[2].rstrip("'")
    words = before.rstrip()
    if not words or words[0] in "|!{" or words[-1] in ".!?。！？":
        return False
    if words == before and not (ord(words[-1]) > 0x2E7F or words[-1] in '([„“"«’-–/=≈~±$€£'):
        return False
    after = text[end : end + _AROUND].partition("\n")[0].strip()
    return bool(after) and _LETTER.search(before) is not None


def _with_simple_links(text: str) -> str:
    """Links to pages as their text between marks; the only thing that most links need."""
    if "[[" not in text:
        return text
    # Faster than a replacement with a group, which is expanded for every link.
    pieces = _SIMPLE_LINK.split(text)
    links = zip(pieces[1::3], pieces[2::3], strict=True)
    pieces[1::3] = [f"{LINK_START}{shown or target}{LINK_END}" for target, shown in links]
    del pieces[2::3]
    return "".join(pieces)


def _begins_line(text: str, place: int, kind: str) -> bool:
    """True if only marks of lists (before a table) or spaces stand before it on its line."""
    near = max(0, place - 12)
    start = text.rfind("\n", near, place)
    if start < 0 and near:
        return False
    return not text[start + 1 if start >= 0 else 0 : place].strip(
        " \t:;*#" if kind == "{|" else " \t"
    )


def _rendered(kind: str, content: str, title: str, site: Site) -> str | None:
    """The text of a template, link or table; None for an unknown template."""
    if kind == "}}":
        name, bar, parts = content.partition("|")
        if site.templates.find(name) is nothing:  # as most are
            return ""
        return wikitext_rules.template(name, parts.split("|") if bar else [], title, site)
    if kind == "]]":
        target, bar, text = content.partition("|")
        return wikitext_rules.link(target, text if bar else None, site)
    return "\n"


def _paragraphs(text: str) -> str:
    """Lines without quotes, tags and list marks; lists of nothing but links are left out."""
    text = _without_tags(text)
    if "[" in text:
        text = _EXTERNAL.sub(lambda match: wikitext_rules.external_link(match.group(1)), text)
    text = _SWITCHES.sub("", text)
    text = _QUOTES.sub(lambda match: "'" if len(match.group()) == 4 else "", text)
    out: list[str] = []
    blank = True
    for line in text.split("\n"):
        line = line.strip()
        first = line[:1]
        item = ""
        if not line:
            pass
        elif first in "*#:;":
            item = line.lstrip("*#:; \t")
            if not says_something(item):
                continue
        elif not (
            first in "|!}"
            or line.startswith(("{|", "----"))
            or (first == "=" and _HEADING.fullmatch(line))
        ):
            if LINK_START not in line or says_something(line):
                out.append(line)
                blank = False
            continue
        # One blank line is enough, also around the items of lists.
        if not blank:
            out.append("")
        if item:
            out += [item, ""]
        blank = True
    prose = "\n".join(out)
    return tidy(unescape(prose))


def _without_tags(text: str) -> str:
    return _TAGS.sub("", _BREAKS.sub("\n", text)) if "<" in text else text
