"""Tables of wrong tags."""

from __future__ import annotations

from bertkit.tasks.finetuning.review import ROWS
from bertkit.tasks.tag.review import review_tags
from bertkit.tasks.tag.sentence import Sentence


def sentence(words, tags, first=1):
    return Sentence(words.split(), tags.split(), "f", range(first, first + len(words.split())))


def test_tags_and_the_surest_mistake_of_each_sentence():
    sentences = [
        sentence("Otto saw Paris", "B-PER O B-LOC"),
        sentence("Anna left", "B-PER O", 5),
        sentence("so it is", "O O O", 8),
    ]
    found = [
        [("O", 0.6), ("O", 1.0), ("B-PER", 0.7)],
        [("O", 0.9), ("O", 0.9)],
        [("O", 0.9)] * 3,
    ]
    tables = review_tags(sentences, found)
    assert [list(row.values()) for row in tables["Tags taken for others"]] == [
        ["B-PER", "O", 2],
        ["B-LOC", "B-PER", 1],
    ]
    assert [list(row.values()) for row in tables["Wrong, the surest first"]] == [
        ["[Anna] left", "O", 0.9, "B-PER", "f:5"],
        ["Otto saw [Paris]", "B-PER", 0.7, "B-LOC", "f:3"],
    ]


def test_the_word_is_seen_in_a_long_sentence_and_tables_stay_small():
    words = ["word"] * 400
    words[300] = "Oslo"
    long = Sentence(words, ["O"] * 400, "f", range(400))
    tags = [("O", 1.0)] * 300 + [("B-LOC", 0.8)] + [("O", 1.0)] * 99
    rows = review_tags([long] * 30, [tags] * 30)["Wrong, the surest first"]
    assert len(rows) == ROWS and "[Oslo]" in rows[0]["word in its sentence"]
    assert len(rows[0]["word in its sentence"]) < 250
