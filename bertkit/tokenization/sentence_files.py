"""Reads sentence files: one sentence per line, blank lines between documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bertkit.text.encoding import decode_utf8, not_utf8
from bertkit.text.files import open_text
from bertkit.tokenization.wordpiece import WordPieceTokenizer

Sentence = list[str]
Document = list[Sentence]


def read_lines(path: str | Path) -> Iterator[str]:
    """Lines of a text file as TensorFlow's file reader cuts them, stripped at both ends.

    A line ends at `\\n` alone and every `\\r` is dropped, unlike Python's text files.

    Raises:
        DataError: no such file, or not UTF-8 (names line and byte offset).
    """
    offset = 0
    with open_text(path) as stream:
        for number, raw in enumerate(stream, start=1):
            try:
                text = raw.decode("utf-8").replace("\r", "")
            except UnicodeDecodeError as error:
                raise not_utf8(path, number, offset + error.start, raw, offset) from error
            if not text:  # a last line of nothing but \r is the end of the file
                return
            yield text.strip()
            offset += len(raw)


def read_universal_lines(path: str | Path) -> Iterator[str]:
    """Lines of a text file as Python's text files cut them, stripped at both ends.

    `\n`, `\r\n` and a lone `\r` end a line.

    Raises:
        DataError: no such file, or not UTF-8 (names line and byte offset).
    """
    lines = read_text(path).split("\n")
    if not lines[-1]:  # behind the last line end there is no line
        lines.pop()
    for line in lines:
        yield line.strip()


def read_text(path: str | Path) -> str:
    """A whole text file with every line end as `\n`, as Python's text files read it.

    Raises:
        DataError: no such file, or not UTF-8 (names line and byte offset).
    """
    with open_text(path) as stream:
        text = decode_utf8(stream.read(), path)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_documents(
    paths: Iterable[str | Path],
    tokenizer: WordPieceTokenizer,
    lines_of: Callable[[str | Path], Iterator[str]] = read_lines,
) -> list[Document]:
    """All files as one corpus of tokenized documents, none of them empty.

    A blank line ends a document; the end of a file does not, so the next file continues
    it. A line without tokens (only control characters, say) is no sentence, and
    does not end the document either.

    Args:
        paths: the files.
        tokenizer: cuts lines into tokens.
        lines_of: how a file is cut into stripped lines.
    """
    documents: list[Document] = [[]]
    for path in paths:
        for line in lines_of(path):
            if not line:
                documents.append([])
            elif tokens := tokenizer.tokenize(line):
                documents[-1].append(tokens)
    return [document for document in documents if document]
