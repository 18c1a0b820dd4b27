"""Counting text: the kernel equals the readable counts, in whatever blocks the text comes."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.errors import DataError
from bertkit.summary import counter as module
from bertkit.summary import sketch
from bertkit.summary.counter import TextCounter
from bertkit.summary.counts import TextCounts
from bertkit.summary.plain import count_plainly

TEXT = (
    "The first sentence.\nA second one, naïve café.\n\nOnly one here.\n\n\n  \n"
    "日本語の文です。\n漢字かな\nThe first sentence.\r\n\nOnly one here.\n\nтекст\u00a0два\n"
)


def same(one: TextCounts, two: TextCounts) -> None:
    for item in fields(TextCounts):
        ours, theirs = getattr(one, item.name), getattr(two, item.name)
        if isinstance(ours, sketch.Sketch):
            assert np.array_equal(ours.keys, theirs.keys), item.name
            assert np.array_equal(ours.counts, theirs.counts), item.name
            assert ours.level == theirs.level
        else:
            assert ours == theirs, item.name


def by_kernel(text: str, size: int) -> TextCounts:
    counter = TextCounter()
    blob = text.encode()
    counter.begin("text")
    for at in range(0, len(blob), size):
        counter.feed(blob[at : at + size])
    return counter.finished()


@pytest.fixture
def kernel_at_once(monkeypatch):
    monkeypatch.setattr(module, "SMALL", 1)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_blocks(kernel_at_once, size):
    same(by_kernel(TEXT, size), count_plainly(TEXT))


@settings(max_examples=80, deadline=None)
@given(text=st.text(alphabet=st.sampled_from("ab \n\r,漢é\U0001f600か\t\x00"), max_size=40))
def test_any_text(text):
    before = module.SMALL
    module.SMALL = 1
    try:
        same(by_kernel(text + "\n", 5), count_plainly(text + "\n"))
        same(by_kernel("x" + text, 100), count_plainly("x" + text))
    finally:
        module.SMALL = before


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.sampled_from(["plain words of text, ", "é", "漢", "\n", "\r", "\0", " "])),
    size=st.integers(33, 90),
)
def test_any_text_in_long_lines(parts, size):
    text = "".join(parts) * 5
    before = module.SMALL
    module.SMALL = 1
    try:
        same(by_kernel("x" + text, size), count_plainly("x" + text))
    finally:
        module.SMALL = before


@pytest.mark.parametrize("line", ["* " * 20, " " * 40, "\t!" + " " * 40, "\0" * 9, "-" * 33 + "a"])
def test_lines_that_begin_without_a_word(kernel_at_once, line):
    """Of signs, of white space alone, of zeros; the last line has no end."""
    text = f"{line}\n\n{line}x\n{line}\n" * 3 + line
    same(by_kernel(text, 1000), count_plainly(text))


def test_zeros_at_the_end_make_another_line():
    assert count_plainly("a\na\0\na\0\0\n").lines.repeated_share == 0


def test_characters_that_wait_in_pairs_are_not_lost(kernel_at_once, monkeypatch):
    monkeypatch.setattr(module, "_FOLDED", 100)
    same(by_kernel(TEXT * 20, 64), count_plainly(TEXT * 20))


def test_figures_of_a_known_text():
    found = count_plainly(TEXT)
    assert (found.documents, found.sentences, found.one_sentence) == (5, 8, 3)
    assert found.empty == 2
    assert found.lines.repeated_share == pytest.approx(2 / 8)
    assert found.texts.repeated_share == pytest.approx(1 / 5)
    assert found.words == 3 + 5 + 3 + 3 + 3 + 3 + 3 + 2 + 3 or found.words > 20
    assert count_plainly("two words, 漢字かな!").words == 5


def test_files_are_texts_of_their_own(kernel_at_once):
    counter = TextCounter()
    for name in ("one", "two"):
        counter.begin(name)
        counter.feed(b"A line.\nanother")
    found = counter.finished()
    assert (found.files, found.documents, found.sentences) == (2, 2, 4)
    same(found, count_plainly("A line.\nanother") + count_plainly("A line.\nanother"))
    assert found.texts.repeated_share == 0.5


def test_many_lines_are_sampled_the_same_in_any_division(kernel_at_once, monkeypatch):
    monkeypatch.setattr(sketch, "LIMIT", 1000)
    monkeypatch.setattr(module, "LIMIT", 1000)
    lines = [f"line {number % 20_000}\n" for number in range(25_000)]
    whole = by_kernel("".join(lines), 1 << 16)
    assert whole.lines.level > 0 and 500 < len(whole.lines.keys) <= 1000
    assert whole.lines.repeated_share == pytest.approx(0.2, abs=0.04)
    parts = [by_kernel("".join(lines[at : at + 5000]), 1 << 16) for at in range(0, 25_000, 5000)]
    together = parts[3] + parts[0] + (parts[4] + parts[1]) + parts[2]
    assert np.array_equal(together.lines.keys, whole.lines.keys)
    assert np.array_equal(together.lines.counts, whole.lines.counts)
    assert together.sentences == whole.sentences == 25_000


@pytest.mark.parametrize("small", [1, 1 << 15])
def test_bad_bytes_are_named(monkeypatch, small):
    monkeypatch.setattr(module, "SMALL", small)
    counter = TextCounter()
    with pytest.raises(DataError, match=r"bad:2: not UTF-8 at byte 6 \(0xe4\)"):
        counter.begin("bad")
        counter.feed(b"fine\na\xe4d\n")
        counter.end()
    counter = TextCounter()
    counter.begin("cut")
    counter.feed(b"fine \xe6\xbc")
    with pytest.raises(DataError, match="cut:1: not UTF-8 at byte 5"):
        counter.end()


def test_a_line_of_any_length_needs_no_memory(kernel_at_once):
    counter = TextCounter()
    counter.begin("long")
    for _ in range(50):
        counter.feed(b"word " * 10_000)
    found = counter.finished()
    assert (found.sentences, found.words, found.overlong) == (1, 500_000, 1)
