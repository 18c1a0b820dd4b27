"""Scores of tags against seqeval on random outputs, and against the shared task's own figure."""

from __future__ import annotations

import random
import warnings

import pytest
from seqeval import metrics

from bertkit.tasks.tag.schemes import SCHEMES
from bertkit.tasks.tag.score import score_tags
from bertkit.tasks.tag.sentence_files import read_predicted, read_sentences

from .test_schemes import CLASSES, some_tags


def close(found, wanted):
    return all(abs(found[name] - value) < 1e-12 for name, value in wanted.items())


def theirs(gold, guess, **options):
    """seqeval's scores under our names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = metrics.classification_report(gold, guess, output_dict=True, **options)
    shown = {"precision": "precision", "recall": "recall", "f1-score": "f1"}
    names = {"micro avg": ""}
    wanted = {
        f"{names.get(kind, kind + '_')}{ours}": row[name]
        for kind, row in table.items()
        if kind not in ("macro avg", "weighted avg")
        for name, ours in shown.items()
    }
    return wanted | {"accuracy": metrics.accuracy_score(gold, guess)}


@pytest.mark.parametrize("strict", [False, True])
def test_scores_equal_seqevals_on_random_outputs_in_every_scheme(strict):
    draw = random.Random(3)
    for number in range(400):
        name = draw.choice(list(CLASSES) if strict else ["bio", "iob1", "bioes", "ioe2"])
        gold = [some_tags(draw, SCHEMES[name].letters) for _ in range(draw.randint(1, 6))]
        # What a system predicts is right often enough for entities to meet.
        guess = [[tag if draw.random() < 0.7 else draw.choice(own) for tag in own] for own in gold]
        options = {"mode": "strict", "scheme": CLASSES[name]} if strict else {}
        found = score_tags(gold, guess, name, strict)
        if any(name.endswith("_f1") for name in found):  # seqeval has no report of nothing
            assert close(found, theirs(gold, guess, **options)), number


def test_without_a_scheme_words_are_counted_alone():
    found = score_tags([["NN", "VB"], ["DT"]], [["NN", "NN"], ["DT"]], "none")
    assert found == {"accuracy": pytest.approx(2 / 3)}


def test_nothing_to_find_and_nothing_found_is_0():
    found = score_tags([["O", "O"]], [["O", "O"]], "bio")
    assert found == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "accuracy": 1.0}


def conlleval(gold, guess):
    """(correct, found, right) entities as conlleval counts them while it reads line by line."""

    def turns(before, kind, letter, own):
        ends = before + letter in ("BB", "BO", "IB", "IO", "EE", "EI", "EO")
        starts = before + letter in ("BB", "IB", "OB", "OI", "EE", "EI", "OE")
        return ends or (before != "O" and kind != own), starts or (letter != "O" and kind != own)

    correct = found = right = 0
    going, last = False, ("O", "", "O", "")
    for one, other in zip(gold, guess, strict=True):
        for mine, its in [*zip(one, other, strict=True), ("O", "O")]:
            (letter, _, own), (guessed, _, kind) = mine.partition("-"), its.partition("-")
            ends, starts = turns(*last[:2], letter, own)
            stops, begins = turns(*last[2:], guessed, kind)
            if going and ends and stops:
                going, correct = False, correct + 1
            elif going and (ends != stops or own != kind):
                going = False
            going = going or (starts and begins and own == kind)
            right, found = right + starts, found + begins
            last = letter, own, guessed, kind
    return correct, found, right


@pytest.mark.parametrize("letters", ["BIO", "IOE"])
def test_scores_equal_conllevals_in_the_schemes_that_it_knows(letters):
    draw = random.Random(4)
    for number in range(400):
        gold = [some_tags(draw, letters) for _ in range(3)]
        guess = [[t if draw.random() < 0.7 else draw.choice(own) for t in own] for own in gold]
        correct, found, right = conlleval(gold, guess)
        scores = score_tags(gold, guess, "bio")
        wanted = {"precision": correct / max(1, found), "recall": correct / max(1, right)}
        assert close(scores, wanted), number


def test_a_submission_of_wnut17_has_the_figure_of_the_shared_task(shared):
    folder = shared / "data/tasks/wnut17"
    gold = read_sentences(folder / "emerging.test.annotated").sentences
    guess = read_predicted(folder / "submission_uh_ritual.conll", gold)
    found = score_tags([sentence.tags for sentence in gold], guess, "bio")
    shown = [f"{100 * found[name]:.2f}" for name in ("precision", "recall", "f1")]
    assert shown == ["57.54", "32.90", "41.86"]
