"""One output file of `extract`: its input files read, cleaned, split and written."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any

from bertkit.corpus import mlperf
from bertkit.corpus.clean import clean_document
from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.document import Document, RawDocument, Rejected, Skipped
from bertkit.corpus.forms.mediawiki import Dump, Page, Span, article_of, dump_of, read_pages
from bertkit.corpus.forms.pubmed import cerebras_article
from bertkit.corpus.forms.tar import Packed, read_members, read_packed
from bertkit.corpus.forms.text import detect_form, read_text, reader_of
from bertkit.corpus.sentences import Splitter, make_splitter, split_lines
from bertkit.errors import DataError
from bertkit.files import atomic_write

# So many rejected documents are named per part.
NAMED = 100

Piece = RawDocument | Rejected | Skipped | Page | Packed


@dataclass(frozen=True)
class Part:
    """One output file and the input files it is made from; `span` is a part of a single dump."""

    name: str
    folder: str
    paths: tuple[str, ...]
    config: ExtractConfig
    span: Span | None = None


@dataclass
class PartFacts:
    """What a finished part holds, as the manifest keeps it."""

    bytes: int = 0
    sha256: str = ""
    documents: int = 0
    sentences: int = 0
    empty: int = 0
    rejected: int = 0
    named: list[str] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)


def make_part(part: Part) -> tuple[str, PartFacts]:
    """Write one part; runs in a worker.

    Returns:
        Its name and what it holds.

    Raises:
        DataError: an input that cannot be read; or a bad document, under `strict`.
        MissingDependencyError: the splitter needs something that is not installed.
    """
    splitter = splitter_of(part.config)
    if part.config.chain == "mlperf":
        return part.name, _make_mlperf(part, splitter)
    if part.config.chain == "cerebras":
        return part.name, _make_cerebras(part)
    return part.name, write_part(part, _documents(part, splitter))


def write_part(part: Part, documents: Iterable[Document | Rejected | Skipped]) -> PartFacts:
    """Write the documents of a part and count; errors as `make_part`."""
    facts = PartFacts()
    digest = hashlib.sha256()
    with atomic_write(Path(part.folder) / part.name) as stream:
        for found in documents:
            if isinstance(found, Rejected):
                _reject(facts, found, part.config.strict)
            elif isinstance(found, Skipped):
                facts.skipped[found.kind] = facts.skipped.get(found.kind, 0) + 1
            elif not found.sentences:
                facts.empty += 1
            else:
                _write(stream, digest, facts, found)
                if facts.documents == part.config.limit:
                    break
    facts.sha256 = digest.hexdigest()
    return facts


@dataclass(frozen=True)
class Reading:
    """How the pieces of a file become documents; it travels to workers with them.

    Attributes:
        form: of the file.
        config: the settings.
        dump: what holds for the pages of a MediaWiki dump; None for another form.
    """

    form: str
    config: ExtractConfig
    dump: Dump | None = None

    def raw(self, piece: Piece) -> Iterable[RawDocument | Rejected | Skipped]:
        """The documents of one piece, before they are cleaned."""
        if isinstance(piece, Page):
            assert self.dump is not None, "pages come from dumps"
            return (article_of(piece, self.dump),)
        if isinstance(piece, Packed):
            return read_packed(piece, _largest(self.config))
        return (piece,)

    def documents(
        self, piece: Piece, splitter: Splitter
    ) -> Iterator[Document | Rejected | Skipped]:
        """The documents of one piece, cleaned and split into sentences."""
        split = split_lines if self.form == "sentences" else splitter
        for found in self.raw(piece):
            if isinstance(found, RawDocument):
                sentences = tuple(split(clean_document(found, self.form)))
                yield Document(found.id, found.title, sentences)
            else:
                yield found


def open_pieces(
    path: str, config: ExtractConfig, span: Span | None = None
) -> tuple[Reading, Iterator[Piece]]:
    """A raw file in pieces that can be worked on one by one, and how.

    Reading them costs little beside the work on them, so that one process can read for
    several. A piece is a document, a page of a dump, or an archive inside an archive.

    Raises:
        DataError: the file is not what `config` says; or cannot be read, as it is read.
        MissingDependencyError: a dump, and mwparserfromhell is not installed.
    """
    form = form_of(path, config)
    largest = _largest(config)
    if form == "mediawiki":
        reading = Reading(form, config, dump_of(path, config.namespace_numbers()))
        return reading, read_pages(path, largest, span)
    if config.chain == "cerebras" and form not in ("pubmed", "pmc"):
        raise DataError(
            f"{path} is not PubMed XML", "--chain cerebras formats pubmed and pmc files only"
        )
    if form == "tar":
        return Reading(form, config), read_members(path, largest)
    return Reading(form, config), reader_of(form)(path, largest)


def documents_of(
    path: str, config: ExtractConfig, splitter: Splitter, span: Span | None = None
) -> Iterator[Document | Rejected | Skipped]:
    """The documents of one raw file, cleaned and split into sentences.

    A document without any text comes out with no sentences.
    """
    reading, pieces = open_pieces(path, config, span)
    for piece in pieces:
        yield from reading.documents(piece, splitter)


def _documents(part: Part, splitter: Splitter) -> Iterator[Document | Rejected | Skipped]:
    for path in part.paths:
        yield from documents_of(path, part.config, splitter, part.span)


def _largest(config: ExtractConfig) -> int:
    return config.max_document_megabytes * 1_000_000


def form_of(path: str, config: ExtractConfig) -> str:
    """The form to read a file in: the given one, or what the file looks like."""
    return detect_form(path) if config.form == "auto" else config.form


def splitter_of(config: ExtractConfig) -> Splitter:
    """The splitter that a configuration asks for, made once per process.

    Raises:
        UsageError, MissingDependencyError: as `sentences.make_splitter`.
    """
    if config.chain == "mlperf":
        return mlperf.punkt_of_2019()
    return _made(config.splitter, config.language)


# Loading a model takes seconds: once per process.
_made = functools.lru_cache(maxsize=2)(make_splitter)


def _make_mlperf(part: Part, splitter: Splitter) -> PartFacts:
    """A part in the very bytes of MLPerf's stage 3; a file that is not UTF-8 is left out."""
    facts = PartFacts()
    blob = b""
    for found in read_text(part.paths[0], _largest(part.config)):
        if isinstance(found, Rejected):
            _reject(facts, found, part.config.strict)
        else:
            text = mlperf.clean(found.text, splitter)
            blocks = [block for block in text.split("\n\n") if block.strip()]
            facts.documents = len(blocks)
            facts.sentences = sum(bool(line.strip()) for line in text.split("\n"))
            blob = text.encode("utf-8")
    with atomic_write(Path(part.folder) / part.name) as stream:
        stream.write(blob)
    facts.bytes, facts.sha256 = len(blob), hashlib.sha256(blob).hexdigest()
    return facts


def _make_cerebras(part: Part) -> PartFacts:
    """A part in the very bytes of Cerebras' PubMed formatting, one article per line."""
    facts = PartFacts()
    digest = hashlib.sha256()
    with atomic_write(Path(part.folder) / part.name) as stream:
        reading, pieces = open_pieces(part.paths[0], part.config)
        for found in chain.from_iterable(map(reading.raw, pieces)):
            if isinstance(found, Rejected):
                _reject(facts, found, part.config.strict)
                continue
            if isinstance(found, Skipped):
                facts.skipped[found.kind] = facts.skipped.get(found.kind, 0) + 1
            else:
                facts.documents += 1
                facts.sentences += 1
            blob = cerebras_article(found)
            stream.write(blob)
            digest.update(blob)
            facts.bytes += len(blob)
    facts.sha256 = digest.hexdigest()
    return facts


def _write(stream: IO[bytes], digest: Any, facts: PartFacts, document: Document) -> None:
    blob = b"\n" + document.encode() if facts.documents else document.encode()
    stream.write(blob)
    digest.update(blob)
    facts.bytes += len(blob)
    facts.documents += 1
    facts.sentences += len(document.sentences)


def _reject(facts: PartFacts, found: Rejected, strict: bool) -> None:
    text = f"{found.id}: {found.reason}"
    if strict:
        raise DataError(text, "without --strict such documents are left out and counted")
    facts.rejected += 1
    if len(facts.named) < NAMED:
        facts.named.append(text)
