from __future__ import annotations

from bertkit.corpus.forms.mediawiki.templates import key_of, templates_of
from bertkit.corpus.forms.mediawiki.templates.names import NAMES, by_form


def words(name: str, language: str, **values: str) -> str | None:
    found = by_form(name, key_of(name), language)
    return (
        None if found is None else found({key.strip("_"): value for key, value in values.items()})
    )


def test_a_name_that_only_looks_like_a_number_is_of_no_family():
    for name in ("Vnd", "Die", "Mme", "Le", "XLe", "siècle"):
        assert words(name, "fr") is None, name
    assert words("XXXIXe", "fr") == "XXXIXe"
    assert words("2nde", "fr") == "2nde"


def test_families_of_a_wiki_are_its_own():
    assert words("e", "fr") == words("ème", "fr") == "e"
    assert words("e", "fr", _1="me") == "me"
    assert words("e", "en") is None
    assert templates_of("fr").find("e")({}) == "e"
    assert templates_of("en").find("e")({"1": "6"}) == "×10^6"
    assert words("ang.", "pl", _1="Bigfoot") == "ang. Bigfoot"
    assert words("s.", "pl", _1="12") is None


def test_no_handler_trips_over_missing_arguments():
    for _, pattern, handler in NAMES:
        assert isinstance(handler("name", {}), str), pattern
