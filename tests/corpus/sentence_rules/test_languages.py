from __future__ import annotations

from importlib.util import find_spec

import pytest

from bertkit.corpus.sentence_rules.languages import SCRIPTS, check_language, fits, rule_of
from bertkit.errors import UsageError


def test_every_tokenizer_that_is_named_is_one_of_spacy():
    for code in SCRIPTS:
        tokenizer = rule_of(code).tokenizer
        assert not tokenizer or find_spec(f"spacy.lang.{tokenizer}"), code


def test_where_spacy_works_its_ways_are_untouched():
    for code in ("en", "de", "fr", "ru", "uk", "ar", "ur", "am", "vi", "ko", "he"):
        assert rule_of(code).tokenizer
        assert not rule_of(code).more_ends
    assert rule_of("zh").ends
    for code in ("ja", "hy", "my", "km", "bo", "gu", "ka", "lo", "kk"):
        assert not rule_of(code).tokenizer


def test_unknown_codes_are_refused_with_what_looks_like_them():
    with pytest.raises(UsageError, match="'qq'"):
        check_language("qq")
    with pytest.raises(UsageError) as caught:
        check_language("EN")
    assert "en" in caught.value.hint


def test_scripts_of_languages():
    assert fits("sr", "Latin")
    assert fits("ja", "Han")
    assert not fits("en", "Han")
    assert fits("xx", "Han")
