"""Words, lines and documents, against plain Python and the reader that all commands share."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.corpus.cleaning.characters import character_table
from bertkit.corpus.cleaning.kernels import scan as columns
from bertkit.corpus.cleaning.kernels.scan import Scan, room_for, scan
from bertkit.corpus.document import read_documents
from corpus.cleaning import readable

ALPHABET = "ab Zß\t\n\n.#…é\u0301中あไก์ខ5٣\u3000\xa0'İ😀\x1c"


def scanned(text: str) -> tuple[Scan, list[int]]:
    blob = text.encode() + b"\n"
    into, counts = room_for(len(blob)), np.zeros(4, np.int64)
    scan(np.frombuffer(blob, np.uint8), len(blob), character_table(), into, counts)
    return into, counts.tolist()


def column(found: tuple[Scan, list[int]], number: int) -> list[int]:
    return found[0].documents[: found[1][2], number].tolist()


@given(st.text(ALPHABET, max_size=60))
@settings(max_examples=300)
def test_words_are_those_of_plain_python(text):
    into, (count, *_) = scanned(text)
    expected = readable.words(text)
    assert into.lengths[:count].tolist() == list(map(len, expected))
    blob = text.encode()
    places = [blob[a:b].decode() for a, b in into.places[:count].tolist()]
    assert [readable.words(place) for place in places] == [[word] for word in expected]
    hashes = into.words[:count].tolist()
    assert len(set(zip(hashes, expected, strict=True))) == len(set(hashes)) == len(set(expected))


@given(text=st.text(ALPHABET, max_size=60))
@settings(max_examples=200)
def test_documents_and_lines_are_those_of_the_reader(text, tmp_path_factory):
    path = tmp_path_factory.mktemp("scan") / "text"
    path.write_bytes(text.encode())
    expected = list(read_documents(str(path)))
    found = scanned(text)
    assert column(found, columns.LINES) == [len(each.sentences) for each in expected]
    assert column(found, columns.LINE) == [int(each.id.rpartition(":")[2]) - 1 for each in expected]
    whole = [readable.words("\n".join(each.sentences)) for each in expected]
    assert column(found, columns.WORDS) == list(map(len, whole))
    blob = text.encode() + b"\n"
    spans = zip(column(found, columns.START), column(found, columns.END), strict=True)
    kept = [
        [line for line in map(str.strip, blob[a:b].decode().split("\n")) if line] for a, b in spans
    ]
    assert kept == [list(each.sentences) for each in expected]


def test_case_and_spacing_do_not_count_and_everything_else_does():
    texts = ["A  b\nc.", "a b c.", "a\tB\xa0C.", "a b c", "a b, c.", "ab c.", "a c b."]
    found = scanned("\n\n".join(texts))
    pairs = list(zip(column(found, columns.HASH_1), column(found, columns.HASH_2), strict=True))
    assert pairs[0] == pairs[1] == pairs[2]
    assert len({one for one, _ in pairs}) == len({two for _, two in pairs}) == 5


def test_symbols_letters_and_characters_are_counted():
    found = scanned("#tag and … more...\n\n12 3 四.\n\nก็ดี 5")
    assert column(found, columns.SYMBOLS) == [3, 0, 0]
    assert column(found, columns.LETTER_WORDS) == [3, 1, 4]
    assert column(found, columns.UNSPACED_WORDS) == [0, 1, 4]
    assert column(found, columns.CHARACTERS) == [18, 7, 6]


def test_the_room_is_large_enough_for_the_worst_text():
    for text in ("a " * 50, "a\n" * 50, "a\n\n" * 50, "é" * 50, "中" * 50, ".\n\n" * 50):
        blob = text.encode()
        into, counts = room_for(len(blob)), np.zeros(4, np.int64)
        scan(np.frombuffer(blob + b"\n", np.uint8), len(blob), character_table(), into, counts)
        words, lines, documents, _ = counts.tolist()
        assert words <= len(into.words)
        assert lines < len(into.lines)
        assert documents < len(into.documents)
