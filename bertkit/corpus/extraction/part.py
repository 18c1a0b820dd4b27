"""Makes one output file of `extract`: reads, cleans and splits its input files."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit import log
from bertkit.corpus import forms, noticed
from bertkit.corpus.chains import mlperf
from bertkit.corpus.clean import clean_document
from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.document import (
    Document,
    DocumentWriter,
    Noticed,
    Piece,
    RawDocument,
    Rejected,
    Skipped,
    parsed,
)
from bertkit.corpus.document_names import name_line, names_beside
from bertkit.corpus.extraction.chain_inputs import check_chain_input
from bertkit.corpus.extraction.summary import CountedStream
from bertkit.corpus.forms.detect import Detection, detect, given_form
from bertkit.corpus.forms.form import Form, ReadOptions, Span
from bertkit.corpus.forms.text import FORM as TEXT
from bertkit.corpus.raw_file import UTF8, RawFile
from bertkit.corpus.sentence_rules.scripts import main_script
from bertkit.corpus.sentences import make_splitter, split_lines
from bertkit.errors import DataError
from bertkit.storage.files import atomic_write
from bertkit.text.sentence_splitter import Splitter

if TYPE_CHECKING:
    from bertkit.summary.counts import TextCounts

# So many rejected documents are named per part.
NAMED = 100


@dataclass(frozen=True)
class Part:
    """One output file and the input files it is made from.

    Attributes:
        span: the bytes to read, where the part is made from a piece of a single file.
        forms: name of the form of each path; none: each is looked at as it is read.
        registered: forms from outside of the package, which a worker may not know.
        level: of the counts of what is written.
    """

    name: str
    folder: str
    paths: tuple[str, ...]
    config: ExtractConfig
    span: Span | None = None
    forms: tuple[str, ...] = ()
    registered: tuple[Form, ...] = ()
    level: int = 0

    @property
    def inputs(self) -> list[tuple[str, str]]:
        """Each path with the name of its form; that is empty where it is not known yet."""
        return list(zip(self.paths, self.forms or ("",) * len(self.paths), strict=True))


@dataclass
class PartFacts:
    """What a finished part holds, as the manifest keeps it.

    Attributes:
        text: counts of what was written, which the manifest keeps of all parts together.
    """

    bytes: int = 0
    sha256: str = ""
    documents: int = 0
    sentences: int = 0
    empty: int = 0
    rejected: int = 0
    named: list[str] = field(default_factory=list)
    forms: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    scripts: dict[str, int] = field(default_factory=dict)
    noticed: noticed.Tally = field(default_factory=dict)
    text: TextCounts | None = field(default=None, repr=False, compare=False)

    def stated(self) -> dict[str, Any]:
        """For the manifest."""
        return {name: value for name, value in vars(self).items() if name != "text"}

    def leave_out(self, found: Rejected | Skipped | Noticed, strict: bool) -> None:
        """Count something that is not written.

        Raises:
            DataError: a rejected document, under `strict`.
        """
        if isinstance(found, Skipped):
            self.skipped[found.kind] = self.skipped.get(found.kind, 0) + 1
            return
        if isinstance(found, Noticed):
            noticed.count(self.noticed, found)
            return
        text = f"{found.id}: {found.reason}"
        if strict:
            raise DataError(text, "without --strict such documents are left out and counted")
        self.rejected += 1
        if len(self.named) < NAMED:
            self.named.append(text)

    def take(self, writer: DocumentWriter) -> None:
        """Take over what was written."""
        self.bytes, self.sha256 = writer.bytes, writer.sha256
        self.documents, self.sentences = writer.documents, writer.sentences


def make_part(part: Part) -> tuple[str, PartFacts]:
    """Write one part; runs in a worker.

    Returns:
        Its name and what it holds.

    Raises:
        DataError: an input that cannot be read; or a bad document, under `strict`.
        MissingDependencyError: the splitter needs something that is not installed.
    """
    forms.register_missing(part.registered)
    splitter = splitter_of(part.config)
    for path in part.paths:
        check_chain_input(path, part.config)
    if part.config.chain == "mlperf":
        return part.name, _make_mlperf(part, splitter)
    if part.config.chain == "cerebras":
        return part.name, _make_cerebras(part)
    documents = (
        found
        for path, name in part.inputs
        for found in documents_of(path, part.config, splitter, span=part.span, form_name=name)
    )
    return part.name, write_part(part, documents)


def write_part(
    part: Part, documents: Iterable[Document | Rejected | Skipped | Noticed]
) -> PartFacts:
    """Write the documents of a part and count; errors as `make_part`."""
    facts = PartFacts(forms=dict(Counter(part.forms)))
    place = Path(part.folder) / part.name
    # The names are complete before the part has its own.
    with atomic_write(place) as stream, atomic_write(names_beside(str(place))) as names:
        counted = CountedStream(stream, part.level)
        writer = DocumentWriter(counted)
        for found in documents:
            if not isinstance(found, Document):
                facts.leave_out(found, part.config.strict)
            elif not found.sentences:
                facts.empty += 1
            else:
                writer.write(found)
                if found.script:
                    facts.scripts[found.script] = facts.scripts.get(found.script, 0) + 1
                names.write(name_line(found.id))
                if writer.documents == part.config.limit:
                    break
    facts.take(writer)
    facts.text = counted.counts()
    return facts


def open_pieces(
    path: str, config: ExtractConfig, span: Span | None = None, form_name: str = ""
) -> tuple[Form, Iterator[Piece]]:
    """The form of a raw file, and the file in pieces that can be worked on one by one.

    Reading them costs little beside the work on them, so that one process can read for
    several.

    Args:
        path: local or remote.
        config: the settings.
        span: the bytes to read; None for all.
        form_name: its form, if it is known.

    Raises:
        DataError: the file is not what `config` says; or cannot be read, as it is read.
        MissingDependencyError: the form needs a package that is not installed.
    """
    form = forms.form_named(form_name) if form_name else form_of(path, config)
    return form, form.read(raw_file(path, config), read_options(config, span))


def documents_of(
    path: str,
    config: ExtractConfig,
    splitter: Splitter,
    *,
    span: Span | None = None,
    form_name: str = "",
) -> Iterator[Document | Rejected | Skipped | Noticed]:
    """The documents of one raw file, cleaned and split into sentences.

    A document without any text comes out with no sentences.
    """
    form, pieces = open_pieces(path, config, span, form_name)
    return split_documents(pieces, form, splitter)


def split_documents(
    pieces: Iterable[Piece], form: Form, splitter: Splitter
) -> Iterator[Document | Rejected | Skipped | Noticed]:
    """The documents of these pieces of a file, cleaned and split into sentences."""
    for found in parsed(pieces):
        if isinstance(found, RawDocument):
            lines, titled, escaped = found.treatment or form.treatment
            text = clean_document(found, titled=titled, escaped=escaped)
            split = split_lines if lines else splitter
            # Lines are no question of the language.
            script = "" if split is split_lines else main_script(text)
            yield Document(found.id, found.title, tuple(split(text)), script)
        else:
            yield found


def form_of(path: str, config: ExtractConfig) -> Form:
    """The form to read a file in: the given one, or what the file looks like."""
    return detection_of(path, config).form


def detection_of(path: str, config: ExtractConfig) -> Detection:
    """The form to read a file in, and why; that of `--form` holds for members of archives.

    Raises:
        NotTextError: it looks like nothing that is known.
        DataError: it cannot be read.
    """
    file = raw_file(path, config)
    if config.form == forms.AUTO:
        return detect(file, read_options(config))
    form = given_form(file, config.form)
    return Detection(form, "an archive" if form.container else "--form says so")


@functools.lru_cache(maxsize=64)
def read_options(config: ExtractConfig, span: Span | None = None) -> ReadOptions:
    """What readers need to know of the settings."""
    # That a file is an archive says nothing of its members.
    said = config.form != forms.AUTO and not forms.form_named(config.form).container
    return ReadOptions(
        max_bytes=_max_bytes(config),
        span=span,
        namespaces=config.namespace_numbers(),
        text_key=config.text_key or "",
        title_key=config.title_key or "",
        encoding=config.encoding or UTF8,
        form=config.form if said else "",
        variant=config.variant,
        unknown_templates=config.unknown_templates,
    )


def raw_file(path: str, config: ExtractConfig) -> RawFile:
    """The raw file at a path, with the encoding of the settings."""
    return RawFile(path, path=path, encoding=config.encoding or UTF8).loaded()


def splitter_of(config: ExtractConfig) -> Splitter:
    """The splitter that a configuration asks for, made once per process.

    Raises:
        UsageError, MissingDependencyError: as `sentences.make_splitter`.
    """
    if config.chain == "mlperf":
        return mlperf.punkt_of_2019()
    if config.chain == "cerebras":  # which cuts nothing
        return split_lines
    return _made(config.splitter, config.language)


# Loading a model takes seconds: once per process.
_made = functools.lru_cache(maxsize=2)(make_splitter)


def _make_mlperf(part: Part, splitter: Splitter) -> PartFacts:
    """A part in the very bytes of MLPerf's stage 3; files that its tools cannot read go."""
    facts = PartFacts()
    options = ReadOptions(max_bytes=_max_bytes(part.config))
    with atomic_write(Path(part.folder) / part.name) as stream:
        counted = CountedStream(stream, part.level)
        writer = DocumentWriter(counted)
        for found in TEXT.documents(part.paths[0], options):
            if not isinstance(found, RawDocument):
                facts.leave_out(found, part.config.strict)
                continue
            if "\0" in found.text and "\0" in mlperf.strip_titles(found.text):
                why = "holds NUL characters: the benchmark's grep takes it for binary data"
                facts.leave_out(Rejected(found.id, why), part.config.strict)
                continue
            if not found.text.rstrip().endswith("</doc>"):
                log.warn_once(f"{part.paths[0]}: cut off: it does not end with </doc>")
            text = mlperf.clean(found.text, splitter)
            writer.write_bytes(text.encode("utf-8"), **mlperf.counts(text))
    facts.take(writer)
    facts.text = counted.counts()
    return facts


def _make_cerebras(part: Part) -> PartFacts:
    """A part in the very bytes of Cerebras' PubMed formatting, one article per line."""
    from bertkit.corpus.chains.cerebras_pubmed import cerebras_article, read_reference

    facts = PartFacts()
    with atomic_write(Path(part.folder) / part.name) as stream:
        counted = CountedStream(stream, part.level)
        writer = DocumentWriter(counted)
        path = part.paths[0]
        form = form_of(path, part.config).name
        for found in read_reference(path, form, _max_bytes(part.config)):
            if not isinstance(found, RawDocument):
                facts.leave_out(found, part.config.strict)
            if isinstance(found, RawDocument | Skipped):
                written = int(isinstance(found, RawDocument))
                writer.write_bytes(cerebras_article(found), documents=written, sentences=written)
    facts.take(writer)
    facts.text = counted.counts()
    return facts


def _max_bytes(config: ExtractConfig) -> int:
    return config.max_document_megabytes * 1_000_000
