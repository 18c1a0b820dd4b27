"""Schemes of tags: which one explains a file, and the entities, against seqeval on random tags."""

from __future__ import annotations

import random
import warnings

import pytest
from seqeval import scheme as theirs
from seqeval.metrics.sequence_labeling import get_entities

from bertkit.tasks.tag.schemes import (
    NONE,
    SCHEMES,
    entities,
    is_tag,
    scheme_of,
    strict_entities,
)

CLASSES = {
    "bio": theirs.IOB2,
    "iob1": theirs.IOB1,
    "bioes": theirs.IOBES,
    "bilou": theirs.BILOU,
    "ioe1": theirs.IOE1,
    "ioe2": theirs.IOE2,
}


def some_tags(draw, letters):
    """A sentence of random tags; types with hyphens and without any."""
    found = draw.choices(letters, k=draw.randint(1, 9))
    types = ["-PER", "-LOC", "-creative-work", ""]
    return [letter if letter == "O" else letter + draw.choice(types) for letter in found]


def test_entities_equal_seqevals_on_thousands_of_random_sentences():
    draw = random.Random(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3000):
            tags = some_tags(draw, "BIOES")
            assert entities(tags) == get_entities(tags), tags


@pytest.mark.parametrize("name", CLASSES)
def test_strict_entities_equal_seqevals_on_thousands_of_random_sentences(name):
    draw = random.Random(2)
    for _ in range(1500):
        tags = some_tags(draw, SCHEMES[name].letters)
        found = theirs.Tokens(tags, CLASSES[name]).entities
        wanted = [(one.tag, one.start, one.end - 1) for one in found]
        assert strict_entities(tags, SCHEMES[name]) == wanted, tags


def test_bilou_and_bmes_are_bioes_by_other_letters():
    tags = ["B-A", "I-A", "E-A", "S-A", "S-A", "O", "B-B", "E-B", "I-A"]
    wanted = [("A", 0, 2), ("A", 3, 3), ("A", 4, 4), ("B", 6, 7)]
    for letters in ("BIES", "BILU", "BMES"):
        own = [tag.translate(str.maketrans("BIES", letters)) for tag in tags]
        assert entities(own) == [*wanted, ("A", 8, 8)]
        assert strict_entities(own, SCHEMES[scheme_of([own])]) == wanted


@pytest.mark.parametrize(
    ("name", "sentences"),
    [
        ("bio", ["B-A I-A O B-A B-A", "O"]),
        ("iob1", ["I-A I-A O I-A B-A", "O"]),
        ("bio", ["O O"]),
        ("bioes", ["B-A I-A E-A O S-A"]),
        ("bioes", ["B-A E-A"]),
        ("bioes", ["S-A O"]),
        ("bilou", ["B-A I-A L-A O U-A"]),
        ("bmes", ["B-A M-A E-A S-A"]),
        ("ioe2", ["I-A E-A E-A O E-B"]),
        ("bio", ["B I O B"]),
        (NONE, ["NN VB -LRB-"]),
        (NONE, ["B-A L-A E-A"]),
    ],
)
def test_the_scheme_of_a_file_is_told_by_its_letters_and_their_use(name, sentences):
    assert scheme_of([sentence.split() for sentence in sentences]) == name


def test_a_tag_is_O_or_a_letter_and_a_type():
    assert all(map(is_tag, ["O", "B", "B-x", "I-creative-work", "S--", "E-a b"]))
    assert not any(map(is_tag, ["", "B-", "OUT", "b-x", "B_x", "PER", "O-x", "X-PER", "-LRB-"]))
