"""Counts what text files hold: sentence files as they are, raw ones as their documents."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.document import RawDocument, parsed
from bertkit.corpus.extraction.input_forms import InputForms, take_inputs
from bertkit.corpus.forms.detect import detect
from bertkit.corpus.forms.form import ReadOptions
from bertkit.corpus.inputs import list_inputs
from bertkit.corpus.raw_file import RawFile, open_source
from bertkit.storage.files import size_of
from bertkit.summary.counter import TextCounter
from bertkit.summary.counts import TextCounts
from bertkit.summary.sketch import level_for
from bertkit.text.unsplit import looks_unsplit

BLOCK = 1 << 20
_BEGINNING = 200_000  # bytes
# Forms whose bytes are the text itself.
_AS_THEY_ARE = ("text", "documents", "sentences")
_NOT_UTF8 = "not UTF-8"


def forms_of(inputs: Sequence[str]) -> InputForms:
    """In which form `extract` reads each file of text, and what it leaves out of a folder.

    Args:
        inputs: files, globs, folders or `@list.txt`.

    Raises:
        DataError: a file that cannot be read; a named one, or all of them, that is no text.
    """
    found = take_inputs(list_inputs(inputs, texts=False), inputs, ExtractConfig(splitter="lines"))
    _leave_out_other_encodings(found, inputs)
    return found


def _leave_out_other_encodings(found: InputForms, inputs: Sequence[str]) -> None:
    """Leave out files of folders that are not UTF-8, which `extract` skips without --encoding.

    A named one, or where all are such, stays: whoever counts it says what is wrong with it.
    """
    pairs = list(zip(found.paths, found.names, strict=True))
    damage = {
        path: damaged_at(path)
        for path, form in pairs
        if form in _AS_THEY_ARE and path not in inputs
    }
    bad = {path: at for path, at in damage.items() if at is not None}
    if not bad or len(bad) == len(pairs):
        return
    for path, at in bad.items():
        found.leave_out(path, _NOT_UTF8, f"not UTF-8 at byte {at}; extract has --encoding for it")
    kept = [pair for pair in pairs if pair[0] not in bad]
    found.paths, found.names = [path for path, _ in kept], [form for _, form in kept]


def damaged_at(path: str) -> int | None:
    """Number of the first byte of a file's text that is not UTF-8; None where all of it is.

    Raises:
        DataError: unreadable, or broken compression.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    place = 0
    with open_source(path) as stream:
        while True:
            block = stream.read(BLOCK)
            held = len(decoder.getstate()[0])
            try:
                decoder.decode(block, not block)
            except UnicodeDecodeError as error:
                return place - held + error.start
            place += len(block)
            if not block:
                return None


def describe_text(
    inputs: Sequence[str], also: Callable[[str, bytes], None] | None = None
) -> TextCounts:
    """The counts of text files; memory is bounded by a document, of plain text by a megabyte.

    Args:
        inputs: files, globs, folders or `@list.txt`, in any form that `extract` reads.
        also: called with each file's name and its text, block by block of whole lines.

    Raises:
        DataError: a file that cannot be read, or is no text.
    """
    paths = list_inputs(inputs, texts=False)
    counter = TextCounter(level_for(sum(map(size_of, paths))))
    for path in paths:
        counter.begin(path)
        for block in _blocks(path):
            counter.feed(block)
            if also is not None:
                also(path, block)
    return counter.finished()


def _blocks(path: str) -> Iterator[bytes]:
    """The text of a file; blank lines between documents."""
    file = RawFile.of(path)
    form = detect(file).form
    if form.name in _AS_THEY_ARE:
        with open_source(file) as stream:
            yield from whole_lines(iter(lambda: stream.read(BLOCK), b""))
        return
    documents = parsed(form.read(file, ReadOptions()))
    yield from whole_lines(
        f"{_without_blank_lines(found.text)}\n\n".encode()
        for found in documents
        if isinstance(found, RawDocument)
    )


def _without_blank_lines(text: str) -> str:
    """The paragraphs of a document, which blank lines would make documents of."""
    return "\n".join(line for line in text.split("\n") if line.strip())


class Beginning:
    """Keeps the beginning of text that `describe_text` passes on.

    Args:
        names: of the forms of the files.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._as_it_stands = all(name in _AS_THEY_ARE for name in names)
        self._blob = b""

    def feed(self, name: str, block: bytes) -> None:
        """Keep the block, if there is room."""
        self._blob += block[: max(0, _BEGINNING - len(self._blob))]

    def lines_count(self) -> bool:
        """Whether lines may be judged as sentences: not the paragraphs of raw documents."""
        return self._as_it_stands or not looks_unsplit(self._blob.decode("utf-8", "replace"))


def whole_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks that end with a line, or within a long one behind a space."""
    held = b""
    for block in blocks:
        held += block
        if len(held) < BLOCK:
            continue
        end = _good_end(held)
        yield held[:end]
        held = held[end:]
    if held:
        yield held


def _good_end(blob: bytes) -> int:
    for mark in (b"\n", b" ", "。".encode()):
        end = blob.rfind(mark) + len(mark)
        if end >= len(mark):
            return end
    back = next((k for k in range(1, 5) if blob[-k] & 0xC0 != 0x80), 0)
    return len(blob) - back
