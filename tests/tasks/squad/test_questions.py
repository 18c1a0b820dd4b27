from __future__ import annotations

import copy
import json

import pytest

from bertkit.errors import DataError
from bertkit.tasks.squad.question import Answer, Passage, Question
from bertkit.tasks.squad.questions import read_questions
from tasks.squad.world import PEOPLE, RIVERS, paragraph, squad


def test_reads_questions_in_order(write):
    path = write("train.json", squad(RIVERS, PEOPLE))
    questions = read_questions(path, training=True)
    assert [question.text for question in questions[:2]] == [
        "What flows through Paris?",
        "Where did the Thames flow?",
    ]
    assert questions[0].passage is questions[1].passage
    assert questions[4].answers == [Answer("a poem", 34)]
    assert len(read_questions(path, limit=3)) == 3


def test_words_split_at_the_references_white_space_only():
    passage = Passage(" one\ttwo\u202fthree\r\nfour\u00a0five ")
    assert passage.words == ["one", "two", "three", "four\u00a0five"]
    assert [passage.word_at(i) for i in (0, 1, 3, 4, 5, 24)] == [-1, 0, 0, 0, 1, 3]


@pytest.mark.parametrize(
    ("answer", "words"),
    [(Answer("Seine flows", 4), (1, 2)), (Answer("eine", 5), (1, 1)), (Answer("Rhine", 4), None)],
)
def test_answer_words(answer, words):
    question = Question("q", "?", Passage("The Seine flows"), [answer])
    assert question.answer_words() == words


def test_the_answers_decide_what_is_impossible(write, caplog):
    entries = [
        {"id": "a", "answers": [{"text": "Anna", "answer_start": 0}]},
        {"id": "b", "answers": []},
        {"id": "c"},
        {"id": "d", "answers": [{"text": "Anna", "answer_start": 0}], "is_impossible": True},
        {"id": "e", "answers": [], "is_impossible": False},
    ]
    passage = {"context": "Anna wrote.", "qas": [{**entry, "question": "?"} for entry in entries]}
    path = write("v2.json", squad(passage))
    for training in (True, False):
        caplog.clear()
        found = read_questions(path, version_2=True, training=training)
        assert [question.impossible for question in found] == [False, True, True, False, True]
        assert "contradicts the answers of 2 of 5 questions (the first is d)" in caplog.text
    path = write("unflagged.json", squad({**passage, "qas": passage["qas"][:3]}))
    with pytest.raises(DataError, match="has 0 answers") as caught:
        read_questions(path, training=True)
    assert "--version-2-with-negative" in caught.value.hint


def test_version_2_needs_its_flag(write):
    path = write("v2.json", squad(paragraph("Anna wrote.", ("Who?", "Anna"), ("Where?", ""))))
    with pytest.raises(DataError, match=r"Old_Cities.*q-.*is_impossible") as caught:
        read_questions(path)
    assert "--version-2-with-negative" in caught.value.hint
    assert [q.impossible for q in read_questions(path, version_2=True, training=True)] == [0, 1]


def broken(change):
    value = copy.deepcopy(squad(RIVERS))
    change(value)
    return value


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda v: v.pop("data"), "has no 'data'"),
        (lambda v: v.update(data={}), "'data' is not a list"),
        (lambda v: v.update(data=[]), "holds no question"),
        (lambda v: v.update(data=[3]), "article 0: expected an object"),
        (
            lambda v: v["data"][0].pop("paragraphs"),
            r"article 0 \(Old_Cities\): has no 'paragraphs'",
        ),
        (lambda v: v["data"][0]["paragraphs"][0].pop("context"), "paragraph 0: has no 'context'"),
        (lambda v: _entry(v).pop("id"), "paragraph 0, a question: has no 'id'"),
        (lambda v: _entry(v).update(question=None), "question q-.*'question' is not a text"),
        (lambda v: _entry(v)["answers"][0].update(answer_start="7"), "is not a whole number"),
        (lambda v: _entry(v)["answers"][0].update(answer_start=True), "is not a whole number"),
        (lambda v: _entry(v)["answers"][0].update(answer_start=70), "outside the paragraph"),
        (lambda v: _entry(v)["answers"][0].update(answer_start=-1), "outside the paragraph"),
        (lambda v: _entry(v)["answers"].append(_entry(v)["answers"][0]), "has 2 answers"),
        (lambda v: _entry(v)["answers"].clear(), "has 0 answers"),
        (lambda v: v["data"].append(v["data"][0]), "article 1.*has occurred before"),
    ],
)
def test_malformed_files_name_the_place(write, change, text):
    path = write("bad.json", broken(change))
    with pytest.raises(DataError, match=text) as caught:
        read_questions(path, training=True)
    assert str(path) in caught.value.message


def _entry(value):
    return value["data"][0]["paragraphs"][0]["qas"][0]


def test_not_json_and_not_there(tmp_path):
    (tmp_path / "x.json").write_text('{"data": [\n}')
    with pytest.raises(DataError, match=r"x\.json:2: not JSON"):
        read_questions(tmp_path / "x.json")
    with pytest.raises(DataError, match="cannot read"):
        read_questions(tmp_path / "y.json")


def test_real_files_have_the_published_numbers(shared):
    folder = shared / "data/squad"
    assert len(read_questions(folder / "dev-v1.1.json")) == 10_570
    questions = read_questions(folder / "dev-v2.0.eval-equivalent.json", version_2=True)
    assert (len(questions), sum(q.impossible for q in questions)) == (11_873, 5_945)


def test_one_row_alone_is_json_lines(tmp_path):
    row = {
        "id": 1,
        "question": "Who?",
        "context": "Anna.",
        "answers": {"text": [], "answer_start": []},
    }
    (tmp_path / "one.json").write_text(json.dumps(row) + "\n")
    (found,) = read_questions(tmp_path / "one.json", version_2=True)
    assert (found.id, found.passage.text, found.impossible) == ("1", "Anna.", True)


def test_answers_of_rows_without_a_text_or_a_place(tmp_path):
    def read(answers):
        row = {"id": "a", "question": "Who?", "context": "Anna.", "answers": answers}
        (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
        return read_questions(tmp_path / "a.jsonl", version_2=True)[0].answers

    assert read({"text": ["Anna"], "answer_start": [0]}) == [Answer("Anna", 0)]
    # As Arrow has a row without answers in a column of objects.
    assert read({"text": None, "answer_start": None}) == []
    for wrong in ({"text": ["Anna"], "answers_start": [0]}, {"text": ["Anna"], "answer_start": []}):
        with pytest.raises(DataError, match=r"a.jsonl:1: 'answers' is not of the form"):
            read(wrong)
