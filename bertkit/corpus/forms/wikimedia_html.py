"""Reads the HTML dumps of Wikimedia Enterprise, in which every template is expanded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bertkit.corpus.document import Piece
from bertkit.corpus.forms.form import Form, ReadOptions
from bertkit.corpus.raw_file import RawFile

_KEYS = re.compile(rb'"(article_body|is_part_of|in_language|namespace|version)"\s*:\s*\{')
_BODY = re.compile(rb'"article_body"\s*:\s*\{\s*"(?:html|wikitext)"')


def begins_with_article(head: bytes) -> bool:
    """True if the first bytes of an (unpacked) file begin an article of such a dump."""
    if head[:1].isalnum():  # nearly all text ends here
        return False
    line = head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")[0]
    if not line.startswith(b"{"):
        return False
    # The article may stand behind long lists of categories, templates and redirects.
    return _BODY.search(line) is not None or len(set(_KEYS.findall(line))) >= 3


def read_wikimedia_html(file: RawFile, options: ReadOptions) -> Iterator[Piece]:
    """The articles of a dump; see `mediawiki.enterprise.read_articles`."""
    from bertkit.corpus.forms.mediawiki.enterprise import read_articles

    return read_articles(file, options)


FORM = Form(
    name="wikimedia-html",
    help="Wikimedia Enterprise's HTML dumps, also in their .tar.gz",
    read=read_wikimedia_html,
    signature=begins_with_article,
    reason="by the keys of its first line",
)
