"""Labels against the algorithm as Liu (2019) published it, on plain sets."""

from __future__ import annotations

import itertools
import random
import re

import pytest

from bertkit.tasks.summarise.oracle import ORACLES, combination, greedy

WORDS = ["the", "The", "cat", "sat.", "on", "mat,", "it's", "3.5", "-", "--", "U.S.", "ü", "Straße"]
WORDS += [f"w{number}" for number in range(25)]


def f1(chosen, summary, size):
    """ROUGE-N of sets, without counts of repetitions, from the paper's formulas."""

    def grams(words):
        return {tuple(words[n : n + size]) for n in range(len(words) - size + 1)}

    clean = [re.sub(r"[^a-zA-Z0-9 ]", "", " ".join(words)).split() for words in chosen]
    reference = grams(
        re.sub(r"[^a-zA-Z0-9 ]", "", " ".join(word for words in summary for word in words)).split()
    )
    evaluated = set().union(*(grams(words) for words in clean))
    both = evaluated & reference
    precision = len(both) / len(evaluated) if evaluated else 0.0
    recall = len(both) / len(reference) if reference else 0.0
    return 2.0 * ((precision * recall) / (precision + recall + 1e-8))


def value(document, summary, numbers):
    chosen = [document[number] for number in numbers]
    return f1(chosen, summary, 1) + f1(chosen, summary, 2)


def greedily(document, summary, most):
    chosen, best = [], 0.0
    for _ in range(most):
        found = [
            (value(document, summary, [*chosen, n]), -n)
            for n in range(len(document))
            if n not in chosen
        ]
        if not found or max(found)[0] <= best:
            break
        best, number = max(found)
        chosen.append(-number)
    return sorted(chosen)


def of_all_sets(document, summary, most):
    best, chosen = 0.0, (0,)
    useless = {n for n in range(len(document)) if value(document, summary, [n]) == 0}
    left = [n for n in range(len(document)) if n not in useless]
    for size in range(1, most + 2):
        for numbers in itertools.combinations(left, size):
            score = value(document, summary, numbers)
            if score > best:
                best, chosen = score, numbers
    return list(chosen)


def texts(draw, longest):
    def sentences(most, length):
        return [
            [draw.choice(WORDS) for _ in range(draw.randint(0, length))]
            for _ in range(draw.randint(1, most))
        ]

    return sentences(longest, 12), sentences(3, 9)


def test_greedy_equals_the_published_algorithm():
    draw = random.Random(0)
    sizes = set()
    for _ in range(400):
        document, summary = texts(draw, 12)
        found = greedy(document, summary, 3)
        assert found == greedily(document, summary, 3), (document, summary)
        sizes.add(len(found))
    assert sizes == {0, 1, 2, 3}


def test_combination_equals_the_published_algorithm():
    draw = random.Random(1)
    for _ in range(60):
        document, summary = texts(draw, 6)
        found = combination(document, summary, 3)
        assert found == of_all_sets(document, summary, 3), (document, summary)


@pytest.mark.parametrize("oracle", ORACLES.values())
def test_a_sentence_of_the_summary_is_found(oracle):
    document = [["rain", "fell"], ["a", "whale", "dived", "deep"], ["it", "was", "late"]]
    assert oracle(document, [["a", "whale", "dived", "deep"]], 3) == [1]
