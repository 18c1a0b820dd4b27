"""Reads text files as token ids, by the rules of each style for lines and documents."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain

import numpy as np

from bertkit.records.config import RecordsConfig
from bertkit.summary.counter import TextCounter
from bertkit.text.encoding import decode_utf8
from bertkit.text.files import open_text
from bertkit.text.sentence_splitter import Splitter, model_splitter, rule_splitter
from bertkit.tokenization.corpus_tokens import StreamTokenizer, TokenizedText, token_dtype
from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.sentence_files import (
    Document,
    read_documents,
    read_lines,
    read_universal_lines,
)
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS, Vocab
from bertkit.tokenization.wordpiece_variants import make_tokenizer


class TextReader:
    """Reads the text files of a style, by the kernels where they know its tokenizer.

    Args:
        vocab: the vocabulary.
        tokenizer: its name, see `wordpiece_variants.make_tokenizer`.
        normalisation: what happens to the text first.
        word_length: letters of the longest word that is not [UNK]; None: the tokenizer's own.

    Attributes:
        counted: files read together → their tokens, and the [UNK] among them.
        text: counts what is read, until `begin` is called again.
        read: the files that it counted, each once.
    """

    def __init__(
        self,
        vocab: Vocab,
        tokenizer: str,
        normalisation: Normalisation,
        word_length: int | None = None,
    ) -> None:
        self.vocab = vocab
        self.begin()
        self._name = tokenizer
        self._python = make_tokenizer(tokenizer, vocab, normalisation, word_length)
        self._stream: StreamTokenizer | None = None
        if tokenizer != "hf":
            self._stream = StreamTokenizer(vocab, normalisation, self._python)

    def begin(self, level: int = 0) -> None:
        """Forget what was counted; `level` is that of the sketches of the text to come."""
        self.counted: dict[tuple[str, ...], tuple[int, int]] = {}
        self.text = TextCounter(level)
        self.read: set[str] = set()

    def _noted(self, paths: Sequence[str], text: TokenizedText) -> TokenizedText:
        unknown = int(np.count_nonzero(text.tokens == self.vocab.unk_id))
        self.counted[tuple(paths)] = len(text.tokens), unknown
        return text

    def corpus(self, paths: Sequence[str], universal_newlines: bool = False) -> TokenizedText:
        """Files as one corpus by Google's rules: a blank line ends a document, a file does not.

        Args:
            paths: text files.
            universal_newlines: lines end as in Python's text files, not as in TensorFlow's.

        Raises:
            DataError: a file cannot be read or is not UTF-8.
        """
        return self._noted(paths, self._corpus(paths, universal_newlines))

    def _corpus(self, paths: Sequence[str], universal_newlines: bool) -> TokenizedText:
        if self._stream is None or (self._name == "nvidia" and any(map(_has_special, paths))):
            lines_of = read_universal_lines if universal_newlines else read_lines
            return as_arrays(read_documents(paths, self._python, lines_of), self.vocab)
        if self._name == "cerebras":
            texts = (
                self._whole(path, universal_newlines).replace("\r", "").split("\n")
                for path in paths
            )
            return self._tokenized(paths, ([line.strip() for line in lines] for lines in texts))
        if universal_newlines:
            return self._stream.tokenize_texts((path, self._whole(path).encode()) for path in paths)
        if len(set(paths) - self.read) < len(paths):  # each is counted once here
            return self._stream.tokenize_files(paths)
        self.read.update(paths)
        return self._stream.tokenize_files(paths, self.text)

    def _whole(self, path: str, universal_newlines: bool = True) -> str:
        """The text of a file, counted, with Python's line ends or with its own."""
        with open_text(path) as stream:
            blob = stream.read()
        text = decode_utf8(blob, path)
        if path not in self.read:
            self.read.add(path)
            self.text.begin(path)
            self.text.feed(blob)
        return text.replace("\r\n", "\n").replace("\r", "\n") if universal_newlines else text

    def _tokenized(self, paths: Sequence[str], texts: Iterable[Sequence[str]]) -> TokenizedText:
        """Lines of each file, by the kernels."""
        assert self._stream is not None
        # Tabs do not divide words for Cerebras' tokenizer, but do for the kernels.
        dropped = {ord("\t"): None} if self._name == "cerebras" else {}
        blobs = ("\n".join(lines).translate(dropped).encode() for lines in texts)
        return self._stream.tokenize_texts(zip(paths, blobs, strict=True))

    def file(self, path: str, config: RecordsConfig) -> TokenizedText:
        """One file by Cerebras' rules: its documents, none of which continues in another file.

        Only an empty line divides documents; one of spaces does not. Sentences are lines,
        or what spaCy makes of a document, its lines joined without a space between them.

        Raises:
            DataError: the file cannot be read or is not UTF-8.
            MissingDependencyError: spaCy or its model is not installed.
        """
        return self._noted([path], self._file(path, config))

    def _file(self, path: str, config: RecordsConfig) -> TokenizedText:
        documents = _sentences(self._whole(path), config)
        if self._stream is None or (self._name == "nvidia" and _has_special(path)):
            cut = ([self._python.tokenize(text) for text in document] for document in documents)
            kept = [[tokens for tokens in document if tokens] for document in cut]
            return as_arrays([document for document in kept if document], self.vocab)
        # A blank line would end the document; all but the separators between lines are none.
        lines = chain.from_iterable([*filter(self._counts, document), ""] for document in documents)
        return self._tokenized([path], [list(lines)])

    def _counts(self, sentence: str) -> bool:
        """Whether a sentence is more than white space, or has tokens even so."""
        return bool(sentence.strip() or self._python.tokenize(sentence))


def _sentences(text: str, config: RecordsConfig) -> Iterator[list[str]]:
    """The sentences of each document."""
    split = sentence_splitter(config.sentences)
    for part in [text] if config.documents == "file" else text.split("\n\n"):
        if split is None:
            yield [line.strip() for line in part.split("\n")]
        else:
            yield split(part.replace("\n", ""))


@functools.lru_cache(maxsize=1)
def sentence_splitter(name: str) -> Splitter | None:
    """The sentence splitter of a name: None for `line`, else spaCy's.

    Args:
        name: `line`, `rule` (the sentencizer of a blank English pipeline) or a model.

    Raises:
        MissingDependencyError: spaCy or the model is not installed.
    """
    if name == "line":
        return None
    if name == "rule":
        return rule_splitter("en")
    return model_splitter(name, instead="--sentences rule, which needs no model")


def as_arrays(documents: Sequence[Document], vocab: Vocab) -> TokenizedText:
    """Documents of tokens as arrays of ids."""
    sentences = list(chain.from_iterable(documents))
    tokens = [vocab.ids[token] for sentence in sentences for token in sentence]
    return TokenizedText(
        np.array(tokens, token_dtype(vocab)),
        np.array([0, *accumulate(map(len, sentences))], np.uint32),
        np.array([0, *accumulate(map(len, documents))], np.uint32),
    )


def _has_special(path: str) -> bool:
    """True where a special token stands in a file; NVIDIA's tokenizer may keep it whole."""
    with open_text(path) as stream:
        text = stream.read()
    return any(token.encode() in text for token in SPECIAL_TOKENS)
