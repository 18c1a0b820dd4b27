"""Reads the HTML dumps of Wikimedia Enterprise: an article as HTML in each line of JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bertkit.codecs.json_lines import parse_json
from bertkit.corpus.document import Found, Noticed, RawDocument, Rejected, Skipped, Unparsed
from bertkit.corpus.forms.form import ReadOptions
from bertkit.corpus.forms.mediawiki.html_text import is_redirect, plain_text_of_html
from bertkit.corpus.forms.text import too_large
from bertkit.corpus.lines import DocumentBytes, lines
from bertkit.corpus.noticed import WIKI
from bertkit.corpus.raw_file import RawFile
from bertkit.errors import DataError


@dataclass(frozen=True)
class Article(Unparsed):
    """A line of the dump.

    Attributes:
        place: names it in messages.
        blob: its JSON.
        wanted: numbers of the namespaces whose pages are taken.
        first: True for the first line of a file, which tells the name of the wiki.
    """

    place: str
    blob: bytes
    wanted: tuple[int, ...]
    first: bool

    @property
    def size(self) -> int:
        """Bytes of its JSON."""
        return len(self.blob)

    def documents(self) -> Sequence[Found]:
        """The article as plain text.

        Returns:
            `RawDocument`; `Skipped` for a redirect or a page of another namespace;
            `Rejected` for a line that is no article.
        """
        try:
            value = parse_json(self.blob.decode("utf-8"), self.place)
        except UnicodeDecodeError as error:
            return (Rejected(self.place, f"not UTF-8 at byte {error.start} of the line"),)
        except DataError as error:
            return (Rejected(self.place, error.message.removeprefix(f"{self.place}: ")),)
        body = value.get("article_body") if isinstance(value, dict) else None
        document = body.get("html") if isinstance(body, dict) else None
        if not isinstance(document, str):
            reason = 'no article: expected {"name": ..., "article_body": {"html": ...}}'
            return (Rejected(self.place, reason),)
        found = self._article(value, document)
        wiki = _wiki(value) if self.first else ""
        return (Noticed(WIKI, wiki), found) if wiki else (found,)

    def _article(self, value: Mapping[str, Any], document: str) -> Found:
        namespace = _identifier(value.get("namespace"))
        if namespace and namespace not in map(str, self.wanted):
            return Skipped("other namespace")
        if is_redirect(document):
            return Skipped("redirect")
        title = value.get("name")
        title = title if isinstance(title, str) else ""
        number = value.get("identifier")
        name = f"{number} ({title})" if isinstance(number, int | str) else self.place
        return RawDocument(name, title, plain_text_of_html(document))


def read_articles(file: RawFile, options: ReadOptions) -> Iterator[Article | Rejected]:
    """The articles of a file of such lines, as it stands in the archive; errors as `lines`."""
    held = DocumentBytes(options.max_bytes)
    first = True
    for line in lines(file):
        if line.begins and held.size:
            yield from _pieces(file, held, options, first)
            first = first and not held.blob.strip()
            held = DocumentBytes(options.max_bytes)
        held.add(line)
    yield from _pieces(file, held, options, first)


def _pieces(
    file: RawFile, held: DocumentBytes, options: ReadOptions, first: bool
) -> Iterator[Article | Rejected]:
    place = f"{file}:{held.number}"
    if held.too_large:
        yield too_large(place, options)
    elif blob := held.blob.strip():
        yield Article(place, blob, options.namespaces, first)


def _wiki(value: Mapping[str, Any]) -> str:
    database = _identifier(value.get("is_part_of"))
    language = _identifier(value.get("in_language"))
    return f"{database} ({language})" if database and language else database or language


def _identifier(value: Any) -> str:
    """What names a thing that is written as an object with `identifier`; "" if nothing does."""
    found = value.get("identifier") if isinstance(value, dict) else None
    return str(found) if isinstance(found, int | str) else ""
