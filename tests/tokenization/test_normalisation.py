"""How text is treated: defaults, what is recorded, what tokens point to, flags."""

from __future__ import annotations

import pytest

from bertkit.errors import ConfigError
from bertkit.tokenization.normalisation import Normalisation, from_settings, guessed


def test_accents_follow_the_casing_unless_said_otherwise():
    assert Normalisation().strips_accents
    assert not Normalisation(do_lower_case=False).strips_accents
    assert not Normalisation(strip_accents=False).strips_accents
    assert Normalisation(do_lower_case=False, strip_accents=True).strips_accents
    assert Normalisation().same_as(Normalisation(strip_accents=True))
    assert not Normalisation().same_as(Normalisation(strip_accents=False))
    assert Normalisation(strip_accents=True).usual() == Normalisation()


def test_flags_and_text_say_what_is_not_the_default():
    assert Normalisation().flags() == []
    turkish = Normalisation(strip_accents=False)
    assert turkish.flags() == ["--keep-accents"]
    assert turkish.text() == "lower case, accents kept"
    odd = Normalisation(do_lower_case=False, strip_accents=True, tokenize_chinese_chars=False)
    assert odd.flags() == ["--cased", "--strip-accents", "--no-tokenize-chinese-chars"]
    assert odd.text() == "cased, accents stripped, CJK characters not split"


def test_settings_without_a_casing_record_nothing():
    assert from_settings({"strip_accents": False}, "x") is None
    assert from_settings({"do_lower_case": None}, "x") is None
    assert from_settings({"do_lower_case": False}, "x") == Normalisation(False, None, True)
    given = {"do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": False}
    assert from_settings({**given, "other": 1}, "x") == Normalisation(True, None, False)
    with pytest.raises(ConfigError, match=r"here: do_lower_case 'yes' is neither true nor false"):
        from_settings({"do_lower_case": "yes"}, "here")


@pytest.mark.parametrize(
    "tokens, wanted",
    [
        (["[PAD]", "[CLS]", "<S>", "king", "##s"], Normalisation()),
        (["[PAD]", "The", "king"], Normalisation(do_lower_case=False)),
        (["[PAD]", "Éclair"], Normalisation(do_lower_case=False)),
        (["[PAD]", "yaşama", "##ğ"], Normalisation(strip_accents=False)),
        (["[PAD]", "が"], Normalisation(strip_accents=False)),
        (["[PAD]", "ı", "中", "한", "ß", "##क"], Normalisation()),
    ],
)
def test_tokens_point_to_a_treatment(tokens, wanted):
    assert guessed(tokens) == wanted
