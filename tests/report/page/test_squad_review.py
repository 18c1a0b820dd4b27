"""The review of SQuAD answers as a section of an HTML page."""

from __future__ import annotations

from bertkit.report.page.squad_review import review_section

FOUND = {
    "groups": {
        "first word": [
            {"group": "who", "questions": 1200, "exact": 51.25, "f1": 60.0},
            {"group": "why & how", "questions": 3, "exact": 0.0, "f1": 12.5},
        ]
    },
    "right": [],
    "wrong": [
        {
            "question": "who <wrote> it?",
            "answer": "",
            "probability": 0.987,
            "wanted": ["anna", "Anna B."],
            "passage": "a poem by anna",
        }
    ],
}


def test_scores_and_examples_stand_in_tables():
    text = review_section("runs/a&b", FOUND)
    assert "<h2>Answers of runs/a&amp;b</h2>" in text
    heads = [cell.partition(">")[2].partition("<")[0] for cell in text.split("<th ")[1:]]
    assert heads[:3] == ["questions", "exact match (%)", "F1 (%)"]
    cells = [cell.partition(">")[2].partition("<")[0] for cell in text.split("<td")[1:]]
    assert cells[:4] == ["who", "1,200", "51.2", "60.0"]
    assert cells[4:8] == ["why &amp; how", "3", "0.0", "12.5"]
    assert cells[8:] == [
        "who &lt;wrote&gt; it?",
        "(nothing)",
        "0.99",
        "anna | Anna B.",
        "a poem by anna",
    ]


def test_kinds_of_examples_that_are_missing_have_no_heading():
    text = review_section("run", FOUND)
    assert "Wrong, the most confident first" in text
    assert "Right, for example" not in text
