"""The character table against the readable tokenizer's functions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertkit.tokenization.kernels import characters
from bertkit.tokenization.kernels.characters import (
    ALONE,
    GAP,
    HARD,
    NOTHING,
    PART,
    CharacterTable,
    byte_classes,
    kind_and_text,
)
from bertkit.tokenization.normalisation import UNCASED, Normalisation
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS, Vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer

VOCAB = Vocab(list(SPECIAL_TOKENS), {token: i for i, token in enumerate(SPECIAL_TOKENS)}, "")
READABLE = {lower: WordPieceTokenizer(VOCAB, Normalisation(lower)) for lower in (True, False)}


@pytest.mark.parametrize(
    ("character", "wanted"),
    [
        ("A", (PART, "a")),
        ("é", (PART, "e")),
        ("\u0301", (PART, "")),
        ("中", (ALONE, "中")),
        ("…", (ALONE, "…")),
        ("\u3000", (GAP, "")),
        ("\u200b", (NOTHING, "")),
        ("\r", (NOTHING, "")),
        ("\u03a3", (HARD, "")),
    ],
)
def test_kinds(character, wanted):
    assert kind_and_text(character, UNCASED) == wanted


@given(st.characters(codec="utf-8", exclude_characters="\r"), st.booleans())
def test_a_character_between_letters_makes_the_words_of_the_readable_tokenizer(character, lower):
    kind, text = kind_and_text(character, Normalisation(lower))
    words = READABLE[lower].basic_tokenize(f"x{character}y")
    if kind == PART:
        assert words == [f"x{text}y"]
    elif kind == NOTHING:
        assert words == ["xy"]
    elif kind == GAP:
        assert words == ["x", "y"]
    elif kind == ALONE:
        assert words == ["x", text, "y"]
    else:
        assert kind == HARD


@given(st.integers(0, 0x10FFFF >> 8))
def test_table_holds_what_the_functions_say(page):
    table = CharacterTable(UNCASED)
    table.fill(page)
    for code in range(page << 8, (page << 8) + 256, 17):
        entry = int(table.entries[table.pages[page] + (code & 0xFF)])
        kind, text = kind_and_text(chr(code), UNCASED)
        first, size = entry >> 16, entry >> 8 & 0xFF
        assert entry & int(characters.KIND_BITS) == kind
        assert entry >> 4 & 0xF == len(text)
        assert bytes(table.texts[first : first + size]).decode() == text
        assert bool(entry & int(characters.BLANK_FLAG)) == chr(code).isspace()


def test_a_variant_gets_the_characters_that_differ():
    table = CharacterTable(UNCASED, differs=lambda character: character == "b")
    kinds = table.entries[[ord("a"), ord("b")]] & characters.KIND_BITS
    assert kinds.tolist() == [PART, HARD]


def test_classes_of_bytes():
    classes = byte_classes()
    for byte in range(128):
        character = chr(byte)
        wanted = (
            characters.LINE
            if character == "\n"
            else characters.SPACE
            if character in " \t"
            else characters.WORD
            if character.isalnum()
            else characters.MARK
            if character.isprintable()
            else characters.OTHER
        )
        assert classes[byte] == wanted, byte
    assert np.all(classes[128:] == characters.OTHER)
