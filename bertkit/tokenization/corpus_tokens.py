"""Tokenizes text files to arrays of ids with kernels, equal to `WordPieceTokenizer`.

The kernel reads blocks of whole lines and stops where it needs help: a page of the character
table, more room for the words it has met, or a word that only the Python tokenizer can cut.
"""

from __future__ import annotations

import io
import string
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from bertkit.errors import DataError
from bertkit.summary.counter import TextCounter
from bertkit.text.encoding import not_utf8
from bertkit.text.files import open_text
from bertkit.tokenization.kernels import wordpiece_kernel
from bertkit.tokenization.kernels.characters import CharacterTable, byte_classes
from bertkit.tokenization.kernels.trie import build_trie
from bertkit.tokenization.normalisation import UNCASED, Normalisation
from bertkit.tokenization.vocabulary import Vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer

CHUNK = 1 << 20
_SLACK = 64  # the kernels read in blocks
_SCRATCH = 4096
_LOWER_CASE_BITS = 0x2020202020202020


@dataclass(frozen=True)
class TokenizedText:
    """A corpus as token ids, without strings.

    Attributes:
        tokens: ids of all sentences one after the other, uint16, or uint32 where the
            vocabulary needs it.
        sentences: uint32[sentences + 1], first token of each sentence and the end.
        documents: uint32[documents + 1], first sentence of each document and the end.

    No sentence and no document is empty.
    """

    tokens: np.ndarray
    sentences: np.ndarray
    documents: np.ndarray

    @property
    def document_count(self) -> int:
        """Number of documents."""
        return len(self.documents) - 1

    @property
    def sentence_count(self) -> int:
        """Number of sentences."""
        return len(self.sentences) - 1


def token_dtype(vocab: Vocab) -> type[np.uint16] | type[np.uint32]:
    """The smallest type that holds every id and one more value."""
    return np.uint16 if len(vocab) <= 0xFFFF else np.uint32


def tokenize_files(
    paths: Sequence[str | Path], vocab: Vocab, normalisation: Normalisation = UNCASED
) -> TokenizedText:
    """Tokenize text files (one sentence per line, blank line between documents).

    All files are one corpus; the end of a file does not end a document. The tokens are
    those of `WordPieceTokenizer`, the sentences and documents those of `read_documents`.

    Raises:
        DataError: a file cannot be read, is not UTF-8 (names line and byte), or there
            are more than 2**32 tokens.
    """
    return StreamTokenizer(vocab, normalisation).tokenize_files(paths)


class StreamTokenizer:
    """The tokenizer with its tables, to be used again for the next corpus.

    Args:
        vocab: the vocabulary.
        normalisation: as for WordPieceTokenizer.
        variant: another program's tokenizer, to be followed instead of Google's. It must
            treat words between ASCII white space each for itself.
        word_length: letters of the longest word that is not [UNK]; None: 200. A variant has
            its own.
    """

    def __init__(
        self,
        vocab: Vocab,
        normalisation: Normalisation = UNCASED,
        variant: WordPieceTokenizer | None = None,
        word_length: int | None = None,
    ) -> None:
        self.dtype = token_dtype(vocab)
        google = WordPieceTokenizer(vocab, normalisation, word_length)
        self._python = variant or google
        room = _room_for(self._python.longest_word)
        self._characters = CharacterTable(normalisation, _differs(google, self._python))
        self._hard_words: dict[bytes, tuple[np.ndarray, bool]] = {}
        marks = np.full(256, vocab.unk_id, self.dtype)
        for mark in string.punctuation:
            marks[ord(mark)] = vocab.ids.get(mark, vocab.unk_id)
        bits = 16
        self._tables = wordpiece_kernel.Tables(
            classes=byte_classes(),
            marks=marks,
            case_bits=np.array([_LOWER_CASE_BITS if normalisation.do_lower_case else 0], np.uint64),
            pages=self._characters.pages,
            entries=self._characters.entries,
            texts=self._characters.texts,
            trie=build_trie(vocab.ids, vocab.unk_id),
            words=np.zeros(wordpiece_kernel.SLOT << bits, np.uint64),
            word_shift=np.array([64 - bits], np.uint64),
            pieces=np.zeros(2 << bits, self.dtype),
            used=np.zeros(2, np.int64),
            longest=np.array([self._python.longest_word], np.uint64),
            scratch=np.zeros(room, np.uint8),
            found=np.zeros(room, np.int64),
        )

    def tokenize_files(
        self, paths: Sequence[str | Path], counter: TextCounter | None = None
    ) -> TokenizedText:
        """Tokenize files as one corpus; see the function of this name.

        Args:
            paths: text files.
            counter: counts the same bytes, so that they need not be read again.
        """
        corpus = _Corpus(self.dtype)
        for path in paths:
            if counter is not None:
                counter.begin(str(path))
            with open_text(path) as stream:
                self._read(stream, path, corpus, counter)
        return corpus.finished()

    def tokenize_texts(self, texts: Iterable[tuple[str | Path, bytes]]) -> TokenizedText:
        """Tokenize texts as one corpus, like files; each with its name for error messages."""
        corpus = _Corpus(self.dtype)
        for name, text in texts:
            self._read(io.BytesIO(text), name, corpus)
        return corpus.finished()

    def _read(
        self,
        stream: IO[bytes],
        path: str | Path,
        corpus: _Corpus,
        counter: TextCounter | None = None,
    ) -> None:
        """Feed a file to the kernel in blocks of whole lines, and then to the counter."""
        line_number = 1
        offset = 0  # in the file, of the first byte of the buffer
        buffer = bytearray(CHUNK + _SLACK)
        kept = 0
        while True:
            if kept + CHUNK + _SLACK > len(buffer):  # a line longer than the buffer
                buffer.extend(bytes(len(buffer)))
            count = stream.readinto(memoryview(buffer)[kept : kept + CHUNK])  # type: ignore[attr-defined]
            filled = kept + count
            if count:
                end = buffer.rfind(b"\n", 0, filled) + 1
            else:  # the last line need not be terminated; nothing but \r is no line
                end = filled if buffer[:filled].strip(b"\r") else 0
                buffer[end:end] = b"\n" if end else b""
                end += end > 0
            if end:
                lines = _count_lines(buffer, end)
                self._read_lines(buffer, end, lines, corpus, _Place(path, line_number, offset))
                line_number += lines
            if counter is not None:
                # What is kept comes again; a line end that was added is not the file's.
                with memoryview(buffer) as block:
                    counter.feed(block[: end if count else filled])
            if not count:
                return
            kept = filled - end
            buffer[:kept] = buffer[end:filled]
            offset += end

    def _read_lines(
        self, buffer: bytearray, end: int, lines: int, corpus: _Corpus, place: _Place
    ) -> None:
        """Run the kernel over buffer[:end] and help it where it stops."""
        data = np.frombuffer(buffer, np.uint8)
        corpus.reserve(end, lines)
        progress = corpus.progress
        progress[[wordpiece_kernel.AT, wordpiece_kernel.LINE_AT, wordpiece_kernel.SOLID_END]] = 0
        while True:
            status = wordpiece_kernel.tokenize_lines(
                data,
                end,
                self._tables,
                corpus.tokens,
                corpus.sentence_ends,
                corpus.document_ends,
                progress,
            )
            if status == wordpiece_kernel.DONE:
                return
            if status == wordpiece_kernel.NEEDS_PAGE:
                self._fill_page(int(progress[wordpiece_kernel.PAGE]))
            elif status == wordpiece_kernel.NEEDS_ROOM:
                self._enlarge()
            elif status == wordpiece_kernel.NEEDS_PYTHON:
                self._tokenize_word(buffer, corpus, place)
            else:
                raise place.not_utf8(buffer, int(progress[wordpiece_kernel.AT]))

    def _tokenize_word(self, buffer: bytearray, corpus: _Corpus, place: _Place) -> None:
        """Tokenize the word at the kernel's place, up to ASCII white space, in Python."""
        progress = corpus.progress
        begin = int(progress[wordpiece_kernel.AT])
        end = min(
            found for found in (buffer.find(space, begin) for space in b" \t\n") if found >= 0
        )
        word = bytes(buffer[begin:end])
        known = self._hard_words.get(word)
        if known is None:
            try:
                text = word.decode("utf-8").replace("\r", "")
            except UnicodeDecodeError as error:
                raise place.not_utf8(buffer, begin) from error
            ids = self._python.ids(self._python.tokenize(text))
            known = np.array(ids, self.dtype), bool(text.strip())
            if len(self._hard_words) < 1 << 16 and len(word) < _SCRATCH:
                self._hard_words[word] = known
        ids_of_word, solid = known
        written = int(progress[wordpiece_kernel.TOKENS])
        corpus.tokens[written : written + len(ids_of_word)] = ids_of_word
        progress[wordpiece_kernel.TOKENS] += len(ids_of_word)
        progress[wordpiece_kernel.AT] = end
        if solid:
            progress[wordpiece_kernel.SOLID_END] = end

    def _fill_page(self, page: int) -> None:
        self._characters.fill(page)
        self._tables = self._tables._replace(
            entries=self._characters.entries, texts=self._characters.texts
        )

    def _enlarge(self) -> None:
        """Four times the room for words met."""
        old = self._tables
        words = np.zeros(4 * len(old.words), np.uint64)
        shift = old.word_shift - np.uint64(2)
        wordpiece_kernel.move_words(old.words, words, shift[0])
        pieces = np.zeros(4 * len(old.pieces), self.dtype)
        pieces[: len(old.pieces)] = old.pieces
        self._tables = old._replace(words=words, word_shift=shift, pieces=pieces)


@dataclass(frozen=True)
class _Place:
    """Where a block of lines begins in its file."""

    path: str | Path
    line: int
    offset: int

    def not_utf8(self, buffer: bytearray, at: int) -> DataError:
        """The error for the first byte that is not UTF-8 in or behind the line of `at`."""
        begin, end = buffer.rfind(b"\n", 0, at) + 1, buffer.index(b"\n", at)
        line = self.line + buffer.count(b"\n", 0, begin)
        try:
            bytes(buffer[begin:end]).decode("utf-8")
        except UnicodeDecodeError as error:
            place = self.offset + begin + error.start
            return not_utf8(self.path, line, place, bytes(buffer[: end + 1]), self.offset)
        raise AssertionError("the kernel refused valid UTF-8")


class _Corpus:
    """Growing arrays and the kernel's progress over several files."""

    def __init__(self, dtype: type[np.uint16] | type[np.uint32]) -> None:
        self.tokens = np.empty(0, dtype)
        self.sentence_ends = np.empty(0, np.int64)
        self.document_ends = np.empty(0, np.int64)
        self.progress = np.zeros(wordpiece_kernel.PROGRESS, np.int64)

    def reserve(self, size: int, lines: int) -> None:
        """Make room for the tokens of `size` more bytes in `lines` lines."""
        counts = self.progress
        _grow(self.tokens, int(counts[wordpiece_kernel.TOKENS]) + size + _SLACK)
        _grow(self.sentence_ends, int(counts[wordpiece_kernel.SENTENCES]) + lines + 1)
        _grow(self.document_ends, int(counts[wordpiece_kernel.DOCUMENTS]) + lines + 1)

    def finished(self) -> TokenizedText:
        """The corpus; the last document ends here."""
        counts = self.progress
        token_count, sentence_count = (
            int(counts[wordpiece_kernel.TOKENS]),
            int(counts[wordpiece_kernel.SENTENCES]),
        )
        if token_count >= 1 << 32:
            raise DataError(
                f"{token_count:,} tokens in one corpus; at most {1 << 32:,} fit",
                "divide the text into parts, for example with `bertkit split`",
            )
        document_ends = self.document_ends[: int(counts[wordpiece_kernel.DOCUMENTS])]
        if sentence_count > counts[wordpiece_kernel.DOCUMENT_START]:
            document_ends = np.append(document_ends, sentence_count)
        self.tokens.resize(token_count, refcheck=False)
        return TokenizedText(
            self.tokens, _offsets([self.sentence_ends[:sentence_count]]), _offsets([document_ends])
        )


def _room_for(longest_word: int) -> int:
    """Bytes of the longest word, with the text of the character that makes it too long."""
    return max(_SCRATCH, 4 * longest_word + 256 + _SLACK)


def _differs(
    google: WordPieceTokenizer, variant: WordPieceTokenizer
) -> Callable[[str], bool] | None:
    """Says which characters a variant treats in another way; None for Google's own."""
    if type(variant) is WordPieceTokenizer:
        return None
    return lambda character: google.treatment(character) != variant.treatment(character)


def joined(texts: Sequence[TokenizedText]) -> TokenizedText:
    """Several corpora, at least one, as a single one; the end of each ends a document."""
    if len(texts) == 1:
        return texts[0]
    sizes = [(0, 0), *((len(text.tokens), text.sentence_count) for text in texts)]
    tokens, sentences = np.cumsum(sizes, axis=0, dtype=np.int64).T
    return TokenizedText(
        np.concatenate([text.tokens for text in texts]),
        _offsets([text.sentences[1:] + at for text, at in zip(texts, tokens, strict=False)]),
        _offsets([text.documents[1:] + at for text, at in zip(texts, sentences, strict=False)]),
    )


def _count_lines(buffer: bytearray, end: int) -> int:
    return int(np.count_nonzero(np.frombuffer(buffer, np.uint8, end) == ord("\n")))


def _grow(array: np.ndarray, size: int) -> None:
    """Enlarge in place (the system moves pages, not bytes) by half or to `size`."""
    if len(array) < size:
        array.resize(max(size, len(array) * 3 // 2), refcheck=False)


def _offsets(ends: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([[0], *ends]).astype(np.uint32)
