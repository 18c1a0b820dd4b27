"""Computes accuracy, F1 and Matthews' correlation of labels, and correlations of scores.

Definitions and edge cases are those of scikit-learn and scipy; all is done in float64.
"""

from __future__ import annotations

import numpy as np

# Names of what the functions below give; `f1` only of two labels.
SCORES = ("accuracy", "f1", "f1_macro", "matthews")
SCORES_OF_SEVERAL = ("accuracy", "f1_micro", "f1_macro")
CORRELATIONS = ("pearson", "spearman", "mse")


def confusion(truth: np.ndarray, predicted: np.ndarray, labels: int) -> np.ndarray:
    """int64 [C, C]: how often a label of the row was predicted as that of the column."""
    cells = np.bincount(truth * labels + predicted, minlength=labels * labels)
    table: np.ndarray = cells.reshape(labels, labels)
    return table


def accuracy(table: np.ndarray) -> float:
    """The share of right predictions of a confusion table."""
    return float(np.trace(table) / table.sum())


def f1_per_label(true: np.ndarray, predicted: np.ndarray, right: np.ndarray) -> np.ndarray:
    """F1 of each label from counts, float64 [C]; 0 where a label neither is nor is predicted."""
    cases = true + predicted
    scores: np.ndarray = np.divide(2.0 * right, cases, out=np.zeros(len(cases)), where=cases > 0)
    return scores


def label_scores(truth: np.ndarray, predicted: np.ndarray, labels: int) -> dict[str, float]:
    """The scores of one label per text.

    Args:
        truth: int64 [N].
        predicted: int64 [N].
        labels: number of them; 1 is the positive one of two.

    Returns:
        `accuracy`; `f1` of the positive label, where there are two; `f1_macro` over the labels
        that occur in either, and `matthews` (Gorodkin, 2004, for more than two labels).
    """
    table = confusion(truth, predicted, labels)
    true, guessed, right = table.sum(1), table.sum(0), np.diag(table)
    each = f1_per_label(true, guessed, right)
    occurs = (true + guessed) > 0
    scores = {"accuracy": accuracy(table)}
    if labels == 2:
        scores["f1"] = float(each[1])
    scores["f1_macro"] = float(each[occurs].mean())
    scores["matthews"] = _matthews(true.astype(float), guessed.astype(float), float(right.sum()))
    return scores


def _matthews(true: np.ndarray, guessed: np.ndarray, right: float) -> float:
    total = true.sum()
    spread = (total**2 - guessed @ guessed) * (total**2 - true @ true)
    if spread == 0:
        return 0.0
    return float((right * total - guessed @ true) / np.sqrt(spread))


def several_label_scores(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """The scores of any number of labels per text.

    Args:
        truth: bool [N, C].
        predicted: bool [N, C].

    Returns:
        `accuracy` (all labels of a text right), `f1_micro`, `f1_macro`.
    """
    right = (truth & predicted).sum(0)
    true, guessed = truth.sum(0), predicted.sum(0)
    sums = [counts.sum(keepdims=True) for counts in (true, guessed, right)]
    return {
        "accuracy": float((truth == predicted).all(1).mean()),
        "f1_micro": float(f1_per_label(*sums)[0]),
        "f1_macro": float(f1_per_label(true, guessed, right).mean()),
    }


def correlations(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """`pearson` and `spearman` of two rows of numbers, `mse`; correlations of a constant are 0."""
    truth, predicted = truth.astype(float), predicted.astype(float)
    return {
        "pearson": _pearson(truth, predicted),
        "spearman": _pearson(ranks(truth), ranks(predicted)),
        "mse": float(np.square(truth - predicted).mean()),
    }


def _pearson(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one - one.mean(), other - other.mean()
    spread = float(np.sqrt(one @ one) * np.sqrt(other @ other))
    return float(one @ other) / spread if spread else 0.0


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, equal values sharing the mean of theirs, float64 [N]."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: np.ndarray = (last - (counts - 1) / 2.0)[inverse]
    return means
