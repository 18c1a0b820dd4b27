"""Scores equal scikit-learn's and scipy's on thousands of random outputs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from bertkit.tasks.classify.metrics import correlations, label_scores, ranks, several_label_scores

metrics = pytest.importorskip("sklearn.metrics")
stats = pytest.importorskip("scipy.stats")


def test_scores_of_single_labels_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    for number in range(60):
        labels = int(random.integers(2, 6))
        size = int(random.integers(1, 40 if number % 2 else 4000))
        # Skewed, so that some labels are absent, or are all there is.
        chances = random.dirichlet(np.full(labels, 0.5))
        truth, guess = (random.choice(labels, size, p=chances) for _ in range(2))
        if number % 7 == 0:
            guess = truth.copy()
        found = label_scores(truth, guess, labels)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = {
                "accuracy": metrics.accuracy_score(truth, guess),
                "f1_macro": metrics.f1_score(truth, guess, average="macro", zero_division=0),
                "matthews": metrics.matthews_corrcoef(truth, guess),
            }
            if labels == 2:
                wanted["f1"] = metrics.f1_score(truth, guess, zero_division=0)
        assert found == pytest.approx(wanted, abs=1e-12)


def test_scores_of_several_labels_are_those_of_scikit_learn():
    random = np.random.default_rng(1)
    for _ in range(40):
        shape = (int(random.integers(1, 30)), int(random.integers(1, 6)))
        truth, guess = (random.random(shape) < random.random() for _ in range(2))
        wide = [np.pad(a, ((0, 0), (0, 1))) for a in (truth, guess)]  # one column is no table there
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            each = metrics.f1_score(*wide, average=None, zero_division=0)[:-1]
            wanted = {
                "accuracy": metrics.accuracy_score(*wide),
                "f1_micro": metrics.f1_score(*wide, average="micro", zero_division=0),
                "f1_macro": each.mean(),
            }
        assert several_label_scores(truth, guess) == pytest.approx(wanted, abs=1e-12)


def test_correlations_are_those_of_scipy():
    random = np.random.default_rng(2)
    for number in range(150):
        size = int(random.integers(2, 40 if number % 10 else 4000))
        truth, guess = random.normal(size=(2, size)).round(int(random.integers(0, 4)))
        if number % 5 == 0:
            truth = random.integers(0, 3, size)  # ties
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = {
                "pearson": np.nan_to_num(stats.pearsonr(truth, guess).statistic),
                "spearman": np.nan_to_num(stats.spearmanr(truth, guess).statistic),
                "mse": metrics.mean_squared_error(truth, guess),
            }
        assert correlations(truth, guess) == pytest.approx(wanted, abs=1e-9)
        assert ranks(guess).tolist() == stats.rankdata(guess).tolist()


def test_a_perfect_score_is_one_and_a_constant_correlates_with_nothing():
    assert label_scores(np.array([0, 1]), np.array([0, 1]), 2) == {
        "accuracy": 1.0, "f1": 1.0, "f1_macro": 1.0, "matthews": pytest.approx(1.0),
    }  # fmt: skip
    assert correlations(np.array([1.0, 2.0]), np.array([3.0, 3.0]))["pearson"] == 0.0
