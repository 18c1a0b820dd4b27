"""Builds the tables that tell the tokenizer's kernels what to do with each Unicode character.

Built from the same functions as the readable tokenizer and from the running Python's
`unicodedata`, page by page (256 characters) as text needs them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import numpy as np

from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.wordpiece import is_cjk, is_control, is_punctuation, is_whitespace

# What a byte starts: a run of ASCII letters and digits, white space, the end of a line,
# an ASCII punctuation mark, or anything else (control characters, all non-ASCII text).
WORD, SPACE, LINE, MARK, OTHER = range(5)

# What a character does: becomes part of a word, vanishes, separates words, is a word of
# its own, or can only be treated together with its neighbours (by the Python tokenizer).
PART, NOTHING, GAP, ALONE, HARD = range(5)

KIND_BITS = np.uint64(7)
BLANK_FLAG = np.uint64(8)  # str.strip() would remove the character
PAGES = 0x110000 >> 8
CAPITAL_SIGMA = "\u03a3"


def byte_classes() -> np.ndarray:
    """uint8[256]: class of each byte."""
    classes = np.full(256, OTHER, np.uint8)
    for byte in range(33, 127):
        classes[byte] = WORD if chr(byte).isalnum() else MARK
    classes[[9, 32]] = SPACE
    classes[10] = LINE
    return classes


def kind_and_text(character: str, normalisation: Normalisation) -> tuple[int, str]:
    """(kind, text that takes the character's place) of one character."""
    if character == "\r":  # TensorFlow's file reader has dropped it before
        return NOTHING, ""
    if character in "\0\ufffd" or is_control(character):
        return NOTHING, ""
    if is_whitespace(character) or character.isspace():
        return GAP, ""
    category = unicodedata.category(character)
    ideograph = normalisation.tokenize_chinese_chars and is_cjk(character)
    if category == "Cs":  # not in valid UTF-8
        return HARD, ""
    if category in ("Cn", "Co"):  # unassigned and private: most of all, without properties
        return (ALONE if ideograph else PART), character
    text = character
    if normalisation.do_lower_case:
        if character == CAPITAL_SIGMA:  # its lower case depends on its neighbours
            return HARD, ""
        text = text.lower()
    if normalisation.strips_accents:
        text = unicodedata.normalize("NFD", text)
        text = "".join(part for part in text if unicodedata.category(part) != "Mn")
        if any(unicodedata.combining(part) for part in text):  # NFD may move it
            return HARD, ""
    alone = ideograph or any(map(is_punctuation, text))
    # One entry holds one word or part of one, in fewer bytes than the limits below.
    if any(map(str.isspace, text)) or (alone and len(text) != 1) or len(text) > 15:
        return (HARD, "") if text else (GAP, "")
    if len(text) > len(character.encode("utf-8")):
        return HARD, ""  # tokens never outnumber bytes
    return (ALONE if alone else PART), text


class CharacterTable:
    """Two-level table from code point to `kind_and_text`, filled page by page.

    Args:
        normalisation: as for `kind_and_text`.
        differs: characters that another program's tokenizer treats in another way, which
            are then left to that tokenizer.

    Attributes:
        pages: int32[PAGES], first entry of each page, or -1 while it is not filled.
        entries: uint64[n]: kind (3 bits), BLANK_FLAG, number of characters (bits 4-7)
            and bytes (8-15) of the text, its place in `texts` (16 and up).
        texts: uint8[n], the texts in UTF-8.
    """

    def __init__(
        self, normalisation: Normalisation, differs: Callable[[str], bool] | None = None
    ) -> None:
        self.normalisation = normalisation
        self._differs = differs
        self.pages = np.full(PAGES, -1, np.int32)
        self.entries = np.zeros(1 << 12, np.uint64)
        self.texts = np.zeros(1 << 14, np.uint8)
        self._filled = self._text_bytes = 0
        self.fill(0)

    def fill(self, page: int) -> None:
        """Add the characters page * 256 and following; may replace the arrays."""
        entries, texts, place = [], [], self._text_bytes
        for code in range(page << 8, (page + 1) << 8):
            character = chr(code)
            kind, text = kind_and_text(character, self.normalisation)
            if self._differs and self._differs(character):
                kind, text = HARD, ""
            encoded = text.encode("utf-8")
            blank = int(BLANK_FLAG) if character.isspace() else 0
            entries.append(kind | blank | len(text) << 4 | len(encoded) << 8 | place << 16)
            texts.append(encoded)
            place += len(encoded)
        self.entries = _put(self.entries, self._filled, np.array(entries, np.uint64))
        new = np.frombuffer(b"".join(texts), np.uint8)
        self.texts = _put(self.texts, self._text_bytes, new)
        self.pages[page] = self._filled
        self._filled += len(entries)
        self._text_bytes = place


def _put(array: np.ndarray, at: int, values: np.ndarray) -> np.ndarray:
    """`array` with `values` from `at` on, twice as long where they do not fit."""
    if at + len(values) > len(array):
        array = np.concatenate([array, np.zeros_like(array)])
    array[at : at + len(values)] = values
    return array
