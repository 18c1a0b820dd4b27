from __future__ import annotations

import json

import pytest

from bertkit.errors import DataError
from bertkit.tasks.squad.question import Answer, Passage, Question
from bertkit.tasks.squad.questions import read_questions
from bertkit.tasks.squad.score import exact_match, f1, f1_version_2, normalise, score


def test_real_predictions_get_the_official_figures(shared):
    folder = shared / "data/squad"
    predictions = json.loads((folder / "predictions_v1.1_logistic_baseline.json").read_text())
    scores = score(read_questions(folder / "dev-v1.1.json"), predictions)
    # Python 3.12 and later add up floats with a smaller error.
    official = {"exact_match": 40.14191106906339, "f1": 50.98153647324461}
    assert scores == pytest.approx(official, rel=1e-14)


def test_normalising_and_measures():
    assert normalise("  The U.S.A. and\tan apple!") == "usa and apple"
    assert normalise("theatre a-the") == "theatre athe"
    assert exact_match("the Cat.", "cat") == 1
    assert f1("big red cat", "red cat") == pytest.approx(0.8)
    assert f1("cat cat", "cat") == pytest.approx(2 / 3)
    assert (f1("the", "a"), f1_version_2("the", "a"), f1_version_2("x", "")) == (0, 1, 0)


def question(name: str, *answers: str) -> Question:
    return Question(name, "?", Passage("x"), [Answer(text, 0) for text in answers], not answers)


def test_the_best_of_several_answers_counts_and_missing_ones_are_wrong(caplog):
    questions = [question("a", "red cat", "big red cat"), question("b", "dog")]
    assert score(questions, {"a": "big red cat"}) == {"exact_match": 50.0, "f1": 50.0}


def test_version_2_by_hand():
    questions = [question("a", "red cat"), question("b", "dog"), question("c"), question("d")]
    answers = {"a": "cat", "b": "", "c": "", "d": "x"}
    odds = {"a": -3.0, "b": 2.0, "c": 1.0, "d": -1.0}
    scores = score(questions, answers, version_2=True, null_odds=odds)
    third = 100 * 2 / 3
    assert scores == {
        "exact": 25.0, "f1": pytest.approx((third + 100) / 4), "total": 4,
        "HasAns_exact": 0.0, "HasAns_f1": pytest.approx(third / 2), "HasAns_total": 2,
        "NoAns_exact": 50.0, "NoAns_f1": 50.0, "NoAns_total": 2,
        # Declining everything is right twice; answering `a` only adds two thirds of F1.
        "best_exact": 50.0, "best_exact_thresh": 0.0,
        "best_f1": pytest.approx((200 + third) / 4), "best_f1_thresh": -3.0,
    }  # fmt: skip


def test_no_score_is_above_100_where_predictions_are_missing():
    # The official script counts c and d as right for best_exact and best_f1: 300.
    questions = [question("a", "red cat"), question("c"), question("d")]
    scores = score(questions, {"a": "red cat"}, version_2=True, null_odds={"a": -1.0})
    assert scores["best_exact"] == scores["best_f1"] == scores["exact"] == 100.0


def test_declining_every_question_scores_the_unanswerable_ones(shared):
    path = shared / "data/squad/dev-v2.0.eval-equivalent.json"
    questions = read_questions(path, version_2=True)
    scores = score(questions, {q.id: "" for q in questions}, version_2=True)
    assert scores["exact"] == scores["f1"] == 100 * 5945 / 11873  # the published 50.07
    perfect = {q.id: q.answers[0].text if q.answers else "" for q in questions}
    assert score(questions, perfect, version_2=True)["f1"] == 100.0


def test_nothing_to_score():
    with pytest.raises(DataError, match="no prediction belongs"):
        score([question("a", "x")], {"b": "x"})
    with pytest.raises(DataError, match="question a has no answer"):
        score([question("a")], {"a": "x"})
