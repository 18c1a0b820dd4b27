"""Renders the templates for which a pattern does not do: measures, dates, numbers, names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction

from bertkit.corpus.forms.mediawiki.templates.dates import any_date, date
from bertkit.corpus.forms.mediawiki.templates.patterns import positional, roman

Values = Mapping[str, str]

_NUMBER = re.compile(r"[\d.,/+−–-]+(?:e[-+]?\d+)?")
_RANGES = {
    "-": "–",
    "–": "–",
    "to": " to ",
    "to(-)": " to ",
    "till": " till ",
    "and": " and ",
    "or": " or ",
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
        if value.lower() in _RANGES and out:
            out += _RANGES[value.lower()]
        elif _NUMBER.fullmatch(value):
            out += value
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
    rest = given[1:]
    while len(rest) > 1 and rest[0].lower() in _RANGES and rest[0] and rest[1][:1].isdigit():
        number += _RANGES[rest[0].lower()] + rest[1]
        rest = rest[2:]
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
        number += f"±{error}"
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


def life(language: str, values: Values) -> str:
    """`1920年5月3日－1990年5月6日` of bd|1920年|5月3日|1990年|5月6日."""
    born, on, died, then = (*positional(values), "", "", "", "")[:4]
    return f"{born}{on}－{died}{then}"


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
        share = Fraction(part.replace(",", "")) / Fraction(whole.replace(",", "")) * 100
    except (ValueError, ZeroDivisionError):
        return f"{part}%" if part and not whole else ""
    places = int(digits) if digits.isdigit() and len(digits) == 1 else 0
    return f"{float(share):.{places}f}%"


def ordinal(language: str, values: Values) -> str:
    """`5th`, `3rd` in English; elsewhere the number with a full stop."""
    number = values.get("1", "")
    if language != "en" or not number.isdigit():
        return f"{number}." if number.isdigit() else number
    if number[-2:] in ("11", "12", "13"):
        return f"{number}th"
    return number + {"1": "st", "2": "nd", "3": "rd"}.get(number[-1], "th")


def height(language: str, values: Values) -> str:
    """`6 ft 2 in`, `1.85 m`."""
    named = [f"{values[name]} {name}" for name in ("m", "cm", "ft", "in") if values.get(name)]
    return " ".join(named) or convert(language, values)


_RUPEES = {
    "c": " crore",
    "l": " lakh",
    "lc": " lakh crore",
    "t": " trillion",
    "b": " billion",
    "m": " million",
    "k": " thousand",
}


def rupees(language: str, values: Values) -> str:
    """`₹5 crore` of INRConvert|5|c."""
    number, scale = (*positional(values), "", "")[:2]
    return f"₹{number}{_RUPEES.get(scale.lower(), '')}" if number else ""


def about(language: str, values: Values) -> str:
    """`c. 1850`, `c. 1850 – c. 1860`."""
    return " – ".join(f"c. {value}" for value in positional(values)[:2] if value)


def above_sea(language: str, values: Values) -> str:
    """`512 m ü. NN` of Höhe|512|DE-NN."""
    number, reference = (*positional(values), "", "")[:2]
    levels = {
        "DE-NN": "m ü. NN",
        "DE-NHN": "m ü. NHN",
        "DE-HN": "m ü. HN",
        "DE": "m ü. NHN",
        "AT": "m ü. A.",
        "CH": "m ü. M.",
        "LI": "m ü. M.",
        "IT": "m s.l.m.",
    }
    level = levels.get(reference.upper(), "m" if not reference else "m ü. d. M.")
    return f"{number} {level}" if number else ""


def century(language: str, values: Values) -> str:
    """`XIX`, or the number as it is where it is Roman already."""
    number, end = (*positional(values), "", "")[:2]
    return f"{roman(number)}{end if end in ('e', 'er', 'ème') else ''}"


def french_century(language: str, values: Values) -> str:
    """`XIXe siècle` of s-|XIX|e."""
    number, end = (*positional(values), "", "")[:2]
    number = roman(number)
    return f"{number}{end or ('er' if number == 'I' else 'e')} siècle" if number else ""


def french_centuries(language: str, values: Values) -> str:
    """`XIXe au XXe siècle` of sp-|XIX|e|au|XX|e."""
    given = positional(values)
    if len(given) < 4:
        return french_century(language, values)
    first, end, word, second, *rest = given
    return f"{first}{end or 'e'} {word} {second}{(rest or ['e'])[0] or 'e'} siècle"


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


def japanese_year(language: str, values: Values) -> str:
    """`1990年`, `平成2年`."""
    first, second = (*positional(values), "", "")[:2]
    return f"{first}年" if first.isdigit() else f"{first}{second}年" if first else ""


def bar_or_first(language: str, values: Values) -> str:
    """A bar; on Chinese wikis also a rare character with a note."""
    return values.get("1") or "&#124;"


def roman_number(language: str, values: Values) -> str:
    """`XIX` of 19."""
    return roman(values.get("1", ""))


FUNCTIONS: dict[str, Callable[[str, Values], str]] = {
    "convert": convert,
    "unit": unit,
    "val": val,
    "date": written_date,
    "day first": day_first,
    "first date": first_date,
    "second date": second_date,
    "as of": as_of,
    "life": life,
    "fraction": fraction,
    "percentage": percentage,
    "ordinal": ordinal,
    "height": height,
    "rupees": rupees,
    "about": about,
    "above sea": above_sea,
    "century": century,
    "french century": french_century,
    "french centuries": french_centuries,
    "clock": clock,
    "duration": duration,
    "degrees": degrees,
    "hours of arc": hours_of_arc,
    "japanese year": japanese_year,
    "bar or first": bar_or_first,
    "roman": roman_number,
}


def _the_name(name: str, values: Values) -> str:
    """Renders a template whose name is its words."""
    return name


def _before_christ(name: str, values: Values) -> str:
    return f"{name.lstrip('-')} av. J.-C."


def _link_helper(name: str, values: Values) -> str:
    return values.get("3") or values.get("1", "")


def _first(name: str, values: Values) -> str:
    return values.get("1", "")


# Families of names, in lower case, and the wikis that they are looked for on ("" for all).
NAMES: tuple[tuple[str, re.Pattern[str], Callable[[str, Values], str]], ...] = (
    ("", re.compile(r"(?:\d+|[ivxlcdm]+)(?:er|re|e|ère|ème) (?:siècle|millénaire)"), _the_name),
    ("fr", re.compile(r"(?:\d+|[ivxlcdm]+)(?:er|re|e|ère|ème|nd|nde)"), _the_name),
    # Louis XIV, Élisabeth II
    ("fr", re.compile(r"[a-zà-ÿ-]{4,} (?:x{0,2}(?:ix|iv|v?i{1,3}|v)|x{1,2})"), _the_name),
    ("fr", re.compile(r"-\d{1,4}"), _before_christ),
    ("", re.compile(r"(?:link-|internal link helper/)[a-z]{2,3}"), _link_helper),
    ("", re.compile(r"lang-[a-z-]+\d?"), _first),
)
