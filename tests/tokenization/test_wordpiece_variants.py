"""Other programs' tokenizers differ from Google's where those programs do, and only there."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from records import references

from bertkit.errors import DataError
from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.vocabulary import Vocab, load_vocab
from bertkit.tokenization.wordpiece_variants import make_tokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcde.", "##a", "##b", "e\u0301", "A"]
VOCAB = Vocab(WORDS, {token: number for number, token in enumerate(WORDS)}, "")


def words(name: str, text: str, lower_case: bool = True) -> list[str]:
    return make_tokenizer(name, VOCAB, Normalisation(lower_case)).basic_tokenize(text)


@pytest.mark.parametrize(
    ("text", "google", "nvidia", "cerebras"),
    [
        ("a b.c", ["a", "b", ".", "c"], ["a", "b", ".", "c"], ["a", "b", ".", "c"]),
        ("a\tb", ["a", "b"], ["a", "b"], ["ab"]),
        ("a\u2028b", ["a", "b"], ["a", "b"], ["a\u2028b"]),
        ("a\ue000b", ["a\ue000b"], ["ab"], ["a\ue000b"]),
        ("a\u0378b", ["a\u0378b"], ["ab"], ["a\u0378b"]),
        (
            "a [SEP] b",
            ["a", "[", "sep", "]", "b"],
            ["a", "[SEP]", "b"],
            ["a", "[", "sep", "]", "b"],
        ),
        ("\u4e00a", ["\u4e00", "a"], ["\u4e00", "a"], ["\u4e00", "a"]),
        ("\u00a0a\u3000b\u200bc", ["a", "bc"], ["a", "bc"], ["a", "bc"]),
        (
            "\u039f\u03a3 \u00c9",
            ["\u03bf\u03c2", "e"],
            ["\u03bf\u03c2", "e"],
            ["\u03bf\u03c2", "e"],
        ),
    ],
)
def test_where_they_differ(text, google, nvidia, cerebras):
    found = [words(name, text) for name in ("google", "nvidia", "cerebras")]
    assert found == [google, nvidia, cerebras]


def test_cerebras_strips_accents_even_when_cased():
    assert words("google", "\u00c9", lower_case=False) == ["\u00c9"]
    assert words("cerebras", "\u00c9", lower_case=False) == ["E"]


@pytest.mark.parametrize(("name", "longest"), [("google", 200), ("nvidia", 100), ("cerebras", 200)])
def test_the_longest_word(name, longest):
    tokenizer = make_tokenizer(name, VOCAB)
    assert tokenizer.tokenize("a" * longest) == ["a", *["##a"] * (longest - 1)]
    assert tokenizer.tokenize("a" * (longest + 1)) == ["[UNK]"]


def test_a_special_token_alone_in_text_stays_one_with_nvidia():
    assert make_tokenizer("nvidia", VOCAB).tokenize("a [MASK] b") == ["a", "[MASK]", "b"]
    assert "[MASK]" not in make_tokenizer("google", VOCAB).tokenize("a [MASK] b")


def test_hf_is_the_package(shared):
    from transformers import BertTokenizerFast

    path = references.vocab_path(shared, "vocab")
    package = BertTokenizerFast(vocab=str(path), do_lower_case=True)
    ours = make_tokenizer("hf", load_vocab(path))
    text = (shared / "data" / "multilingual" / "blns.txt").read_text(encoding="utf-8")
    lines = [line for line in text.split("\n") if line.strip()]
    assert len(lines) > 300
    for line in lines:
        assert ours.tokenize(line) == package.tokenize(line)
    assert ours.tokenize("a" * 101) == ["[UNK]"]
    differing = "\u03a3\u03a9\u03a3"  # the package has no rule for the final sigma
    assert ours.tokenize(differing) != make_tokenizer("google", ours.vocab).tokenize(differing)


def test_an_unknown_name_is_refused():
    with pytest.raises(DataError, match="no tokenizer 'bpe'"):
        make_tokenizer("bpe", VOCAB)


@pytest.mark.slow
@pytest.mark.skipif(unicodedata.unidata_version != "14.0.0", reason="counted with Unicode 14")
@pytest.mark.parametrize(
    ("name", "lower_case", "expected"), [("nvidia", True, 967_302), ("cerebras", False, 15_168)]
)
def test_as_many_code_points_differ_as_in_the_originals(name, lower_case, expected):
    """Counted by running the originals on every code point between two letters."""
    google, other = (make_tokenizer(n, VOCAB, Normalisation(lower_case)) for n in ("google", name))
    count = 0
    for code in range(sys.maxunicode + 1):
        if not 0xD800 <= code < 0xE000:
            text = f"a{chr(code)}b"
            count += google.basic_tokenize(text) != other.basic_tokenize(text)
    assert count == expected
