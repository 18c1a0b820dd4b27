"""Divides passages into the windows that the model reads, as Google's run_squad.py does.

A passage longer than the model's sequence is cut into windows that overlap. Passages
and words are tokenised once, however many questions ask about them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain

import numpy as np

from bertkit import log
from bertkit.errors import ConfigError, DataError
from bertkit.tasks.squad.question import Passage, Question, split_words
from bertkit.tasks.squad.questions import collector_paused
from bertkit.tokenization.vocabulary import CLS, SEP
from bertkit.tokenization.wordpiece import WordPieceTokenizer

FIRST_ID = 1_000_000_000
# Of printable ASCII: words and punctuation marks.
_PARTS = re.compile("[0-9A-Za-z]+|[^0-9A-Za-z ]")
# What is said of questions, with how many of how many there are and the first one's id.
_BLANK_QUESTION = "%d of %d questions are blank (the first is %s); they are taken like the others"
_BLANK_ANSWER = "%d of %d questions skipped: their answer is blank (the first is %s)"
_LOST_ANSWER = (
    "%d of %d questions skipped: their answer text is not found at answer_start (the first is %s)"
)
_UNUSED_PASSAGE = "%d of %d questions skipped: their passage is empty (the first is %s)"
_EMPTY_PASSAGE = "%d of %d questions have an empty passage and so an empty answer (the first is %s)"


@dataclass(eq=False)
class PassageTokens:
    """A passage cut into WordPiece tokens.

    Attributes:
        ids: vocabulary rows of all words' tokens, in order, int64.
        word_of_token: number of the word each token belongs to, int64.
        first_token: number of the first token of each word.
        vocabulary: token of each row.
    """

    ids: np.ndarray
    word_of_token: np.ndarray
    first_token: list[int]
    vocabulary: Sequence[str]

    @cached_property
    def tokens(self) -> list[str]:
        """The tokens as text."""
        return [self.vocabulary[row] for row in self.ids.tolist()]


@dataclass(eq=False)
class Window:
    """One sequence: [CLS] question [SEP] part of the passage [SEP].

    Attributes:
        unique_id: counted from 1,000,000,000 through the file.
        example: number of the question.
        index: number of the window within its question.
        question: the question itself.
        query_ids: vocabulary rows of the question's tokens.
        passage: the tokenised passage.
        spans: (first token, number of tokens) of all windows of the question.
        start: position of the answer's first token; 0 where this window does not hold
            it whole, None where it is unknown.
        end: position of its last token.
    """

    unique_id: int
    example: int
    index: int
    question: Question
    query_ids: list[int]
    passage: PassageTokens
    spans: list[tuple[int, int]]
    start: int | None
    end: int | None

    @property
    def offset(self) -> int:
        """Position of the first passage token."""
        return len(self.query_ids) + 2

    @property
    def length(self) -> int:
        """Tokens of the sequence, without padding."""
        return len(self.query_ids) + self.spans[self.index][1] + 3

    @property
    def query(self) -> list[str]:
        """Tokens of the question."""
        return [self.passage.vocabulary[row] for row in self.query_ids]

    @cached_property
    def tokens(self) -> list[str]:
        """The sequence as tokens."""
        first, count = self.spans[self.index]
        return [CLS, *self.query, SEP, *self.passage.tokens[first : first + count], SEP]

    @property
    def words(self) -> np.ndarray:
        """int64: the passage word of each token from position `offset` on."""
        first, count = self.spans[self.index]
        return self.passage.word_of_token[first : first + count]

    @property
    def most_context(self) -> np.ndarray:
        """bool, as `words`: no other window shows more around this token.

        The measure is the smaller distance to the window's ends, plus a hundredth of the
        window's length; the first window wins a tie.
        """
        first, count = self.spans[self.index]
        where = np.arange(first, first + count)[:, None]
        starts = np.array([span[0] for span in self.spans])
        counts = np.array([span[1] for span in self.spans])
        left, right = where - starts, starts + counts - 1 - where
        score = np.minimum(left, right) + 0.01 * counts
        score[(left < 0) | (right < 0)] = -np.inf
        best: np.ndarray = score.argmax(axis=1) == self.index
        return best

    def ids(self, cls_id: int, sep_id: int) -> np.ndarray:
        """The sequence as vocabulary rows, int64."""
        first, count = self.spans[self.index]
        body = self.passage.ids[first : first + count]
        head = np.array([cls_id, *self.query_ids, sep_id], np.int64)
        return np.concatenate((head, body, [sep_id]))


class _Words(dict[str, list[int]]):
    """Word → vocabulary rows of its tokens; a word is cut when it is first asked for.

    Args:
        tokenizer: cuts the words.
    """

    def __init__(self, tokenizer: WordPieceTokenizer) -> None:
        super().__init__()
        self._tokenizer = tokenizer
        self._parts: dict[str, list[int]] = {}
        # Variants may cut words in other ways.
        self._plain = type(tokenizer) is WordPieceTokenizer

    def __missing__(self, word: str) -> list[int]:
        if self._plain and word.isascii() and word.isprintable():
            # Here normalising is lower-casing, and all that is no letter or digit is
            # punctuation; what stands between has mostly been seen.
            text = word.lower() if self._tokenizer.lower_case else word
            get = self._parts.get
            made = [row for p in _PARTS.findall(text) for row in get(p) or self._new_part(p)]
        else:
            made = self._tokenizer.ids(self._tokenizer.tokenize(word))
        self[word] = made
        return made

    def _new_part(self, part: str) -> list[int]:
        made = self._parts[part] = self._tokenizer.ids(self._tokenizer.wordpiece(part))
        return made


class WindowMaker:
    """Cuts questions into windows.

    Args:
        tokenizer: of the model's vocabulary.
        max_seq_length: longest sequence; longer passages get several windows.
        doc_stride: passage tokens from one window's start to the next one's.
        max_query_length: question tokens that are kept.

    Raises:
        ConfigError: a question of full length would leave no room for the passage.
    """

    def __init__(
        self,
        tokenizer: WordPieceTokenizer,
        max_seq_length: int = 384,
        doc_stride: int = 128,
        max_query_length: int = 64,
    ) -> None:
        if max_query_length + 3 >= max_seq_length:
            raise ConfigError(
                f"--max-query-length {max_query_length} and three special tokens leave no room for "
                f"the passage in --max-seq-length {max_seq_length}"
            )
        self.tokenizer = tokenizer
        self.max_seq_length = max_seq_length
        self.doc_stride = doc_stride
        self.max_query_length = max_query_length
        self._known = _Words(tokenizer)
        self._passage: tuple[Passage, PassageTokens] | None = None

    @collector_paused()
    def windows(self, questions: Sequence[Question], training: bool) -> list[Window]:
        """All windows of all questions, in order.

        A passage without a token has no window; blank questions are taken like others, as
        run_squad.py does. Both are counted in a warning.

        Args:
            questions: questions of one passage should stand together, as in the files.
            training: find the answers; questions whose answer is blank or is not in the
                passage as given are left out, with a warning that counts them.

        Raises:
            DataError: not a single window comes out of training questions.
        """
        made: list[Window] = []
        remarks: dict[str, list[str]] = {}
        example = 0
        for question in log.progress(questions, unit="question", description="windows"):
            if not question.text.strip():
                remarks.setdefault(_BLANK_QUESTION, []).append(question.id)
            answer = None
            if training and not question.impossible:
                answer = self._answer_tokens(question)
                if answer is None:
                    blank = not question.answers[0].text.strip()
                    reason = _BLANK_ANSWER if blank else _LOST_ANSWER
                    remarks.setdefault(reason, []).append(question.id)
                    continue
            own = self._of_question(question, example, FIRST_ID + len(made), answer, training)
            if not own:
                reason = _UNUSED_PASSAGE if training else _EMPTY_PASSAGE
                remarks.setdefault(reason, []).append(question.id)
            made += own
            example += 1
        for text, names in remarks.items():
            log.logger.warning(text, len(names), len(questions), names[0])
        if training and not made:
            raise DataError("no question can be used", "check that the passages are not empty")
        return made

    def _of_question(
        self,
        question: Question,
        example: int,
        unique_id: int,
        answer: tuple[int, int] | None,
        training: bool,
    ) -> list[Window]:
        query = self._cut(split_words(question.text))[0][: self.max_query_length]
        passage = self._tokenise(question.passage)
        room = self.max_seq_length - len(query) - 3
        spans = _spans(len(passage.ids), room, self.doc_stride)
        windows = []
        for index, (first, count) in enumerate(spans):
            start = end = 0 if training else None
            if answer and answer[0] >= first and answer[1] < first + count:
                start, end = (token - first + len(query) + 2 for token in answer)
            windows.append(
                Window(
                    unique_id + index,
                    example,
                    index,
                    question,
                    query,
                    passage,
                    spans,
                    start,
                    end,
                )
            )
        return windows

    def _tokenise(self, passage: Passage) -> PassageTokens:
        if self._passage is not None and self._passage[0] is passage:
            return self._passage[1]
        ids, counts = self._cut(passage.words)
        first = [0, *accumulate(counts[:-1])] if counts else []
        word_of_token = np.repeat(np.arange(len(counts)), np.array(counts, np.int64))
        vocabulary = self.tokenizer.vocab.tokens
        made = PassageTokens(np.array(ids, np.int64), word_of_token, first, vocabulary)
        self._passage = passage, made
        return made

    def _cut(self, words: Sequence[str]) -> tuple[list[int], list[int]]:
        """(vocabulary rows of the words' tokens, number of tokens of each word).

        Cutting a text word by word gives the same tokens as cutting it whole, and most
        words have been seen before.
        """
        found = list(map(self._known.__getitem__, words))
        return list(chain.from_iterable(found)), list(map(len, found))

    def _answer_tokens(self, question: Question) -> tuple[int, int] | None:
        """First and last passage token of the answer; None where it has no token there.

        The words' tokens may hold more than the answer (`(1895-1943)` for `1895`): take
        the first narrower span that is exactly the answer's tokens, if there is one. An
        answer inside a word that is one token (`Japan` of `Japanese`) gets the whole word.
        """
        answer = question.answer_words()
        if answer is None:
            return None
        passage = self._tokenise(question.passage)
        first = passage.first_token[answer[0]]
        following = answer[1] + 1
        last = (
            passage.first_token[following]
            if following < len(passage.first_token)
            else len(passage.ids)
        ) - 1
        if last < first:  # words of characters that the tokenizer drops
            return None
        wanted, _ = self._cut(split_words(question.answers[0].text))
        size = len(wanted)
        if size == last + 1 - first:
            return first, last
        tokens = passage.ids[first : last + 1].tolist()
        for start in range(first, last + 2 - size) if size else ():
            if tokens[start - first : start - first + size] == wanted:
                return start, start + size - 1
        return first, last


def _spans(tokens: int, room: int, stride: int) -> list[tuple[int, int]]:
    """(first, count) of the windows over a passage; the last one reaches its end."""
    spans: list[tuple[int, int]] = []
    first = 0
    while first < tokens:
        count = min(tokens - first, room)
        spans.append((first, count))
        if first + count == tokens:
            break
        first += min(count, stride)
    return spans
