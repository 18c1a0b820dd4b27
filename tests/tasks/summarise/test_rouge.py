"""ROUGE against the package, and what is said where it is missing."""

from __future__ import annotations

import sys

import pytest
from rouge_score.rouge_scorer import RougeScorer

from bertkit.errors import MissingDependencyError
from bertkit.tasks.summarise.rouge import rouge


def test_means_of_the_package_in_percent():
    pairs = [
        (["the cats sat", "on a mat"], ["a cat sat", "it was a mat"]),
        (["rain"], ["it rained all day"]),
        ([], ["nothing chosen"]),
    ]
    found = rouge(pairs)
    for kind, value in found.items():
        one = RougeScorer([kind], use_stemmer=True)
        each = [one.score("\n".join(given), "\n".join(made)) for made, given in pairs]
        wanted = sum(scores[kind].fmeasure for scores in each) / 3
        assert value == pytest.approx(100 * wanted, abs=1e-12)
    assert list(found) == ["rouge1", "rouge2", "rougeL", "rougeLsum"]
    assert found["rouge1"] > 0


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "rouge_score", None)
    monkeypatch.delitem(sys.modules, "rouge_score.rouge_scorer", raising=False)
    with pytest.raises(MissingDependencyError, match="rouge-score") as error:
        rouge([(["a"], ["b"])])
    assert error.value.hint == "pip install 'bertkit[summarise]'"
