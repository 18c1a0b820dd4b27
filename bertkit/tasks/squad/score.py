"""Computes exact match and F1 as the SQuAD evaluation scripts do (v1.1 and v2.0)."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from bertkit import log
from bertkit.errors import DataError
from bertkit.tasks.squad.question import Question

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalise(text: str) -> str:
    """Lower case, no ASCII punctuation, no English articles, single spaces."""
    bare = text.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def exact_match(predicted: str, wanted: str) -> float:
    """1.0 where both are the same once normalised."""
    return float(normalise(predicted) == normalise(wanted))


def f1(predicted: str, wanted: str) -> float:
    """Harmonic mean of the shares of words that the two have in common."""
    return _f1_of_words(normalise(predicted).split(), normalise(wanted).split())


def f1_version_2(predicted: str, wanted: str) -> float:
    """As `f1`, but two empty answers agree."""
    ours, theirs = normalise(predicted).split(), normalise(wanted).split()
    if not ours or not theirs:
        return float(ours == theirs)
    return _f1_of_words(ours, theirs)


def _f1_of_words(ours: list[str], theirs: list[str]) -> float:
    common = sum((Counter(ours) & Counter(theirs)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(ours), common / len(theirs)
    return 2 * precision * recall / (precision + recall)


def score(
    questions: Sequence[Question],
    predictions: Mapping[str, str],
    version_2: bool = False,
    null_odds: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Score predictions against all given answers of each question, the best one counting.

    Args:
        questions: of the evaluation file, with their answers.
        predictions: question id → text; empty means "no answer" (v2.0).
        version_2: score as the v2.0 script does.
        null_odds: question id → log odds of "no answer"; adds the threshold that would
            have been best for each measure (v2.0).

    Returns:
        Percentages. v1.1: `exact_match` and `f1`; a missing prediction counts 0. v2.0:
        `exact`, `f1`, `total`, the same with `HasAns_` and `NoAns_`, and `best_…`;
        missing predictions are left out, as the official script does. For `best_…` alone
        that script counts unanswerable questions without a prediction as right, which can
        give more than 100; here they are left out of that, too.

    Raises:
        DataError: nothing to score.
    """
    missing = [question.id for question in questions if question.id not in predictions]
    if len(missing) == len(questions):
        raise DataError(
            "no prediction belongs to a question of the file",
            "check that the predictions were made for this file",
        )
    if missing:
        log.logger.warning("%d of %d questions have no prediction", len(missing), len(questions))
    if version_2:
        return _score_version_2(questions, predictions, null_odds)
    exact = best_of_each(questions, predictions, exact_match)
    overlap = best_of_each(questions, predictions, f1)
    count = len(questions)
    return {
        "exact_match": 100.0 * sum(exact.values()) / count,
        "f1": 100.0 * sum(overlap.values()) / count,
    }


def _score_version_2(
    questions: Sequence[Question],
    predictions: Mapping[str, str],
    null_odds: Mapping[str, float] | None,
) -> dict[str, float]:
    exact = best_of_each(questions, predictions, exact_match, normalised=True)
    overlap = best_of_each(questions, predictions, f1_version_2, normalised=True)
    answerable = {question.id for question in questions if question.answers}
    scored = list(exact)
    groups = {
        "": scored,
        "HasAns_": [name for name in scored if name in answerable],
        "NoAns_": [name for name in scored if name not in answerable],
    }
    result: dict[str, float] = {}
    for prefix, names in groups.items():
        if names or not prefix:
            result[f"{prefix}exact"] = 100.0 * sum(exact[name] for name in names) / len(names)
            result[f"{prefix}f1"] = 100.0 * sum(overlap[name] for name in names) / len(names)
            result[f"{prefix}total"] = len(names)
    if null_odds:
        unanswerable = len(groups["NoAns_"])
        for name, values in (("exact", exact), ("f1", overlap)):
            best, threshold = _best_threshold(
                values, predictions, null_odds, answerable, unanswerable
            )
            result[f"best_{name}"] = best
            result[f"best_{name}_thresh"] = threshold
    return result


def best_of_each(
    questions: Iterable[Question],
    predictions: Mapping[str, str],
    measure: Callable[[str, str], float],
    normalised: bool = False,
) -> dict[str, float]:
    """Question id → the best value over its answers.

    Args:
        questions: to score; those without a prediction are left out.
        predictions: question id → text.
        measure: compares prediction and answer.
        normalised: answers that are empty once normalised do not count, and a question
            without any answer wants the empty text (v2.0).
    """
    values: dict[str, float] = {}
    for question in questions:
        if question.id not in predictions:
            continue
        wanted = [answer.text for answer in question.answers]
        if normalised:
            wanted = [text for text in wanted if normalise(text)] or [""]
        if not wanted:
            raise DataError(
                f"question {question.id} has no answer to score against",
                "give --version-2-with-negative for v2.0 files; test files cannot be scored",
            )
        values[question.id] = max(measure(predictions[question.id], text) for text in wanted)
    return values


def _best_threshold(
    values: Mapping[str, float],
    predictions: Mapping[str, str],
    null_odds: Mapping[str, float],
    answerable: set[str],
    unanswerable: int,
) -> tuple[float, float]:
    """The best mean and the odds above which "no answer" is then said.

    Going up in the odds, each question passed is answered instead of declined.
    """
    current = best = float(unanswerable)
    threshold = 0.0
    for name in sorted(null_odds, key=lambda name: null_odds[name]):
        if name not in values:
            continue
        if name in answerable:
            current += values[name]
        elif predictions[name]:
            current -= 1
        if current > best:
            best, threshold = current, null_odds[name]
    return 100.0 * best / len(values), threshold
