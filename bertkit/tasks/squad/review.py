"""Shows where a model's answers fail: scores by kind of question, and examples."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.codecs.strict_json import is_finite, json_text
from bertkit.errors import DataError
from bertkit.storage.files import is_utf8, read_json, write_text
from bertkit.tasks.finetuning.review import NAME
from bertkit.tasks.squad.question import Question, split_words
from bertkit.tasks.squad.score import best_of_each, exact_match, f1, f1_version_2

PICTURE = "answers.png"  # that earlier versions drew
EXAMPLES = 5
_WORD = re.compile(
    r"\b(how many|how much|how|what|which|who|whom|whose|when|where|why)\b", re.IGNORECASE
)
_KINDS = ("right", "wrong")
# Names of texts, of numbers and of lists of texts in a group and in an example.
_OF_A_GROUP = (("group",), ("questions", "exact", "f1"))
_OF_AN_EXAMPLE = (("question", "answer", "passage"), ("probability",), ("wanted",))
_EXCERPT = 120  # characters shown on either side of the wanted answer


def review(
    questions: Sequence[Question],
    answers: Mapping[str, str],
    nbest: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    version_2: bool = False,
) -> dict[str, Any]:
    """Scores by question word, answer length and passage length, and examples.

    Args:
        questions: with their answers.
        answers: question id → text; questions without one are left out.
        nbest: question id → guesses with `text` and `probability`.
        version_2: compare as the v2.0 script does.

    Returns:
        `groups`: name of a division → its groups in order, each with `group`, `questions`,
        `exact` and `f1` (percentages). `right`: examples spread over the file. `wrong`:
        those that share no word with an answer, the model's surest first.

    Raises:
        DataError: a question has no answer to compare with (v1.1).
    """
    exact = best_of_each(questions, answers, exact_match, normalised=version_2)
    overlap = best_of_each(
        questions, answers, f1_version_2 if version_2 else f1, normalised=version_2
    )
    scored = [question for question in questions if question.id in exact]
    divisions = {
        "question word": {question.id: _question_word(question.text) for question in scored},
        "answer length": {question.id: _answer_length(question) for question in scored},
        "passage length": {
            question.id: _between(len(question.passage.words), (80, 120, 160, 240), "words")
            for question in scored
        },
    }
    entries = {
        question.id: _example(question, answers[question.id], nbest or {}, overlap[question.id])
        for question in scored
    }
    right = [entries[name] for name, value in exact.items() if value == 1.0]
    wrong = [entries[name] for name, value in overlap.items() if value == 0.0]
    wrong.sort(key=lambda entry: -entry["probability"])
    return {
        "questions": len(scored),
        "groups": {name: _groups(labels, exact, overlap) for name, labels in divisions.items()},
        "right": right[:: max(1, len(right) // EXAMPLES)][:EXAMPLES],
        "wrong": wrong[:EXAMPLES],
    }


def write_review(folder: str | Path, found: Mapping[str, Any]) -> None:
    """Write `review.json` into a run's folder."""
    text = json_text(found, indent=1, readable=True)
    write_text(Path(folder) / NAME, text + "\n")


def read_review(folder: str | Path) -> dict[str, Any]:
    """What `write_review` wrote.

    Raises:
        DataError: not there, or of another form.
    """
    path = Path(folder) / NAME
    found = read_json(path)
    try:
        return {
            **found,
            "groups": {
                str(name): [_checked(row, *_OF_A_GROUP) for row in groups]
                for name, groups in found["groups"].items()
            },
            **{kind: [_checked(row, *_OF_AN_EXAMPLE) for row in found[kind]] for kind in _KINDS},
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not a review of answers", "score them again with bertkit finetune-squad"
        ) from error


def _checked(
    row: Mapping[str, Any], texts: Sequence[str], numbers: Sequence[str], lists: Sequence[str] = ()
) -> Any:
    """The row itself; raises what `read_review` expects where these are not what they are."""
    written = [row[name] for name in texts]
    written += [text for name in lists for text in row[name]]
    if not all(isinstance(text, str) and is_utf8(text) for text in written):
        raise TypeError(texts)
    if not all(is_finite(row[name]) for name in numbers):
        raise TypeError(numbers)
    return row


def as_text(found: Mapping[str, Any]) -> str:
    """The review for people."""
    parts = []
    for name, groups in found["groups"].items():
        rows = [
            (row["group"], f"{row['questions']:,}", f"{row['exact']:.1f}", f"{row['f1']:.1f}")
            for row in groups
        ]
        parts.append(log.table((name, "questions", "exact match (%)", "F1 (%)"), rows))
    for kind, title in (("right", "Right, for example:"), ("wrong", "Wrong, the surest first:")):
        lines = [
            f"  {entry['question']}\n    answered: {entry['answer'] or '(nothing)'}"
            f" ({entry['probability']:.2f})\n    wanted:   "
            f"{' | '.join(entry['wanted']) or '(nothing)'}\n    passage:  {entry['passage']}"
            for entry in found[kind]
        ]
        if lines:
            parts.append("\n".join([title, *lines]))
    return "\n\n".join(parts)


def _groups(
    labels: Mapping[str, tuple[int, str]], exact: Mapping[str, float], overlap: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Means of each group, in the order of the labels."""
    members: dict[tuple[int, str], list[str]] = {}
    for name, label in labels.items():
        members.setdefault(label, []).append(name)
    return [
        {
            "group": label[1],
            "questions": len(names),
            "exact": 100.0 * sum(exact[name] for name in names) / len(names),
            "f1": 100.0 * sum(overlap[name] for name in names) / len(names),
        }
        for label, names in sorted(members.items())
    ]


def _question_word(text: str) -> tuple[int, str]:
    """The first question word, all groups in one order; `other` where there is none."""
    match = _WORD.search(text)
    word = match.group().lower() if match else "other"
    word = {"whom": "who", "whose": "who", "how much": "how many"}.get(word, word)
    order = ("what", "which", "who", "when", "where", "why", "how", "how many", "other")
    return order.index(word), word


def _answer_length(question: Question) -> tuple[int, str]:
    """By the words of the shortest answer."""
    if not question.answers:
        return -1, "no answer"
    words = min(len(split_words(answer.text)) for answer in question.answers)
    return _between(words, (2, 4, 8, 16), "words")


def _between(value: int, limits: Sequence[int], unit: str) -> tuple[int, str]:
    """(number, name) of the range between two limits that holds a value."""
    place = sum(value >= limit for limit in limits)
    if place == 0:
        return place, f"under {limits[0]} {unit}"
    if place == len(limits):
        return place, f"{limits[-1]} {unit} or more"
    return place, f"{limits[place - 1]} to {limits[place] - 1} {unit}"


def _example(
    question: Question,
    answer: str,
    nbest: Mapping[str, Sequence[Mapping[str, Any]]],
    overlap: float,
) -> dict[str, Any]:
    guesses = nbest.get(question.id, ())
    text = question.passage.text
    middle = question.answers[0].start if question.answers else 0
    first, last = max(0, middle - _EXCERPT), middle + _EXCERPT
    excerpt = " ".join(text[first:last].split())
    return {
        "id": question.id,
        "question": " ".join(question.text.split()),
        "answer": answer,
        "wanted": list(dict.fromkeys(given.text for given in question.answers)),
        "probability": next((g["probability"] for g in guesses if g["text"] == answer), 0.0),
        "f1": 100.0 * overlap,
        "passage": f"{'…' if first else ''}{excerpt}{'…' if last < len(text) else ''}",
    }
