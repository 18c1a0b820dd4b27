from __future__ import annotations

from collections import Counter

from bertkit.corpus.download.sample import load_topics
from bertkit.corpus.download.sample_task import topic_files

LONG = "{} " * 15


def rows(text):
    head, *lines = text.splitlines()
    assert head == "text\tlabel"
    return [tuple(line.split("\t")) for line in lines]


def test_every_fifth_paragraph_of_a_topic_is_held_out():
    topics = {"a": "\n\n".join(LONG.format(*[f"a{n}"] * 15) for n in range(10))}
    files = topic_files(topics)
    assert [text.split()[0] for text, _ in rows(files["dev.tsv"])] == ["a4", "a9"]
    assert len(rows(files["train.tsv"])) == 8


def test_short_shared_and_repeated_paragraphs_are_left_out():
    own, shared = LONG.format(*["own"] * 15), LONG.format(*["both"] * 15)
    topics = {"a": f"Short.\n\n{own}\n\n{own}\n\n{shared}", "b": shared}
    assert [label for _, label in rows(topic_files(topics)["train.tsv"])] == ["a"]


def test_six_topics_of_this_python_and_nothing_in_both_files():
    files = topic_files(load_topics())
    train, dev = rows(files["train.tsv"]), rows(files["dev.tsv"])
    assert {len(row) for row in train + dev} == {2}
    assert not {text for text, _ in train} & {text for text, _ in dev}
    held_out = Counter(label for _, label in dev)
    assert set(held_out) == {label for _, label in train} and len(held_out) == 6
    assert max(held_out.values()) / len(dev) < 0.4
    assert topic_files(load_topics()) == files
