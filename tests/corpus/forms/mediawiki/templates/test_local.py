from __future__ import annotations

from bertkit.corpus.forms.mediawiki.templates.local import LOCAL
from bertkit.corpus.forms.mediawiki.templates.patterns import arguments


def words(name: str, given: str) -> str:
    return LOCAL[name]("", arguments(given.split("|")))


def test_what_is_missing_leaves_no_words_around_it():
    assert words("spanish century", "") == words("aside", "") == words("life", "") == ""
    assert words("french centuries before Christ", "") == ""
    assert words("japanese", "Tokyo") == "Tokyo"
    assert words("japanese", "|東京") == "東京"
    assert words("old style", "4|января|1915") == "4 января 1915"
    assert words("old style", "3 мая|1920") == "3 мая 1920"


def test_french_centuries_with_and_without_the_ends_of_their_numbers():
    assert words("french centuries", "VI|e|-|VII|e|s") == "VIe - VIIe siècles"
    assert words("french centuries", "I|et le|IV") == "Ier et le IVe siècle"
    assert words("french centuries", "XII|e") == "XIIe siècle"


def test_a_life_that_goes_on_has_no_dash():
    assert words("life", "1989年|4月18日") == "1989年4月18日"
    assert words("life", "6世紀||？|") == "6世紀－？"
