"""Judges documents by themselves: their length, their density, repetition and symbols."""

from __future__ import annotations

import numpy as np

from bertkit.corpus.cleaning.config import FILTERS, CleanConfig
from bertkit.corpus.cleaning.kernels import repetition
from bertkit.corpus.cleaning.kernels import scan as columns

# The bit of each criterion in a document's flags.
FLAGS = {name: np.uint16(1 << bit) for bit, name in enumerate((*FILTERS, "exact", "near"))}


def flags_of(documents: np.ndarray, shares: np.ndarray, config: CleanConfig) -> np.ndarray:
    """uint16[d] `FLAGS` of each document, overlap not included.

    Args:
        documents: uint64[d, COLUMNS] of `scan`.
        shares: float64[d, SHARES] of `measure_repetition`.
        config: the limits.
    """
    words = documents[:, columns.WORDS].astype(np.float64)
    some = np.maximum(words, 1)
    flags = np.zeros(len(documents), np.uint16)
    flags[words < config.min_words] |= FLAGS["short"]
    flags[words > config.max_words] |= FLAGS["long"]
    flags[_is_odd_density(documents, words, config)] |= FLAGS["density"]
    flags[(shares > limits_of(config)).any(axis=1)] |= FLAGS["repetition"]
    symbols = documents[:, columns.SYMBOLS] / some > config.max_symbols_per_word
    wordless = 1 - documents[:, columns.LETTER_WORDS] / some > config.max_wordless
    flags[symbols | wordless] |= FLAGS["symbols"]
    return flags


def limits_of(config: CleanConfig) -> np.ndarray:
    """float64[SHARES], the largest share of each kind of repetition."""
    limits = np.empty(repetition.SHARES)
    limits[repetition.DUPLICATE_LINES] = config.max_duplicate_lines
    limits[repetition.DUPLICATE_LINE_CHARACTERS] = config.max_duplicate_line_characters
    # As in Gopher: 0.20, 0.18, 0.16 for 2 to 4 words; 0.15, 0.14, ..., 0.10 for 5 to 10.
    for further in range(3):
        limits[repetition.TOP_2 + further] = config.max_top_ngram * (10 - further) / 10
    for further in range(6):
        limits[repetition.DUPLICATE_5 + further] = config.max_duplicate_ngrams * (15 - further) / 15
    return limits


def _is_odd_density(documents: np.ndarray, words: np.ndarray, config: CleanConfig) -> np.ndarray:
    """bool[d]: few or many words for the characters, in scripts that have spaces."""
    density = words / np.maximum(documents[:, columns.CHARACTERS], 1)
    odd = (density < config.min_words_per_character) | (density > config.max_words_per_character)
    unspaced = documents[:, columns.UNSPACED_WORDS] * 2 > words
    found: np.ndarray = odd & ~unspaced
    return found
