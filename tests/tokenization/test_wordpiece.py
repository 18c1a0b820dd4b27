"""The tokenizer: each known trap, and an independent implementation where it agrees."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bertkit.errors import DataError
from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.vocabulary import Vocab, find_vocab, load_vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def tokenizer(*words: str, lower_case: bool = True) -> WordPieceTokenizer:
    tokens = [*SPECIAL, *words]
    return WordPieceTokenizer(
        Vocab(tokens, {t: i for i, t in enumerate(tokens)}, ""), Normalisation(lower_case)
    )


UNCASED = [
    ("Hello, World!", ["hello", ",", "world", "!"]),
    ("don't", ["don", "'", "t"]),
    ("$5.00 a^b `c`", ["$", "5", ".", "00", "a", "^", "b", "`", "c", "`"]),
    ("[CLS] [MASK]", ["[", "cls", "]", "[", "mask", "]"]),
    ("a—b “q” ¿x?", ["a", "—", "b", "“", "q", "”", "¿", "x", "?"]),
    ("Résumé ÅNGSTRÖM", ["resume", "angstrom"]),
    ("a\x00b\ufffdc", ["abc"]),
    ("a\u200bb\u00adc\ufeffd", ["abcd"]),  # format characters vanish
    ("a\x1cb\x85c\x0bd", ["abcd"]),  # so do control characters, though str.split() splits there
    ("a\tb\nc\rd", ["a", "b", "c", "d"]),
    ("a\u00a0b\u3000c\u2009d", ["a", "b", "c", "d"]),  # Zs
    ("a\u2028b\u2029c", ["a", "b", "c"]),  # Zl and Zp are neither, but split() splits
    ("漢字kana", ["漢", "字", "kana"]),
    ("\U00020000x\uf900y", ["\U00020000", "x", "\u8c48", "y"]),  # NFD of a compatibility form
    ("ひらがな カタカナ", ["ひらかな", "カタカナ"]),  # NFD takes the voicing mark off
    ("한국", ["\u1112\u1161\u11ab\u1100\u116e\u11a8"]),
    ("ΑΣ ΑΣΑ Σ", ["ας", "ασα", "σ"]),  # final sigma by context
    ("ΑΣ.", ["ας", "."]),
    ("İstanbul", ["istanbul"]),
    ("ẞ ﬁ", ["ß", "ﬁ"]),  # no compatibility folding
    ("a\u037eb", ["a", ";", "b"]),  # Greek question mark decomposes to a semicolon
    ("a\ue000b", ["a\ue000b"]),  # private use stays
    ("a\u0301\u0327", ["a"]),
    ("\u0301", []),  # nothing but a mark leaves nothing
    ("", []),
    (" \t ", []),
]


@pytest.mark.parametrize(("text", "words"), UNCASED)
def test_words_of_an_uncased_vocabulary(text, words):
    assert tokenizer().basic_tokenize(text) == words


CASED = [
    ("Hello, World!", ["Hello", ",", "World", "!"]),
    ("Résumé", ["Résumé"]),
    ("re\u0301sume\u0301", ["re\u0301sume\u0301"]),
    ("a\u200bB\u3000C", ["aB", "C"]),
    ("漢B", ["漢", "B"]),
    ("한국 ΑΣ", ["한국", "ΑΣ"]),
]


@pytest.mark.parametrize(("text", "words"), CASED)
def test_words_of_a_cased_vocabulary(text, words):
    assert tokenizer(lower_case=False).basic_tokenize(text) == words


def test_longest_piece_first():
    cut = tokenizer("un", "una", "##able", "##ffable", "##ff", "##le")
    assert cut.wordpiece("unaffable") == ["una", "##ffable"]
    assert cut.wordpiece("unable") == ["[UNK]"], "una takes the a; no way back"
    assert cut.wordpiece("xyz") == ["[UNK]"]
    assert cut.wordpiece("") == []


def test_a_word_of_200_characters_is_cut_and_of_201_is_not():
    cut = tokenizer("a", "##a")
    assert cut.wordpiece("a" * 200) == ["a"] + ["##a"] * 199
    assert cut.wordpiece("a" * 201) == ["[UNK]"]
    assert cut.tokenize("b" + "a" * 300) == ["[UNK]"]


def test_the_limit_counts_what_is_left_after_normalising():
    cut = tokenizer("a", "##a")
    assert len(cut.tokenize("á" * 200)) == 200
    assert cut.tokenize("á" * 201) == ["[UNK]"]
    assert len(cut.tokenize("a" * 150 + "\u0301" * 100)) == 150


def test_ids():
    cut = tokenizer("the", "##s")
    assert cut.ids(["the", "##s", "[SEP]"]) == [5, 6, 3]
    with pytest.raises(DataError, match="'cat' is not in the vocabulary"):
        cut.ids(["cat"])


def test_the_cache_does_not_change_the_answer(monkeypatch):
    from bertkit.tokenization import wordpiece as module

    monkeypatch.setattr(module, "_CACHE_LIMIT", 3)
    vocab = load_vocab(find_vocab("bertkit-uncased-8k"))
    text = "one two three four five one two three four five"
    small = WordPieceTokenizer(vocab)
    assert small.tokenize(text) * 2 == small.tokenize(text) + small.tokenize(text)
    assert small.tokenize(text) == [p for w in text.split() for p in small.wordpiece(w)]


# Where both must agree: no capital sigma, no character outside both Unicode tables, no word
# beyond 100 characters; and no `[CLS]` in the text, which the library takes for the token.
COMMON = st.text(
    st.one_of(
        st.characters(min_codepoint=1, max_codepoint=0x17F),
        st.sampled_from(list("  ,.'-—“”…€漢字ひк\u00a0\u200b\u2028é\u0301αω한")),
    ),
    max_size=90,
)


@pytest.fixture(scope="module", params=[True, False], ids=["uncased", "cased"])
def pair(request, shared):
    tokenizers = pytest.importorskip("tokenizers")
    name = "uncased" if request.param else "cased"
    path = shared / "data" / "vocab" / f"bert-base-{name}-vocab.txt"
    other = tokenizers.BertWordPieceTokenizer(
        str(path), lowercase=request.param, strip_accents=request.param
    )
    return WordPieceTokenizer(load_vocab(path), Normalisation(request.param)), other


@settings(max_examples=400, deadline=None)
@given(text=COMMON)
def test_agrees_with_the_tokenizers_library(pair, text):
    assume(not any(token in text for token in SPECIAL))
    ours, other = pair
    assert ours.tokenize(text) == other.encode(text, add_special_tokens=False).tokens


def test_agrees_with_the_tokenizers_library_on_real_text(pair, shared):
    ours, other = pair
    text = (shared / "goldens" / "digests" / "eval.txt").read_text(encoding="utf-8")
    lines = [line for line in text.split("\n") if "Σ" not in line]
    assert len(lines) > 1000
    different = [
        line
        for line in lines
        if ours.tokenize(line) != other.encode(line, add_special_tokens=False).tokens
    ]
    assert different == []
