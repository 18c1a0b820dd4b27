"""Cerebras' instances the readable way: pairs by blocks of files, windows by buffers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from bertkit.records.config import RecordsConfig
from bertkit.records.read_text import Splitter, sentence_splitter
from bertkit.records.terms import UNMASKED
from bertkit.tokenization.sentence_files import Document, read_text
from bertkit.tokenization.vocabulary import CLS, SEP
from bertkit.tokenization.wordpiece import WordPieceTokenizer
from oracle.instances import Instance, create_instances
from oracle.masking import mask_tokens


def pair_instances(
    paths: Sequence[str], config: RecordsConfig, tokenizer: WordPieceTokenizer
) -> Iterator[Instance]:
    """Sentence pairs, Google's algorithm on one block of files after the other.

    Args:
        paths: text files, each one or several documents.
        config: the settings; `dupe_factor` and both shuffles are per block.
        tokenizer: with the vocabulary.

    Raises:
        DataError: unreadable text.
    """
    rng, read, names = _beginning(paths, config, tokenizer)
    size = config.split_files or len(names)
    for start in range(0, len(names), size):
        documents = [document for name in names[start : start + size] for document in read(name)]
        if documents:
            yield from create_instances(documents, config, tokenizer.vocab.tokens, rng)


def masked_windows(
    paths: Sequence[str], config: RecordsConfig, tokenizer: WordPieceTokenizer
) -> Iterator[Instance]:
    """Masked windows [CLS] tokens [SEP] of running text; all in one segment, no pairs.

    Args: as for `pair_instances`.
    """
    rng, read, names = _beginning(paths, config, tokenizer)
    for window in _windows(names, read, config, config.document_separator, rng, tokenizer):
        masked = mask_tokens(
            window, config.masked_lm_prob, config.predictions, tokenizer.vocab.tokens, rng,
            config.whole_word_mask, {CLS, SEP, config.document_separator},
        )  # fmt: skip
        yield Instance(masked.tokens, [0] * len(window), False, masked.positions, masked.labels)


def unmasked_windows(
    paths: Sequence[str], config: RecordsConfig, tokenizer: WordPieceTokenizer
) -> Iterator[list[str]]:
    """Windows [CLS] tokens [SEP] to be masked in training, once each.

    As in the original, a separator between documents is lower-cased with the text.

    Args: as for `pair_instances`; `dupe_factor` is not used.
    """
    rng, read, names = _beginning(paths, config, tokenizer)
    separator = config.document_separator
    separator = separator.lower() if config.normalisation.do_lower_case else separator
    yield from _windows(names, read, config, separator, rng, tokenizer)


def _beginning(
    paths: Sequence[str], config: RecordsConfig, tokenizer: WordPieceTokenizer
) -> tuple[random.Random, Callable[[str], list[Document]], list[str]]:
    """The random stream, a reader of documents, and the shuffled files."""
    rng = random.Random(config.seed)
    names = list(paths)
    rng.shuffle(names)
    split = sentence_splitter(config.sentences)
    whole = config.documents == "file"
    return rng, lambda name: file_documents(name, tokenizer, split, whole), names


def file_documents(
    path: str | Path, tokenizer: WordPieceTokenizer, split: Splitter | None, whole: bool
) -> list[Document]:
    """The documents of a file, tokenized; empty sentences and documents are left out.

    Only an empty line divides documents; one of spaces does not.

    Args:
        path: the file.
        tokenizer: cuts sentences into tokens.
        split: cuts a document into sentences, its lines joined without a space between
            them, as the original does; None where each line is a sentence.
        whole: the file is one document.
    """
    text = read_text(path)
    documents: list[Document] = []
    for part in [text] if whole else text.split("\n\n"):
        if split is None:
            sentences = [line.strip() for line in part.split("\n") if line]
        else:
            sentences = split(part.replace("\n", ""))
        document = [tokens for text in sentences if (tokens := tokenizer.tokenize(text))]
        if document:
            documents.append(document)
    return documents


def _windows(
    names: Sequence[str],
    read: Callable[[str], list[Document]],
    config: RecordsConfig,
    separator: str,
    rng: random.Random,
    tokenizer: WordPieceTokenizer,
) -> Iterator[list[str]]:
    """All windows, [CLS] and [SEP] around them, one pass over the files per duplicate."""
    window = _Window(config, separator, rng)
    for _ in range(1 if config.objective == UNMASKED else config.dupe_factor):
        for documents in _buffers(names, read, config.buffer_tokens):
            rng.shuffle(documents)
            for document in documents:
                for tokens in window.over(document):
                    yield [CLS, *tokens, SEP]
        if rest := window.rest():
            yield [CLS, *rest, SEP]


def _buffers(
    names: Sequence[str], read: Callable[[str], list[Document]], size: int
) -> Iterator[list[list[str]]]:
    """Documents, each one run of tokens, in lists that hold `size` tokens or a little more."""
    documents: list[list[str]] = []
    count = 0
    for name in names:
        found = [list(chain.from_iterable(document)) for document in read(name)]
        documents += found
        count += sum(map(len, found))
        if count >= size:
            yield documents
            documents, count = [], 0
    if documents:
        yield documents


class _Window:
    """A window that slides over documents, and what it carries from one to the next."""

    def __init__(self, config: RecordsConfig, separator: str, rng: random.Random) -> None:
        self.config = config
        self.separator = separator
        self.rng = rng
        self.room = config.max_seq_length - 2  # [CLS], [SEP]
        self.carried: list[str] = []

    def over(self, document: list[str]) -> Iterator[list[str]]:
        """Windows over one document, each sharing `overlap` tokens with the one before.

        The target length is full, or now and then a random shorter one, which then
        holds until the next is drawn. What is left at the end is a shorter window, or
        goes on into the next document.
        """
        target = self._target(self.room)
        if self.carried:
            document = [*self.carried, self.separator, *document]
            self.carried = []
        start = 0
        while start + target <= len(document):
            yield document[start : start + target]
            start += target - self.config.window_overlap
            target = self._target(target)
        if self.config.cross_documents:
            self.carried = document[start:]
        else:
            yield document[start:]

    def rest(self) -> list[str]:
        """What the last document left over."""
        rest, self.carried = self.carried, []
        return rest

    def _target(self, otherwise: int) -> int:
        if self.rng.random() < self.config.short_seq_prob:
            return self.rng.randint(self.config.shortest_target, self.room)
        return otherwise
