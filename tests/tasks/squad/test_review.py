from __future__ import annotations

import html
import json

import pytest

from bertkit.errors import DataError
from bertkit.tasks.squad import review
from bertkit.tasks.squad.answer_files import score_folder
from bertkit.tasks.squad.questions import read_questions
from tasks.squad.world import PEOPLE, RIVERS, paragraph, squad


@pytest.fixture
def questions(write):
    return read_questions(write("x.json", squad(RIVERS, PEOPLE)))


def test_groups_hold_every_question_once_and_give_the_official_score(shared):
    """The real predictions, whose EM and F1 the official script gives."""
    questions = read_questions(shared / "data/squad/dev-v1.1.json")
    path = shared / "data/squad/predictions_v1.1_logistic_baseline.json"
    found = review.review(questions, json.loads(path.read_text()))
    for groups in found["groups"].values():
        assert sum(row["questions"] for row in groups) == 10_557  # 13 have no prediction
        for key, known in (("exact", 40.14191106906339), ("f1", 50.98153647324461)):
            mean = sum(row[key] * row["questions"] for row in groups) / 10_570
            assert mean == pytest.approx(known, abs=1e-9)
    assert [row["group"] for row in found["groups"]["question word"]][-2:] == ["how many", "other"]
    assert (len(found["right"]), len(found["wrong"])) == (5, 5)


def test_examples(questions):
    ids = {question.text: question.id for question in questions}
    answers = {
        ids["What flows through Paris?"]: "the Seine!",
        ids["Where did the Thames flow?"]: "Paris",
        ids["When was Otto born?"]: "in 1901",
        ids["Who built the castle?"]: "Otto Maria",
    }
    nbest = {
        ids["When was Otto born?"]: [
            {"text": "1844", "probability": 0.2},
            {"text": "in 1901", "probability": 0.8},
        ]
    }
    found = review.review(questions, answers, nbest)
    assert found["questions"] == 4
    (right,) = found["right"]
    assert (right["question"], right["f1"]) == ("What flows through Paris?", 100.0)
    assert [entry["answer"] for entry in found["wrong"]] == ["in 1901", "Paris"]
    assert found["wrong"][0]["wanted"] == ["1844"]
    assert [entry["probability"] for entry in found["wrong"]] == [0.8, 0.0]
    words = {row["group"]: (row["exact"], row["f1"]) for row in found["groups"]["question word"]}
    assert words["what"] == (100.0, 100.0)
    assert words["who"] == (0.0, pytest.approx(200 / 3))
    text = review.as_text(found)
    assert text.index("in 1901 (0.80)") < text.index("wanted:   1844")


def test_version_2_has_a_group_without_answer(write):
    unanswerable = paragraph("Anna wrote.", ("Who was born?", ""), ("Who wrote?", "Anna"))
    questions = read_questions(write("v2.json", squad(unanswerable)), version_2=True)
    answers = {questions[0].id: "", questions[1].id: "wrote"}
    found = review.review(questions, answers, version_2=True)
    first, second = found["groups"]["answer length"]
    assert (first["group"], first["exact"]) == ("no answer", 100.0)
    assert (second["group"], second["exact"]) == ("under 2 words", 0.0)
    with pytest.raises(DataError, match="has no answer to score against"):
        review.review(questions, answers)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("nbest_predictions.json", "[]"),
        ("nbest_predictions.json", '{"a": [{"text": "x"}]}'),
        ("nbest_predictions.json", '{"a": 3}'),
        ("nbest_predictions.json", '{"a": [{"text": "x", "probability": Infinity}]}'),
        ("null_odds.json", '{"a": "b"}'),
        ("null_odds.json", "[1]"),
    ],
)
def test_files_of_another_form_are_named(questions, tmp_path, name, content):
    (tmp_path / "predictions.json").write_text(json.dumps({questions[0].id: "x"}))
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        score_folder(tmp_path, questions, version_2=True)


def test_the_command_shows_and_draws_it(bertkit, questions, tmp_path):
    answers = {question.id: question.answers[0].text for question in questions}
    (tmp_path / "predictions.json").write_text(json.dumps(answers))
    score_folder(tmp_path, questions, version_2=False)
    result = bertkit("report", tmp_path)
    assert result.status == 0, result.err
    assert "passage length" in result.out
    assert "Right, for example:" in result.out
    assert "Right, for example" in (tmp_path / "report.html").read_text(encoding="utf-8")
    result = bertkit("report", tmp_path, "--json").result
    assert result["answers"][str(tmp_path)] == review.read_review(tmp_path)
    page = tmp_path / "page.html"
    done = bertkit("report", tmp_path, "--output", page)
    assert done.status == 0, done.err
    text = page.read_text(encoding="utf-8")
    assert "<h3>Right, for example</h3>" in text and html.escape(questions[0].text) in text
    assert bertkit("report", tmp_path, "--output", tmp_path / "no.png").status == 3
    (tmp_path / "review.json").write_text("{}")
    assert bertkit("report", tmp_path).status == 3
