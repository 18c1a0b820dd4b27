"""Gives the character data of an XML element as paragraphs of plain text.

Inline elements (`i`, `sub`, MathML, any that is not known) leave no trace: what they hold
joins the text around them. Elements that a page sets apart end a paragraph, or stand
between blanks. Depth costs memory, never the stack.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from xml.etree.ElementTree import Element

_BLOCKS = (
    "p title subtitle sec section list list-item disp-quote boxed-text caption fig fig-group "
    "table-wrap table-wrap-group def-list def-item term def verse-group verse-line statement "
    "speech supplementary-material fn fn-group attrib preformat code array "
    "div br li ul ol dl dt dd table thead tbody tr h1 h2 h3 h4 h5 h6 para paragraph "
    "abstracttext sectiontitle"
)
# PubMed's, JATS' and HTML's elements that are lines or paragraphs of their own.
BLOCKS = frozenset(_BLOCKS.split())
# Elements within a line whose neighbours are words of their own.
_APART = frozenset(["dispformula", "disp-formula", "break", "td", "th", "mtd", "mspace"])
# Elements whose children are words of their own.
_APART_WITHIN = frozenset({"mfrac"})
_BOLD = frozenset({"b", "bold"})
_BREAK = "\n\n"


def local_name(element: Element) -> str:
    """The name of an element in lower case, without namespace; empty for a comment."""
    tag: object = element.tag
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def paragraphs_in(element: Element, skipped: Collection[str] = ()) -> list[str]:
    """All character data inside an element, without what follows it.

    Args:
        element: any element.
        skipped: local names, lower case, of elements whose contents are left out.

    Returns:
        Paragraphs that are not empty, each one line.
    """
    text = element.text or ""
    if len(element):
        text = "".join(_pieces(element, skipped))
        blocks = text.split(_BREAK)
    else:
        blocks = [text]
    return [line for line in (" ".join(block.split()) for block in blocks) if line]


def _pieces(root: Element, skipped: Collection[str]) -> Iterator[str]:
    closed = ""  # the element that ended here, if no text followed it
    todo: list[Element | str | tuple[str]] = [root]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            closed = ""
            # White space is not markup here, however it breaks its lines.
            yield " ".join(item.split("\n")) if "\n" in item else item
            continue
        if isinstance(item, tuple):
            (closed,) = item
            if (edge := _edge(closed)) and closed:
                yield edge
            continue
        name = local_name(item)
        if name in skipped:
            continue
        if edge := _edge(name):
            yield edge
        elif name in _BOLD and closed in _BOLD:
            yield _BREAK  # bold after bold: lines whose ends were lost
        todo.append((name,))
        for child in reversed(item):
            if child.tail:
                todo.append(child.tail)
            todo.append(child)
            if name in _APART_WITHIN:
                todo.append(" ")
        if item.text and name:  # the text of a comment is no character data
            closed = ""
            todo.append(item.text)


def _edge(name: str) -> str:
    return _BREAK if name in BLOCKS else " " if name in _APART else ""
