"""Renders the templates for which a pattern does not do: measures, dates, numbers, links."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction

from bertkit.corpus.forms.mediawiki.templates.dates import any_date, date
from bertkit.corpus.forms.mediawiki.templates.local import LOCAL
from bertkit.corpus.forms.mediawiki.templates.patterns import positional, roman

Values = Mapping[str, str]

_LONGEST_NUMBER = 100
_NUMBER = re.compile(r"[\d.,/+−–-]+(?:e[-+]?\d+)?")
# 5+1/2 and 5-1/2 are written 5 1/2.
_MIXED = re.compile(r"(\d)[+](\d+/)")
_RANGES = {
    "-": "–",
    "–": "–",
    "to": " to ",
    "till": " till ",
    "and": " and ",
    "or": " or ",
    ", and": ", and ",
    ", or": ", or ",
    ",": ", ",
    "à": " à ",
    "et": " et ",
    "ou": " ou ",
    "bis": " bis ",
    "und": " und ",
    "a": " a ",
    "y": " y ",
    "e": " e ",
    "i": " i ",
    "до": " до ",
    "и": " и ",
    "tot": " tot ",
    "en": " en ",
    "och": " och ",
    "x": " × ",
    "xx": " × ",
    "*": " × ",
    "by": " by ",
    "×": " × ",
    "+": " + ",
    "+/-": " ± ",
    "±": " ± ",
}
# Units that are followed by smaller ones: 5 ft 6 in, 10 st 3 lb.
_LARGER = ("mi", "yd", "ft", "foot", "st", "lb", "stlb", "ftin", "h", "hr", "min", "lt", "fathom")


def convert(language: str, values: Values) -> str:
    """`5 km` of convert|5|km|mi, `5 to 10 km` of convert|5|to|10|km, `5 ft 6 in`."""
    given = positional(values)
    out = ""
    for place, value in enumerate(given):
        word = value.lower().removesuffix("(-)")
        if word in _RANGES and out:
            out += _RANGES[word]
        elif _NUMBER.fullmatch(value):
            out += _MIXED.sub(r"\1 \2", value)
        else:
            return f"{out} {value}{_smaller(value, given[place + 1 :])}" if out else ""
    return out


def _smaller(unit: str, rest: list[str]) -> str:
    """` 6 in` after `5 ft`; the number after any other unit says how to round."""
    if unit.lower() in _LARGER and len(rest) > 1 and _NUMBER.fullmatch(rest[0]):
        return f" {rest[0]} {rest[1]}" if rest[1] and not _NUMBER.fullmatch(rest[1]) else ""
    return ""


def unit(language: str, values: Values) -> str:
    """`2000 m`, `5 m/s`, `2×10^3 km2` of fr unité|2|km|2|e=3 and its like elsewhere."""
    given = positional(values)
    number = given[0] if given else ""
    place = 1
    while (
        len(given) > place + 1
        and given[place].lower() in _RANGES
        and given[place + 1][:1].isdigit()
    ):
        number += _RANGES[given[place].lower()] + given[place + 1]
        place += 2
    rest = given[place:]
    for sign, between in (
        ("±", " ± "),
        ("+/-", " ± "),
        ("à", " à "),
        ("et", " et "),
        ("ou", " ou "),
    ):
        if values.get(sign):
            number += between + values[sign]
    if values.get("e"):
        number += f"×10^{values['e']}"
    # Units and their exponents in turn.
    out = ""
    for place in range(0, len(rest), 2):
        name, power = rest[place], "".join(rest[place + 1 : place + 2])
        if name:
            out += ("" if not out or name[0] in "/⋅·" else "⋅") + name + power
    named = values.get("u") or values.get("ul") or values.get("unité") or ""
    whole = out or named
    return f"{number} {whole}".strip() if whole else number


def val(language: str, values: Values) -> str:
    """`1.2±0.1×10^3 kg` of val|1.2|0.1|e=3|u=kg."""
    number, error, lower = (*positional(values), "", "", "")[:3]
    if lower:
        number += f"+{error.lstrip('+')}−{lower.lstrip('-−')}"
    elif error:
        number += error if error.startswith("(") else f"±{error}"
    number = f"{values.get('p', '')}{number}{values.get('s', '')}"
    if values.get("e"):
        number += f"×10^{values['e']}"
    measure = values.get("u") or values.get("ul") or ""
    per = values.get("up") or values.get("upl") or ""
    measure += f"/{per}" if per else ""
    space = "" if measure in ("%", "°") else " "
    return f"{number}{space}{measure}" if measure else number


def written_date(language: str, values: Values) -> str:
    """A date in its first three arguments; in English the month comes first unless df is set."""
    first = language == "en" and not (values.get("df") or values.get("format") == "dmy")
    return any_date(positional(values), language, month_first=first)


def day_first(language: str, values: Values) -> str:
    """A date in its first three arguments, day before month."""
    return any_date(positional(values), language)


def first_date(language: str, values: Values) -> str:
    """The date in the first three arguments: of death, before that of birth."""
    first = language == "en" and not values.get("df")
    return any_date(positional(values)[:3], language, month_first=first)


def second_date(language: str, values: Values) -> str:
    """The date in the arguments from the fourth, or the only one: of death, after that of birth."""
    given = positional(values)
    return any_date(given[3:6] or given[:3], language)


def as_of(language: str, values: Values) -> str:
    """`As of May 2010`."""
    if values.get("alt"):
        return values["alt"]
    year, month, day = (*positional(values), "", "", "")[:3]
    if not year:
        return ""
    begin = "Since" if values.get("since") else "As of"
    begin = begin.lower() if values.get("lc") else begin
    first = values.get("df", "").lower() in ("us", "mdy")
    return f"{begin} {date(year, month, day, 'en', first)}"


def fraction(language: str, values: Values) -> str:
    """`1/2`, `3 1/2`."""
    given = positional(values)
    if len(given) == 3:
        return f"{given[0]} {given[1]}/{given[2]}"
    return "/".join(given[:2]) if len(given) == 2 else f"1/{given[0] if given else ''}"


def percentage(language: str, values: Values) -> str:
    """`75%` of percentage|3|4; a third argument is the number of decimals."""
    part, whole, digits = (*positional(values), "", "", "")[:3]
    try:
        share = _exact(part) / _exact(whole) * 100
    except (ValueError, ZeroDivisionError):
        return f"{part}%" if part and not whole else ""
    places = int(digits) if digits.isdecimal() and len(digits) == 1 else 0
    return f"{float(share):.{places}f}%"


def _exact(number: str) -> Fraction:
    """A number of so few letters, and without an exponent, that a division takes no time."""
    if len(number) > _LONGEST_NUMBER or "e" in number.lower():
        raise ValueError(number)
    return Fraction(number.replace(",", ""))


def ordinal(language: str, values: Values) -> str:
    """`5th`, `3rd` in English; elsewhere the number with a full stop."""
    number = values.get("1", "")
    if language != "en" or not number.isdigit():
        return f"{number}." if number.isdigit() else number
    if number[-2:] in ("11", "12", "13"):
        return f"{number}th"
    return number + {"1": "st", "2": "nd", "3": "rd"}.get(number[-1], "th")


_LENGTHS = {
    "m": ("m", "metre", "metres", "meter", "meters"),
    "cm": ("cm", "centimetre", "centimetres", "centimeter", "centimeters"),
    "ft": ("ft", "foot", "feet"),
    "in": ("in", "inch", "inches"),
}


def height(language: str, values: Values) -> str:
    """`6 ft 2 in`, `1.85 m`."""
    named = [
        f"{values[name]} {symbol}"
        for symbol, names in _LENGTHS.items()
        for name in names
        if values.get(name)
    ]
    return " ".join(named) or convert(language, values)


_WEIGHTS = ("kg", "g", "st", "lb", "oz")


def weight(language: str, values: Values) -> str:
    """`75 kg`, `11 st 4 lb`."""
    named = [f"{values[name]} {name}" for name in _WEIGHTS if values.get(name)]
    return " ".join(named) or convert(language, values)


def playing_time(language: str, values: Values) -> str:
    """`1:20:32` of duration|h=1|m=20|s=32 or duration|1|20|32."""
    given = (*positional(values), "", "", "")
    named = [values.get(name) or given[place] for place, name in enumerate(("h", "m", "s"))]
    first = next((place for place, value in enumerate(named) if value), 3)
    parts = named[first:]
    return ":".join([*parts[:1], *(value.zfill(2) for value in parts[1:])])


def about(language: str, values: Values) -> str:
    """`c. 1850`, `c. 1850 – c. 1860`, or `c.` before what the sentence goes on with."""
    return " – ".join(f"c. {value}" for value in positional(values)[:2] if value) or "c."


def flourished(language: str, values: Values) -> str:
    """`fl. 1507`, `fl. 1507–1520`, or `fl.` before what the sentence goes on with."""
    return " ".join(filter(None, ("fl.", "–".join(filter(None, positional(values)[:2])))))


_LANGUAGE_CODE = re.compile(r"[a-z]{2,3}(?:-[a-z]+)?|wd", re.IGNORECASE)


def link_elsewhere(language: str, values: Values) -> str:
    """The local name, which stands before or behind the code of the other wiki's language."""
    named = values.get("label") or values.get("lt") or values.get("d")
    first, second = (*positional(values), "", "")[:2]
    code_first = second and _LANGUAGE_CODE.fullmatch(first) and not _LANGUAGE_CODE.fullmatch(second)
    return named or (second if code_first else first)


_ACCIDENTALS = {
    **dict.fromkeys(("flat", "b"), "♭"),
    **dict.fromkeys(("sharp", "#"), "♯"),
    **dict.fromkeys(("natural", "n"), "♮"),
}


def music(language: str, values: Values) -> str:
    """`♭`, `3/4`."""
    sign, upper, lower = (*positional(values), "", "", "")[:3]
    if sign == "time":
        return f"{upper}/{lower}" if upper and lower else ""
    return _ACCIDENTALS.get(sign.lower(), "")


def clock(language: str, values: Values) -> str:
    """`12 h 30`, `1 h 30 min 5 s`."""
    hours, minutes, seconds = (*positional(values), "", "", "")[:3]
    if seconds:
        return f"{hours} h {minutes} min {seconds} s"
    return f"{hours} h {minutes}".strip() if hours else f"{minutes} min" if minutes else ""


def duration(language: str, values: Values) -> str:
    """`1 h 30 min 5 s`."""
    given = positional(values)
    names = ("h", "min", "s") if len(given) < 4 else ("j", "h", "min", "s")
    return " ".join(f"{value} {name}" for value, name in zip(given, names, strict=False) if value)


def degrees(language: str, values: Values) -> str:
    """`48° 8′ 30″`."""
    given = positional(values)
    return " ".join(f"{value}{sign}" for value, sign in zip(given, "°′″", strict=False) if value)


def hours_of_arc(language: str, values: Values) -> str:
    """`12h 34m 56s`, a right ascension."""
    given = positional(values)
    return " ".join(f"{value}{sign}" for value, sign in zip(given, "hms", strict=False) if value)


def roman_number(language: str, values: Values) -> str:
    """`XIX` of 19."""
    return roman(values.get("1", ""))


FUNCTIONS: dict[str, Callable[[str, Values], str]] = {
    **LOCAL,
    "convert": convert,
    "unit": unit,
    "val": val,
    "date": written_date,
    "day first": day_first,
    "first date": first_date,
    "second date": second_date,
    "as of": as_of,
    "fraction": fraction,
    "percentage": percentage,
    "ordinal": ordinal,
    "height": height,
    "about": about,
    "flourished": flourished,
    "link elsewhere": link_elsewhere,
    "music": music,
    "weight": weight,
    "playing time": playing_time,
    "clock": clock,
    "duration": duration,
    "degrees": degrees,
    "hours of arc": hours_of_arc,
    "roman": roman_number,
}
