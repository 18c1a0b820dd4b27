"""Tables of wrong labels and scores, counted by hand."""

from __future__ import annotations

import numpy as np

from bertkit.tasks.classify.examples import Example
from bertkit.tasks.classify.reviews import SUREST, numbers, several_labels, single_labels
from bertkit.tasks.finetuning.review import GROUPS, ROWS


def answer(label, **shares):
    return {"label": label, "probabilities": shares}


def test_labels_and_the_surest_mistakes():
    examples = [Example(f"f:{n}", f"text {n}", "other" if n == 3 else None) for n in range(4)]
    answers = [
        answer("a", a=0.9, b=0.05, c=0.05),
        answer("b", a=0.2, b=0.5, c=0.3),
        answer("b", a=0.1, b=0.8, c=0.1),
        answer("b", a=0.0, b=1.0, c=0.0),
    ]
    found = single_labels(examples, np.array([0, 0, 0, 1]), answers, ["a", "b", "c"])
    assert [row["place"] for row in found[SUREST]] == ["f:2", "f:1"]
    assert found[SUREST][0] == {
        "text": "text 2", "predicted": "b", "probability": 0.8, "wanted": "a", "place": "f:2",
    }  # fmt: skip
    assert [list(row.values()) for row in found["Labels"]] == [
        ["a", 3, 1, 1, "b (2)"],
        ["b", 1, 3, 1, "-"],
    ]


def test_tables_of_many_labels_and_mistakes_stay_small():
    names = [f"l{n}" for n in range(60)]
    examples = [Example(f"f:{n}", "t" * 5000) for n in range(60)]
    answers = [answer("l0", **dict.fromkeys(names, 1 / 60)) for _ in names]
    found = single_labels(examples, np.arange(60), answers, names)
    assert len(found["Labels"]) == GROUPS and found["Labels"][0]["label"] == "l0"
    assert len(found[SUREST]) == ROWS and len(found[SUREST][0]["text"]) < 300


def test_several_labels():
    examples = [Example(f"f:{n}", "t", "pair") for n in range(3)]
    answers = [
        {"labels": ["a"], "probabilities": {"a": 0.9, "b": 0.4}},
        {"labels": [], "probabilities": {"a": 0.3, "b": 0.1}},
        {"labels": ["a", "b"], "probabilities": {"a": 0.99, "b": 0.6}},
    ]
    truth = np.array([[True, False], [True, False], [False, True]])
    rows = several_labels(examples, truth, answers)[SUREST]
    assert [(row["place"], row["worst label"]) for row in rows] == [
        ("f:2", "a (0.99)"),
        ("f:1", "a (0.30)"),
    ]
    assert (rows[0]["predicted"], rows[0]["wanted"], rows[1]["predicted"]) == ("a, b", "b", "")


def test_scores_that_are_furthest_off():
    examples = [Example(f"f:{n}", "t") for n in range(3)]
    rows = numbers(examples, np.float32([1, 2, 3]), np.float32([1.5, 2, 1]))["Furthest off"]
    assert [(row["place"], row["off"]) for row in rows] == [("f:2", -2.0), ("f:0", 0.5), ("f:1", 0)]
