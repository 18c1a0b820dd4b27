"""One output file of `extract`: its input files read, cleaned, split and written."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from bertkit.corpus import mlperf
from bertkit.corpus.clean import clean_document
from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.document import Document, RawDocument, Rejected, Skipped
from bertkit.corpus.mediawiki import Span, read_mediawiki, require_parser
from bertkit.corpus.pubmed import cerebras_article
from bertkit.corpus.sentences import Splitter, make_splitter, split_lines
from bertkit.corpus.textfiles import detect_form, read_text, reader_of
from bertkit.errors import DataError
from bertkit.files import atomic_write

# So many rejected documents are named per part.
NAMED = 100


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
    facts = PartFacts()
    digest = hashlib.sha256()
    with atomic_write(Path(part.folder) / part.name) as stream:
        for path in part.paths:
            for found in documents_of(path, part.config, splitter, part.span):
                if isinstance(found, Rejected):
                    _reject(facts, found, part.config.strict)
                elif isinstance(found, Skipped):
                    facts.skipped[found.kind] = facts.skipped.get(found.kind, 0) + 1
                elif not found.sentences:
                    facts.empty += 1
                else:
                    _write(stream, digest, facts, found)
                    if facts.documents == part.config.limit:
                        facts.sha256 = digest.hexdigest()
                        return part.name, facts
    facts.sha256 = digest.hexdigest()
    return part.name, facts


def documents_of(
    path: str, config: ExtractConfig, splitter: Splitter, span: Span | None = None
) -> Iterator[Document | Rejected | Skipped]:
    """The documents of one raw file, cleaned and split into sentences.

    A document without any text comes out with no sentences.
    """
    form = form_of(path, config)
    split = split_lines if form == "sentences" else splitter
    for found in raw_documents(path, config, span):
        if isinstance(found, RawDocument):
            sentences = tuple(split(clean_document(found, form)))
            yield Document(found.id, found.title, sentences)
        else:
            yield found


def raw_documents(
    path: str, config: ExtractConfig, span: Span | None = None
) -> Iterator[RawDocument | Rejected | Skipped]:
    """The documents of one raw file as its reader finds them."""
    form = form_of(path, config)
    largest = config.max_document_megabytes * 1_000_000
    if form == "mediawiki":
        require_parser()
        return read_mediawiki(path, largest, span, config.namespace_numbers())
    if config.chain == "cerebras" and form not in ("pubmed", "pmc"):
        raise DataError(
            f"{path} is not PubMed XML", "--chain cerebras formats pubmed and pmc files only"
        )
    return reader_of(form)(path, largest)


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
    largest = part.config.max_document_megabytes * 1_000_000
    for found in read_text(part.paths[0], largest):
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
        for found in raw_documents(part.paths[0], part.config):
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
