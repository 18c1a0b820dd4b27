from __future__ import annotations

from bertkit.corpus.forms.mediawiki.templates.functions import (
    FUNCTIONS,
    convert,
    percentage,
    unit,
    val,
)
from bertkit.corpus.forms.mediawiki.templates.patterns import arguments


def words(function, given: str) -> str:
    return function("en", arguments(given.split("|")))


def test_no_function_trips_over_missing_arguments():
    for name, function in FUNCTIONS.items():
        for given in ("", "x", "|", "||", "a=b", "1|2|3|4|5|6|7|8|9", "-|-|-", "²|²"):
            assert isinstance(words(function, given), str), (name, given)


def test_measures():
    assert words(convert, "x") == ""
    assert words(convert, "5|to|10|km|mi|2") == "5 to 10 km"
    assert words(convert, "5|lb|2|oz|kg|1") == "5 lb 2 oz"
    assert words(val, "1.5|0.2|0.1|u=%") == "1.5+0.2−0.1%"
    assert words(percentage, "1|0") == ""
    assert words(percentage, "1e999999999|1") == ""  # which took all memory there is
    assert words(percentage, "1|2|²") == "50%"


def test_a_long_range_takes_no_longer_than_its_length():
    """To copy what is left of it at each step would take minutes."""
    values = {str(place): "1" if place % 2 else "-" for place in range(1, 400_000)}
    assert unit("fr", {**values, "400000": "km"}) == "–".join(["1"] * 200_000) + " km"
