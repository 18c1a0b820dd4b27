"""Makes tables of wrong labels and scores of texts, the worst mistakes first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bertkit.tasks.classify.examples import Example
from bertkit.tasks.classify.metrics import confusion
from bertkit.tasks.finetuning.review import GROUPS, ROWS, Tables, excerpt

SUREST = "Wrong, the surest first"


def single_labels(
    examples: Sequence[Example],
    truth: np.ndarray,
    answers: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
) -> Tables:
    """What each label is taken for, and wrong labels.

    Args:
        examples: texts.
        truth: int64 [N], numbers of their labels.
        answers: of each, `label` and `probabilities`.
        labels: their names.
    """
    ids = {name: number for number, name in enumerate(labels)}
    guesses = np.array([ids[answer["label"]] for answer in answers])
    table = confusion(truth, guesses, len(labels))
    wrong = [
        {
            **_texts(example),
            "predicted": answer["label"],
            "probability": answer["probabilities"][answer["label"]],
            "wanted": labels[label],
            "place": example.place,
        }
        for example, answer, label, guess in zip(examples, answers, truth, guesses, strict=True)
        if guess != label
    ]
    wrong.sort(key=lambda row: -row["probability"])
    return {"Labels": _labels(table, labels), SUREST: wrong[:ROWS]}


def _labels(table: np.ndarray, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Counts of every label; of many labels those with the most mistakes."""
    mistakes = table - np.diag(np.diag(table))
    missed, taken = mistakes.sum(1), mistakes.sum(0)
    numbers = [n for n in range(len(labels)) if table[n].sum() or table[:, n].sum()]
    if len(numbers) > GROUPS:
        numbers = sorted(numbers, key=lambda n: -int(missed[n] + taken[n]))[:GROUPS]
    return [
        {
            "label": labels[n],
            "examples": int(table[n].sum()),
            "predicted": int(table[:, n].sum()),
            "right": int(table[n, n]),
            "most often taken for": (
                f"{labels[int(mistakes[n].argmax())]} ({mistakes[n].max():,})" if missed[n] else "-"
            ),
        }
        for n in numbers
    ]


def several_labels(
    examples: Sequence[Example], truth: np.ndarray, answers: Sequence[Mapping[str, Any]]
) -> Tables:
    """Texts with a wrong or missing label.

    Args:
        examples: texts.
        truth: bool [N, C].
        answers: of each, `labels` and `probabilities` of all C labels in their order.
    """
    wrong = []
    for example, right, answer in zip(examples, truth, answers, strict=True):
        names = list(answer["probabilities"])
        wanted = [name for name, true in zip(names, right, strict=True) if true]
        if set(wanted) == set(answer["labels"]):
            continue
        shares = np.array(list(answer["probabilities"].values()))
        off = np.abs(shares - right)
        worst = int(off.argmax())
        row = {
            **_texts(example),
            "predicted": ", ".join(answer["labels"]),
            "wanted": ", ".join(wanted),
            "worst label": f"{names[worst]} ({shares[worst]:.2f})",
            "place": example.place,
        }
        wrong.append((float(off[worst]), row))
    wrong.sort(key=lambda pair: -pair[0])
    return {SUREST: [row for _, row in wrong[:ROWS]]}


def numbers(examples: Sequence[Example], truth: np.ndarray, found: np.ndarray) -> Tables:
    """The scores that are furthest off.

    Args:
        examples: texts.
        truth: float32 [N].
        found: float32 [N], as predicted.
    """
    order = np.argsort(-np.abs(found - truth), kind="stable")[:ROWS]
    return {
        "Furthest off": [
            {
                **_texts(examples[n]),
                "predicted": float(found[n]),
                "wanted": float(truth[n]),
                "off": float(found[n] - truth[n]),
                "place": examples[n].place,
            }
            for n in order.tolist()
        ]
    }


def _texts(example: Example) -> dict[str, str]:
    pair = {} if example.pair is None else {"pair": excerpt(example.pair)}
    return {"text": excerpt(example.text), **pair}
