"""Writes dates the way that a language writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence

# The names that stand after a day: in some languages another case than on a calendar.
_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre "
    "diciembre",
    "ru": "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre "
    "dicembre",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października "
    "listopada grudnia",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro "
    "dezembro",
    "sv": "januari februari mars april maj juni juli augusti september oktober november december",
}
_NAMES = {language: tuple(names.split()) for language, names in _MONTHS.items()}
_OF = {"es": " de ", "pt": " de "}
_ISO = re.compile(r"(-?\d{1,4})-(\d{1,2})(?:-(\d{1,2}))?")
_SHORT = re.compile(r"(\d{1,2})[./](\d{1,2})[./](-?\d{3,4})")
_EAST = ("ja", "zh", "ko")


def small_number(text: str, most: int) -> int:
    """A whole number of at most so many digits, zeros before it not counted; else 0."""
    digits = text.lstrip("0")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= most else 0


def month_name(month: str, language: str) -> str:
    """The name of the month of this number; anything else as it is."""
    number = small_number(month, 2)
    if not 1 <= number <= 12:
        return month
    if language in _EAST:
        return f"{number}月"
    return _NAMES.get(language, _NAMES["en"])[number - 1]


def date(year: str, month: str, day: str, language: str, month_first: bool = False) -> str:
    """A date; each of its parts may be empty.

    Args:
        year: a number.
        month: its number or name.
        day: a number.
        language: ISO 639-1 code.
        month_first: May 3, 1920 instead of 3 May 1920.
    """
    number = day.lstrip("0") if day.isdigit() else day
    name = month_name(month, language)
    if language in _EAST:
        ends = (("年", year), ("", name), ("日", number))
        return "".join(
            f"{part}{'' if not end or part.endswith(end) else end}" for end, part in ends if part
        )
    if number and language == "de" and number.isdigit():
        number += "."
    if number == "1" and language == "fr":
        number = "1er"
    if month_first and name and number:
        return f"{name} {number}, {year}" if year else f"{name} {number}"
    return _OF.get(language, " ").join(filter(None, (number, name, year)))


def any_date(values: Sequence[str], language: str, month_first: bool = False) -> str:
    """A date in one argument or several: year or day first, or written out already."""
    first, second, third = (*values[:3], "", "", "")[:3]
    if found := _ISO.fullmatch(first):
        return date(found[1], found[2], found[3] or "", language, month_first)
    if found := _SHORT.fullmatch(first):
        return date(found[3], found[2], found[1], language, month_first)
    bare = first.lstrip("-+")
    if bare.isdigit() and len(bare) >= 3:
        return date(first, second, third, language, month_first)
    if (bare.isdigit() or not first) and (second or third):
        return date(third, second, first, language, month_first and second.isdigit())
    return " ".join(filter(None, (first, second, third)))
