"""Decodes start and end scores into answers, as Google's run_squad.py does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from bertkit.tasks.squad.features import Window
from bertkit.tasks.squad.question import Question
from bertkit.tokenization.wordpiece import WordPieceTokenizer

Scores = tuple[np.ndarray, np.ndarray]
# Odds of "no answer" where no other candidate fits: finite, so that files stay plain JSON.
_NO_RIVAL = 1_000_000.0


class Candidate(NamedTuple):
    """A possible answer: a span of a window, and the scores of its ends."""

    window: int
    start: int
    end: int
    start_logit: float
    end_logit: float

    @property
    def total(self) -> float:
        """What candidates are ranked by."""
        return self.start_logit + self.end_logit


class Guess(NamedTuple):
    """A candidate as text."""

    text: str
    start_logit: float
    end_logit: float


@dataclass
class Predictions:
    """Answers by question id.

    Attributes:
        answers: the chosen text; empty for "no answer" (v2.0).
        nbest: the best texts with probability, start_logit and end_logit.
        null_odds: score of "no answer" minus that of the best answer (v2.0).
    """

    answers: dict[str, str] = field(default_factory=dict)
    nbest: dict[str, list[dict[str, float | str]]] = field(default_factory=dict)
    null_odds: dict[str, float] = field(default_factory=dict)


@dataclass
class Decoder:
    """Chooses answers.

    Attributes:
        tokenizer: the one that made the windows.
        n_best_size: start and end positions considered per window, and texts kept.
        max_answer_length: tokens of the longest answer.
        version_2: "no answer" is a candidate.
        null_threshold: it is chosen where its odds are above this.
    """

    tokenizer: WordPieceTokenizer
    n_best_size: int = 20
    max_answer_length: int = 30
    version_2: bool = False
    null_threshold: float = 0.0
    _bare: dict[str, str] = field(default_factory=dict, repr=False)

    def decode(
        self,
        windows: Sequence[Window],
        scores: Mapping[int, Scores],
        questions: Sequence[Question] | None = None,
    ) -> Predictions:
        """Answers to every question, in the order of the questions.

        A question without a window, whose passage is empty, is answered with the empty text:
        run_squad.py says "empty" for v1.1 and fails for v2.0.

        Args:
            windows: of all questions, those of one question side by side.
            scores: unique id of a window → start and end logits of its positions; there
                may be more positions than tokens.
            questions: all to answer; None takes those of the windows.
        """
        groups = [list(group) for _, group in groupby(windows, key=attrgetter("example"))]
        windows_of = {group[0].question.id: group for group in groups}
        names = windows_of if questions is None else [question.id for question in questions]
        result = Predictions()
        for name in names:
            group = windows_of.get(name)
            if group:
                self._decode_one(group, [scores[window.unique_id] for window in group], result)
            else:
                self._decline(name, result)
        return result

    def _decline(self, name: str, result: Predictions) -> None:
        """The empty answer, for want of a passage."""
        result.answers[name] = ""
        result.nbest[name] = [
            {"text": "", "probability": 1.0, "start_logit": 0.0, "end_logit": 0.0}
        ]
        if self.version_2:
            result.null_odds[name] = _NO_RIVAL

    def _decode_one(
        self, windows: list[Window], scores: Sequence[Scores], result: Predictions
    ) -> None:
        name = windows[0].question.id
        candidates = [
            candidate
            for number, (window, pair) in enumerate(zip(windows, scores, strict=True))
            for candidate in self._candidates(number, window, pair)
        ]
        null = _null_candidate(scores)
        if self.version_2:
            candidates.append(null)
        candidates.sort(key=attrgetter("total"), reverse=True)
        guesses = self._texts(windows, candidates)
        if self.version_2 and all(guess.text for guess in guesses):
            guesses.append(Guess("", null.start_logit, null.end_logit))
        if not guesses:
            guesses.append(Guess("empty", 0.0, 0.0))
        chances = _softmax([guess.start_logit + guess.end_logit for guess in guesses])
        result.nbest[name] = [
            {
                "text": guess.text,
                "probability": chance,
                "start_logit": guess.start_logit,
                "end_logit": guess.end_logit,
            }
            for guess, chance in zip(guesses, chances, strict=True)
        ]
        result.answers[name] = guesses[0].text
        if self.version_2:
            best = next((guess for guess in guesses if guess.text), None)
            odds = null.total - best.start_logit - best.end_logit if best else _NO_RIVAL
            result.null_odds[name] = odds
            result.answers[name] = best.text if best and odds <= self.null_threshold else ""

    def _candidates(self, number: int, window: Window, scores: Scores) -> list[Candidate]:
        """Pairs of the best starts and ends that could be an answer, best start first."""
        starts, ends = (_best(values, self.n_best_size) for values in scores)
        first, last = window.offset, window.length - 2
        starts = starts[(starts >= first) & (starts <= last)]
        starts = starts[window.most_context[starts - first]]
        ends = ends[(ends >= first) & (ends <= last)]
        lengths = ends[None, :] - starts[:, None] + 1
        fits = (lengths >= 1) & (lengths <= self.max_answer_length)
        return [
            Candidate(number, start, end, float(scores[0][start]), float(scores[1][end]))
            for start, end in (
                (int(starts[row]), int(ends[column])) for row, column in np.argwhere(fits)
            )
        ]

    def _texts(self, windows: list[Window], candidates: Sequence[Candidate]) -> list[Guess]:
        """The first `n_best_size` candidates with different texts."""
        guesses: dict[str, Guess] = {}
        for candidate in candidates:
            if len(guesses) >= self.n_best_size:
                break
            text = ""
            if candidate.start > 0:
                text = self._text(windows[candidate.window], candidate.start, candidate.end)
            guesses.setdefault(text, Guess(text, candidate.start_logit, candidate.end_logit))
        return list(guesses.values())

    def _text(self, window: Window, start: int, end: int) -> str:
        """The words of the passage that a span of tokens stands for."""
        pieces = " ".join(window.tokens[start : end + 1])
        predicted = " ".join(pieces.replace(" ##", "").replace("##", "").split())
        first, last = (int(window.words[place - window.offset]) for place in (start, end))
        words = window.question.passage.words[first : last + 1]
        tokenised = " ".join(filter(None, map(self._bare_word, words)))
        return original_stretch(predicted, " ".join(words), tokenised)

    def _bare_word(self, word: str) -> str:
        """A word as the tokenizer sees it before cutting it into pieces."""
        known = self._bare.get(word)
        if known is None:
            known = self._bare[word] = " ".join(self.tokenizer.basic_tokenize(word))
        return known


def original_stretch(predicted: str, original: str, tokenised: str) -> str:
    """The part of the original text that a predicted, normalised text stands for.

    Both forms of the text are compared without their spaces; if they then have as many
    characters, the prediction's ends are carried over, so that `steve smith` found in
    `Steve Smith's` gives `Steve Smith`.

    Args:
        predicted: normalised text of the tokens.
        original: words of the passage around it.
        tokenised: `original` after basic tokenisation, joined by spaces.

    Returns:
        The span, or all of `original` where the two cannot be aligned.
    """
    start = tokenised.find(predicted)
    places = [index for index, character in enumerate(original) if character != " "]
    if start < 0 or not predicted or len(places) != len(tokenised.replace(" ", "")):
        return original
    first = start - tokenised.count(" ", 0, start)
    last = first + len(predicted.replace(" ", "")) - 1
    return original[places[first] : places[last] + 1]


def _null_candidate(scores: Sequence[Scores]) -> Candidate:
    """[CLS] of the window where it scores lowest, at most 1,000,000."""
    lowest = Candidate(0, 0, 0, 0.0, 0.0)
    least = 1_000_000.0
    for number, (starts, ends) in enumerate(scores):
        found = Candidate(number, 0, 0, float(starts[0]), float(ends[0]))
        if found.total < least:
            least, lowest = found.total, found
    return lowest


def _best(values: np.ndarray, count: int) -> np.ndarray:
    """Positions of the largest values, largest first, the earlier one in a tie."""
    return np.argsort(-values, kind="stable")[:count]


def _softmax(values: Sequence[float]) -> list[float]:
    largest = max(values)
    powers = [math.exp(value - largest) for value in values]
    # One after the other, as in the reference: from Python 3.12 on `sum` adds more exactly.
    total = 0.0
    for power in powers:
        total += power
    return [power / total for power in powers]
