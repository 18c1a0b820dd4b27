"""The national standards that fit a text."""

from __future__ import annotations

from collections import Counter

import pytest

from bertkit.tokenization.training.common_characters import common_characters


@pytest.mark.parametrize(
    ("text", "has", "lacks"),
    [
        ("日本語のテキスト", "亜腕ぁヴ", "门这"),
        ("我们说这门语言", "啊座门", "亜們"),
        ("我們說這門語言", "們齊門", "亜门"),
        ("한국어 텍스트", "가힝", "亜"),
        ("ไทย text", "", "亜ก"),
        ("plain text with 漢 once" * 1 + "x" * 500, "", "亜"),
    ],
)
def test_by_script(text, has, lacks):
    found = common_characters(Counter(text.replace(" ", "")))
    assert set(has) <= set(found)
    assert not set(lacks) & set(found)
    assert len(found) == len(set(found))
