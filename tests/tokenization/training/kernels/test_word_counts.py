"""The counting kernel: it stops for help, and takes back what it counted before."""

from __future__ import annotations

import numpy as np

from bertkit.tokenization.normalisation import UNCASED
from bertkit.tokenization.training.kernels import word_counts as kernels
from bertkit.tokenization.training.word_counts import WordCounter


def stops(text: bytes) -> tuple[int, np.ndarray]:
    counter = WordCounter(UNCASED, 200)
    data = np.zeros(len(text) + 64, np.uint8)
    data[: len(text)] = np.frombuffer(text, np.uint8)
    return kernels.count_words(data, len(text), counter._tables), counter._tables.state


def test_status_and_place():
    assert stops(b"plain text\n")[0] == kernels.DONE
    status, state = stops("ab ca,café Σ".encode())
    assert status in (kernels.DONE, kernels.NEEDS_PAGE)
    status, state = stops("ab 漢".encode())
    assert (status, state[kernels.AT], state[kernels.PAGE]) == (kernels.NEEDS_PAGE, 3, 0x6F)
    status, state = stops(b"ab \xff")
    assert (status, state[kernels.AT]) == (kernels.NOT_UTF8, 3)


def test_what_was_counted_in_a_chunk_is_taken_back():
    counter = WordCounter(UNCASED, 200)
    counter._fill_page(0x03)
    text = "one a,b,Σ two".encode()
    data = np.zeros(len(text) + 64, np.uint8)
    data[: len(text)] = np.frombuffer(text, np.uint8)
    tables = counter._tables
    assert kernels.count_words(data, len(text), tables) == kernels.NEEDS_PYTHON
    words = int(tables.state[kernels.WORDS])
    assert words == 4  # one a , b
    assert tables.counts[:, :words].sum(axis=0).tolist() == [1, 0, 0, 0]
    assert tables.state[kernels.CHUNK_AT] == 4
