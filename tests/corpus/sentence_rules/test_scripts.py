from __future__ import annotations

import json
import lzma

import pytest

from bertkit.corpus.sentence_rules.scripts import main_script

XQUAD = {"ar": "Arabic", "el": "Greek", "en": "Latin", "hi": "Devanagari", "ru": "Cyrillic",
         "th": "Thai", "vi": "Latin", "zh": "Han"}  # fmt: skip


@pytest.mark.parametrize("language", XQUAD)
def test_real_paragraphs(shared, language):
    path = shared / f"data/multilingual/xquad/xquad.{language}.json.xz"
    values = json.loads(lzma.decompress(path.read_bytes()))
    texts = [block["context"] for article in values["data"] for block in article["paragraphs"]]
    right = sum(main_script(text) == XQUAD[language] for text in texts)
    assert right >= 0.97 * len(texts)  # some are lists of names in Latin letters


def test_japanese_is_told_from_chinese(shared):
    text = (shared / "data/multilingual/ja_gsd_dev.sentences.txt").read_text("utf-8")
    assert main_script(text) == "Kana"
    assert main_script("漢字漢字漢字") == "Han"
    assert main_script("1, 2 (3)") == main_script("") == ""
