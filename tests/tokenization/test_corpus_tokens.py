"""The fast tokenizer against the readable one: equal tokens, sentences, documents, errors."""

from __future__ import annotations

import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from slow_cases import slow

from bertkit.errors import DataError
from bertkit.tokenization import corpus_tokens
from bertkit.tokenization.corpus_tokens import StreamTokenizer, token_dtype, tokenize_files
from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.sentence_files import read_documents
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS, Vocab, load_vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer


def flat(documents, vocab):
    """What TokenizedText should hold for the readable form of a corpus."""
    sentences = [sentence for document in documents for sentence in document]
    return (
        [vocab.ids[token] for sentence in sentences for token in sentence],
        np.cumsum([0] + [len(sentence) for sentence in sentences]).tolist(),
        np.cumsum([0] + [len(document) for document in documents]).tolist(),
    )


class Pair:
    """Both tokenizers of one vocabulary, kept for many texts."""

    def __init__(self, vocab, lower_case):
        self.vocab = vocab
        self.fast = StreamTokenizer(vocab, Normalisation(lower_case))
        self.slow = WordPieceTokenizer(vocab, Normalisation(lower_case))

    def check(self, *paths):
        found = self.fast.tokenize_files(paths)
        expected = flat(read_documents(paths, self.slow), self.vocab)
        assert found.tokens.tolist() == expected[0]
        assert found.sentences.tolist() == expected[1]
        assert found.documents.tolist() == expected[2]
        return found


@pytest.fixture(scope="module", params=["uncased", "cased"])
def pair(request, shared):
    vocab = load_vocab(shared / f"data/vocab/bert-base-{request.param}-vocab.txt")
    return Pair(vocab, request.param == "uncased")


@pytest.fixture(scope="module")
def uncased(shared):
    return Pair(load_vocab(shared / "data/vocab/bert-base-uncased-vocab.txt"), True)


def small_vocab(*extra):
    words = [*SPECIAL_TOKENS, "the", "a", "b", "##b", "##c", "naive", ".", "σ", "##ς", *extra]
    return Vocab(words, {word: number for number, word in enumerate(words)}, "")


@pytest.mark.parametrize(
    "name",
    [
        "goldens/digests/eval.txt",
        "goldens/digests/adv_safe.txt",
        "data/tfrecord_samples/graphcore/sample_text.txt",
        "data/multilingual/blns.txt",
        "data/multilingual/ja_gsd_dev.sentences.txt",
        *slow("data/multilingual/emoji-test.txt", "data/multilingual/ko_gsd_test.sentences.txt"),
    ],
)
def test_real_and_hostile_texts(shared, pair, name):
    assert pair.check(shared / name).sentence_count > 20


def test_blocks_cut_anywhere(shared, tmp_path, monkeypatch, uncased):
    blob = (shared / "goldens/digests/adv_safe.txt").read_bytes()[:40_000]
    path = tmp_path / "text"
    path.write_bytes(blob[: blob.rfind(b"\n")])  # the last line not terminated
    for size in (50, 777, 4096):
        monkeypatch.setattr(corpus_tokens, "CHUNK", size)
        uncased.check(path)


def test_files_are_one_corpus(tmp_path, uncased):
    texts = ["one two\nthree", "four\n\nfive\n", "\n\n\r\n", "six\n \u2028\nseven\n\r", "eight\r\n"]
    paths = []
    for number, text in enumerate(texts):
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(text.encode())
    found = uncased.check(*paths)
    # "four" goes on with the first file's document; "eight" with "seven": a last "\r"
    # is no line.
    assert found.documents.tolist() == [0, 3, 4, 5, 7]


LINES = [
    "",
    " ",
    "\t \x0b",
    "\x85",
    "\u2028",
    "\u3000",
    "\x1c",
    "\u00a0",
    "\u200b",
    "\0",
    "\ufeff",
    "\ufffd",
    "\r",
    "a\rb",
    "a\r\nb",
    "\u0301",
    " \u0301 ",
    "\u00ad",
    "a\u00adb",
    "x" * 16,
    "x" * 17,
    "x" * 200,
    "x" * 201,
    "é" * 200,
    "é" * 201,
    "x" * 199 + ".",
    "naïve",
    "NAÏVE.",
    "ΑΣ",
    "ΑΣ. ΑΣΑ ΑΣ.Α",
    "\u0344\u0315",
    "a\u0315\u0300b",
    "İstanbul",
    "DŽ",
    "ﬁ",
    "\ufdfa",
    "日本語のテキスト",
    "豈更車",
    "한국어 텍스트",
    "don't-stop_it",
    "$1,000.50",
    "[CLS] [MASK] ##x",
    "tab\tand  spaces",
    "\u2029between\u2029",
    "x\u2028y",
    "\U0001f600 ok",
    "0" * 300,
]


@pytest.mark.parametrize("text", LINES)
def test_single_lines(tmp_path, pair, text):
    path = tmp_path / "text"
    path.write_bytes(f"before\n{text}\nafter".encode())
    pair.check(path)
    path.write_bytes(text.encode())
    pair.check(path)


alphabet = st.one_of(
    st.sampled_from(" \n\t\rabzAZ09.,-\u0301ΣσςÉé\u00a0\u2028\u200b\x1c\x85日한\u0315İ"),
    st.characters(codec="utf-8"),
)


@pytest.mark.slow
@given(st.text(alphabet, max_size=80))
@example("Σ\n\x85Σ\n")
@settings(max_examples=400, deadline=None)
def test_any_text(tmp_path_factory, text):
    pairs = test_any_text.__dict__.setdefault(
        "pairs", [Pair(small_vocab(), True), Pair(small_vocab(), False)]
    )
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(text.encode())
    for pair in pairs:
        pair.check(path)


def every_character(codes):
    """Each character alone and between letters, a page of 256 in two lines."""
    lines = []
    for start in range(0, len(codes), 256):
        page = [chr(code) for code in codes[start : start + 256]]
        lines.append(" ".join(page))
        lines.append(" ".join(f"a{character}b" for character in page))
    return "\n".join(lines).encode()


def test_assigned_characters_and_a_sample_of_the_rest(tmp_path, pair):
    codes = [
        code
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) not in ("Cs", "Co", "Cn", "Lo") or code % 251 == 0
    ]
    codes = [code for code in codes if not 0xD800 <= code < 0xE000]
    path = tmp_path / "text"
    path.write_bytes(every_character(codes))
    pair.check(path)


@pytest.mark.slow
@pytest.mark.long
def test_every_character(tmp_path, pair):
    codes = [code for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    path = tmp_path / "text"
    path.write_bytes(every_character(codes))
    pair.check(path)


@pytest.mark.slow
def test_many_words_enlarge_the_table(tmp_path, uncased):
    path = tmp_path / "text"
    numbers = np.random.default_rng(0).integers(0, 10**12, 60_000)
    path.write_text("\n".join(" ".join(map(str, row)) for row in numbers.reshape(-1, 3000)))
    uncased.check(path)


def test_a_line_longer_than_the_buffer(tmp_path, uncased):
    path = tmp_path / "text"
    path.write_text("short\n" + "longer words. " * 300_000 + "\nshort\n")
    assert uncased.fast.tokenize_files([path]).sentence_count == 3


@pytest.mark.slow
def test_a_large_vocabulary_has_wider_tokens(tmp_path):
    vocab = small_vocab(*(f"w{number}" for number in range(70_000)), "##zz", "##q")
    assert token_dtype(vocab) is np.uint32
    path = tmp_path / "text"
    path.write_text("the w69999 w5 w12345zzqzz w1qqqqqqq nothing w69998.\n\nw69997 Σ")
    found = Pair(vocab, True).check(path)
    assert found.tokens.dtype == np.uint32
    assert found.tokens.max() > 70_000


def test_an_empty_corpus_has_no_documents(tmp_path):
    path = tmp_path / "text"
    path.write_text("\n\n \n")
    found = tokenize_files([path], small_vocab())
    assert (len(found.tokens), found.sentence_count, found.document_count) == (0, 0, 0)


BROKEN = [
    b"\xff",
    b"\x80",
    b"\xc3",
    b"\xc3(",
    b"\xc0\x80",
    b"\xe2\x82",
    b"\xe0\x80\x80",
    b"\xed\xa0\x80",
    b"\xf0\x80\x80\x80",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"ok \xe2\x28\xa1",
    b"\xce\xa3\xff",
]


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("chunk", [64, 1 << 20])
def test_invalid_utf8_is_named_as_the_readable_reader_names_it(
    tmp_path, monkeypatch, broken, chunk
):
    monkeypatch.setattr(corpus_tokens, "CHUNK", chunk)
    path = tmp_path / "text"
    path.write_bytes("first line é\n".encode() * 9 + "Σ then ".encode() + broken + b" end\nlast")
    vocab = small_vocab()
    with pytest.raises(DataError) as fast:
        tokenize_files([path], vocab)
    with pytest.raises(DataError) as slow:
        read_documents([path], WordPieceTokenizer(vocab))
    assert fast.value.message == slow.value.message
    assert f"{path}:10: not UTF-8 at byte" in fast.value.message


def test_missing_file():
    with pytest.raises(DataError, match="cannot read"):
        tokenize_files(["/nowhere/at-all"], small_vocab())
