from __future__ import annotations

import pytest

from bertkit.corpus.forms.mediawiki.templates.dates import any_date, date, month_name

SPELT = {
    "en": "3 May 1920",
    "de": "3. Mai 1920",
    "fr": "3 mai 1920",
    "es": "3 de mayo de 1920",
    "ru": "3 мая 1920",
    "it": "3 maggio 1920",
    "nl": "3 mei 1920",
    "pl": "3 maja 1920",
    "pt": "3 de maio de 1920",
    "sv": "3 maj 1920",
    "ja": "1920年5月3日",
    "zh": "1920年5月3日",
}


@pytest.mark.parametrize("language", SPELT)
def test_every_way_to_give_a_date(language):
    for given in (
        ["3", "5", "1920"],
        ["1920", "5", "3"],
        ["1920-05-03"],
        ["03.05.1920"],
        ["3/5/1920"],
    ):
        assert any_date(given, language) == SPELT[language]


def test_parts_of_dates():
    assert date("1920", "", "", "de") == "1920"
    assert date("1920", "5", "", "de") == "Mai 1920"
    assert date("", "5", "3", "es") == "3 de mayo"
    assert date("1920", "1", "1", "fr") == "1er janvier 1920"
    assert date("1920", "5", "3", "en", month_first=True) == "May 3, 1920"
    assert date("1920年", "5月", "3日", "ja") == "1920年5月3日"
    assert any_date(["the spring of 1920"], "en") == "the spring of 1920"
    assert any_date([], "en") == ""
    assert month_name("13", "en") == "13"


@pytest.mark.parametrize("month", ["0123", "012" + "9" * 5000, "13", "0", "x", ""])
def test_what_is_no_month_stays(month):
    assert month_name(month, "en") == month_name(month, "ja") == month
    assert month_name("0012", "en") == "December"
