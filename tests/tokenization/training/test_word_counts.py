"""Counting words: those of the readable tokenizer, whatever the lines and blocks."""

from __future__ import annotations

import io
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.errors import DataError
from bertkit.tokenization.normalisation import CASED, UNCASED, Normalisation
from bertkit.tokenization.training import word_counts
from bertkit.tokenization.training.word_counts import WordCounter, WordCounts, as_counter
from bertkit.tokenization.vocabulary import UNK, Vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer

MIXED = "The café, ΟΔΟΣ ΣΑΣ — naïve 漢字かな ﬁne\u00a0x\u200by İstanbul\t1e-5 \x07á 한국어 हिन्दी"


def counted(text: str, normalisation: Normalisation = UNCASED, longest: int = 200) -> WordCounts:
    counter = WordCounter(normalisation, longest)
    counter.feed("text", io.BytesIO(text.encode()))
    return counter.finished()


def readable(text: str, normalisation: Normalisation = UNCASED) -> Counter[str]:
    tokenizer = WordPieceTokenizer(Vocab([UNK], {UNK: 0}, ""), normalisation)
    return Counter(tokenizer.basic_tokenize(text.replace("\r", "")))


@pytest.mark.parametrize(
    "normalisation", [UNCASED, CASED, Normalisation(True, False), Normalisation(True, True, False)]
)
def test_words_are_those_of_the_tokenizer(normalisation):
    text = f"{MIXED}\n\n{MIXED} again {MIXED}\r\nend"
    found = counted(text, normalisation)
    assert as_counter(found) == readable(text, normalisation)
    assert found.bytes == len(text.encode()) and found.cut == 0


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.sampled_from("aB1 ,\n\tΣσéा漢か한\u0301\u200b\x00\r"), max_size=60))
def test_any_text(text):
    assert as_counter(counted(text)) == readable(text)


def test_blocks_and_lines_do_not_matter(monkeypatch):
    text = " ".join([MIXED] * 20)
    whole = counted(text)
    monkeypatch.setattr(word_counts, "BLOCK", 97)
    for same in (text, text.replace(" ", "\n"), text.replace(" ", "\n\n")):
        assert as_counter(counted(same)) == as_counter(whole)
    # Without any space, words go on from block to block.
    glued = "漢字かなカナ,abc" * 300
    assert as_counter(counted(glued)) == readable(glued)


def test_long_words_are_cut_and_memory_stays():
    found = counted("A" * 1_000_000 + " short", longest=100)
    assert as_counter(found) == {"a" * 100: 10_000, "short": 1}
    assert found.cut == 9_999
    assert len(found.arena) == 105


def test_held_out_lines_are_counted_apart():
    lines = [f"line{number} same" for number in range(2000)]
    found = counted("\n".join(lines))
    learnt, held = found.counts.sum(axis=1)
    assert learnt + held == 4000
    assert 0.07 < held / 4000 < 0.13
    backwards = counted("\n".join(reversed(lines)))
    assert dict(zip(found.words(), found.counts[1], strict=True)) == dict(
        zip(backwards.words(), backwards.counts[1], strict=True)
    )
    assert found.together().counts.sum(axis=1).tolist() == [4000, 0]


def test_rare_words_are_dropped_and_their_characters_kept():
    counter = WordCounter(UNCASED, 200, most=1000)
    text = " ".join(["often"] * 50 + [f"w{number}x" for number in range(3000)]) + "\n"
    counter.feed("text", io.BytesIO(text.encode()))
    found = counter.finished()
    assert as_counter(found) == {"often": 50}
    assert found.dropped.sum() == 3000
    assert found.characters()["x"].sum() == 3000
    assert found.characters()["o"].sum() == 50


def test_counts_of_parts_add_up():
    whole = WordCounter(UNCASED, 200)
    for text in (MIXED, "other words", MIXED):
        whole.add(counted(text))
    assert as_counter(whole.finished()) == readable(f"{MIXED} other words {MIXED}")
    total = sum(pair.sum() for pair in whole.finished().characters().values())
    assert total == sum(
        len(word) * n for word, n in readable(f"{MIXED} {MIXED} otherwords").items()
    )


def test_bad_bytes_are_named(tmp_path):
    counter = WordCounter(UNCASED, 200)
    with pytest.raises(DataError, match=r"bad:3: not UTF-8 at byte 8 \(0xe4\)"):
        counter.feed("bad", io.BytesIO(b"fine\n\nb \xe4d\n"))
    path = tmp_path / "span"
    path.write_bytes(b"one\ntwo\nb\xe4d\n")
    with path.open("rb") as stream:
        stream.seek(4)
        with pytest.raises(DataError, match=r"span:3: not UTF-8 at byte 9 \(0xe4\)"):
            WordCounter(UNCASED, 200).feed(str(path), stream, None, 4)


def test_many_words_make_room():
    text = " ".join(f"w{number}" for number in range(40_000))
    found = counted(text)
    assert len(found) == 40_000 and found.counts.sum() == 40_000
    assert np.array_equal(np.diff(found.ends).min(), 2)
