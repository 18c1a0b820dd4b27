"""Parses wikitext whose markers do not match, with mwparserfromhell.

That parser is tolerant and slow; wikitext.py hands it the few pages it cannot follow
itself. The rules are those of wikitext_rules.py.
"""

from __future__ import annotations

from typing import Any

from bertkit.corpus.forms.mediawiki import wikitext_rules
from bertkit.corpus.forms.mediawiki.site import Site
from bertkit.corpus.forms.mediawiki.wikitext_rules import DROPPED_TAGS
from bertkit.optional import require


def parser() -> Any:
    """The module mwparserfromhell.

    Raises:
        MissingDependencyError: it is not installed.
    """
    return require("mwparserfromhell", "MediaWiki dumps", extra="wiki")


def flatten(text: str, title: str, site: Site) -> str:
    """Text without templates, links and tables; headings, quotes and lists stay as written.

    Raises:
        MissingDependencyError: mwparserfromhell is not installed.
    """
    code = parser().parse(text, skip_style_tags=True)
    return _text(code, title, site)


def _text(code: Any, title: str, site: Site) -> str:
    return "".join(_node(node, title, site) for node in code.nodes)


def _node(node: Any, title: str, site: Site) -> str:
    kind = type(node).__name__
    if kind == "Template":
        values: list[str] = [
            f"{parameter.name}={_text(parameter.value, title, site)}"
            if parameter.showkey
            else _text(parameter.value, title, site)
            for parameter in node.params
        ]
        name: str = _text(node.name, title, site)
        return wikitext_rules.template(name, values, title, site) or ""
    if kind == "Wikilink":
        shown = None if node.text is None else _text(node.text, title, site)
        return wikitext_rules.link(_text(node.title, title, site), shown, site)
    if kind == "ExternalLink":
        if not node.brackets:
            return str(node.url)
        shown = _text(node.title, title, site) if node.title is not None else ""
        return wikitext_rules.external_link(f"{node.url} {shown}")
    if kind == "Tag":
        return _tag(node, title, site)
    if kind == "Heading":
        return str(node)
    return "" if kind in ("Comment", "Argument") else str(node)


def _tag(node: Any, title: str, site: Site) -> str:
    name = str(node.tag).strip().lower()
    if name in DROPPED_TAGS:
        return "\n" if name == "table" else ""
    if (node.wiki_markup and node.contents is None) or name in ("li", "dd", "dt", "hr", "br"):
        return str(node.wiki_markup or f"<{name}>")
    return "" if node.contents is None else _text(node.contents, title, site)
