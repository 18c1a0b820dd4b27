"""Letters that are lost or changed where accents are stripped are told."""

from __future__ import annotations

from collections import Counter

import pytest

from bertkit.tokenization.training.stripped import remarks


def of(text):
    return remarks(Counter(map(ord, text)))


def test_vowel_signs_are_lost():
    assert len(of("हिन्दी में सुबह")) == 1
    assert "vowel signs and marks of Devanagari" in of("हिन्दी में सुबह")[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Çok güzel şeyler", "ç ü ş become c u s"),
        ("Übung für Äpfel", "ü ä become u a"),
        ("يقول أحمد إن", "أ إ become ا ا"),
    ],
)
def test_letters_with_accents_become_others(text, said):
    found = of(text)
    assert len(found) == 1 and "--keep-accents" in found[0]
    assert said in found[0]


def test_a_few_words_from_elsewhere_are_not_told():
    assert of("An English text with a café in it. " + "plain words " * 500) == []
    assert of("日本語 漢字") == []
