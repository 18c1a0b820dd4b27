"""Reads FASTA: sequences of DNA, RNA or proteins, each a document.

A record begins with a line of `>` and its name; its letters stand on the lines that follow.
Each of these lines is a sentence, and to WordPiece a word, so that `train-vocab` and the
records see pieces of one width. Lines of more than 200 letters need `--word-length`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.form import Form, ReadOptions
from bertkit.corpus.forms.text import too_large
from bertkit.corpus.lines import DocumentBytes, lines
from bertkit.corpus.raw_file import RawFile

# A name, then letters, gaps and stops; comments may stand between.
_BEGINS = re.compile(rb"\s*>[^\s>][^\n]*\n(?:[;>][^\n]*\n)*[A-Za-z*\-.]+\r?(?:\n|\Z)")


def begins_fasta(head: bytes) -> bool:
    """True if a text begins with a record: a line of `>` and a name, then one of letters only."""
    return _BEGINS.match(head) is not None


def read_fasta(file: RawFile, options: ReadOptions) -> Iterator[RawDocument | Rejected]:
    """The records of a file in their order; one without letters is a document without text."""
    name = ""
    held = DocumentBytes(options.max_bytes)
    for line in lines(file):
        if line.begins and line.blob.startswith(b">"):
            if name:
                yield _document(name, held, options)
            words = line.blob[1:].decode("utf-8", errors="replace").split()
            name = words[0] if words else f"{file}:{line.number}"
            held = DocumentBytes(options.max_bytes)
        elif name and not (line.begins and line.blob.startswith(b";")):
            held.add(line)
    if name:
        yield _document(name, held, options)


def _document(name: str, held: DocumentBytes, options: ReadOptions) -> RawDocument | Rejected:
    if held.too_large:
        return too_large(name, options)
    try:
        return RawDocument(name, "", held.blob.decode("ascii"))
    except UnicodeDecodeError as error:
        return Rejected(name, f"not ASCII at byte {error.start} of its letters")


FORM = Form(
    name="fasta",
    help="sequences of DNA or proteins, `>` and a name before each",
    read=read_fasta,
    signature=begins_fasta,
    endings=(".fasta", ".fa", ".fna", ".faa", ".ffn"),
    reason="its first line is `>` and a name, and letters follow",
    one_sentence_per_line=True,
)
