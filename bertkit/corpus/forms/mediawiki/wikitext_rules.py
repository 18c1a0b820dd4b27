"""Replaces templates, links and magic words in wikitext; needs no clock or network.

The rules, the same whoever took the page apart (wikitext.py or wikitext_fallback.py):

- A template is dropped with all it holds, unless it stands for words of the sentence:
  those of the tables in templates/ become the words (`{{convert|5|km}}`: 5 km). Parser
  functions are evaluated where they need no clock (parser_functions.py), variables such as
  CURRENTYEAR are dropped; PAGENAME is the title of the page.
- A link becomes its text. Files, categories and links to other languages are dropped.
- References, formulas, galleries, maps, code and tables are dropped with what they hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bertkit.corpus.forms.mediawiki.parser_functions import function
from bertkit.corpus.forms.mediawiki.prose import LINK_END, LINK_START
from bertkit.corpus.forms.mediawiki.site import Site
from bertkit.corpus.forms.mediawiki.templates import nothing
from bertkit.corpus.forms.mediawiki.templates.patterns import arguments, positional


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Elements that go with what they hold; the content of the verbatim ones is no markup.
DROPPED_TAGS = _words(
    """
    ref references math chem ce gallery timeline hiero score graph imagemap mapframe maplink
    templatedata templatestyles syntaxhighlight source pre inputbox categorytree section
    includeonly table style
    """
)
PLAIN_TAGS = _words(
    """
    abbr b bdi bdo big blockquote br center cite code data dd del dfn div dl dt em font h1
    h2 h3 h4 h5 h6 hr i ins kbd li mark noinclude nowiki ol onlyinclude p poem q rb rp rt
    ruby s samp small span strike strong sub sup td th time tr tt u ul var wbr
    """
)

_LANGUAGE = re.compile(r"(?:[a-z]{2,3}|simple)(?:-[a-z-]+)?")
_TITLES = frozenset(
    _words(
        """
        pagename fullpagename basepagename subpagename seitenname vollerseitenname nompage
        nomdelapage nombredepágina nombredepagina имястраницы полноеимястраницы paginanaam
        nazwastrony nomedapágina nomedapagina sidnamn titolopagina ページ名 页名 頁名
        """
    )
)


def link(target: str, text: str | None, site: Site) -> str:
    """The text of `[[target|text]]`; empty where the link shows nothing in the sentence."""
    prefix, colon, _ = target.partition(":")
    prefix = prefix.strip().lower()
    if colon and prefix in site.dropped:
        return ""
    if text is None:
        if colon and _LANGUAGE.fullmatch(prefix):
            return ""
        text = target.lstrip(":").lstrip("#")
    elif not text.strip():
        # The pipe trick: what stands before the bracket.
        text = target.rpartition(":")[2].partition(" (")[0]
    return f"{LINK_START}{text.strip(LINK_START + LINK_END)}{LINK_END}"


def external_link(url_and_text: str) -> str:
    """The text of `[url text]`, empty for a bare number."""
    _, _, text = url_and_text.partition(" ")
    return f"{LINK_START}{text.strip()}{LINK_END}" if text.strip() else ""


def template(name: str, parts: Sequence[str], title: str, site: Site) -> str | None:
    """The words that a template stands for, or nothing.

    Args:
        name: as written.
        parts: what stands between the bars after it, `value` or `name=value`.
        title: of the page.
        site: whose templates they are.

    Returns:
        The words, often none; None for a template that nothing is known of.
    """
    find = site.templates.find
    bare, found = name, find(name)
    if found is None and ":" in name:
        pieces = name.split(":")
        own = 0
        while own < len(pieces) - 1 and f"{pieces[own].lstrip()}:".lower() in site.prefixes:
            own += 1
        if own:
            bare = ":".join(pieces[own:])
            found = find(bare)
    if found is nothing:  # as most are: their arguments need not be looked at
        return ""
    if found is not None:
        return found(arguments(parts))
    if bare.strip().lower() in _TITLES:
        return title
    return function(bare, parts)


def last_argument(parts: Sequence[str]) -> str:
    """What is left of an unknown template, if that is wanted: its last argument without a name."""
    values = positional(arguments(parts))
    return values[-1] if values else ""
