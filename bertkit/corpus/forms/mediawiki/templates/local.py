"""Renders the templates that one or a few wikis have: centuries, calendars, foreign names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bertkit.corpus.forms.mediawiki.templates.patterns import positional, roman

Values = Mapping[str, str]


def life(language: str, values: Values) -> str:
    """`1920年5月3日－1990年5月6日` of bd|1920年|5月3日|1990年|5月6日; of the living no dash."""
    born, on, died, then = (*positional(values), "", "", "", "")[:4]
    return f"{born}{on}－{died}{then}" if "3" in values else f"{born}{on}"


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


_FRENCH_ENDS = ("", "e", "er", "è", "ème", "eme")


def french_century(language: str, values: Values) -> str:
    """`XIXe siècle` of s-|XIX|e."""
    number, end = (*positional(values), "", "")[:2]
    number = roman(number)
    return f"{number}{end or ('er' if number == 'I' else 'e')} siècle" if number else ""


def french_centuries(language: str, values: Values) -> str:
    """`XIXe au XXe siècle` of sp-|XIX|e|au|XX|e."""
    given = positional(values)
    if len(given) == 3 and given[1] not in _FRENCH_ENDS:  # sp-|I|et le|IV
        given = [given[0], "er" if given[0] == "I" else "e", given[1], given[2], "e"]
    if len(given) < 4:
        return french_century(language, values)
    if len(given) == 4:  # s2|XIX|e|XX|e
        return f"{given[0]}{given[1] or 'e'} et {given[2]}{given[3] or 'e'} siècles"
    first, end, word, second, last = given[:5]
    many = "s" if given[5:6] == ["s"] else ""
    return f"{first}{end or 'e'} {word} {second}{last or 'e'} siècle{many}"


def french_centuries_before_christ(language: str, values: Values) -> str:
    """`IXe - VIIe siècles av. J.-C.` of -sp-|IX|e|-|VII|e|s."""
    found = french_centuries(language, values)
    return f"{found} av. J.-C." if found else ""


_SPANISH_ERAS = {"a": " a. C.", "d": " d. C."}


def spanish_century(language: str, values: Values) -> str:
    """`XVII` of siglo|XVII, `siglo III a. C.` of siglo|III|a|s."""
    number, era, word = (values.get(name, "") for name in ("1", "2", "3"))
    number = roman(number)
    word = {"s": "siglo ", "S": "Siglo "}.get(word, "")
    return f"{word}{number}{_SPANISH_ERAS.get(era.lower(), '')}" if number else ""


def aside(language: str, values: Values) -> str:
    """`– a remark –`; a second argument says that the sentence ends with it."""
    words, end = (*positional(values), "", "")[:2]
    return f"– {words}" if words and end else f"– {words} –" if words else ""


def japanese(language: str, values: Values) -> str:
    """`Tokyo Tower (東京タワー, Tōkyō tawā)`: a name, its writing and how that is read."""
    name, *others = (*positional(values), "")[:4]
    behind = ", ".join(filter(None, others))
    return f"{name} ({behind})" if name and behind else name or behind


def old_style(language: str, values: Values) -> str:
    """`22 декабря 1914 (4 января 1915)`: a Julian date and its Gregorian one.

    Args:
        language: of the wiki.
        values: day, month and year of the new style, then of the old one; or the new day and
            month, the year, and the old day and month.
    """
    given = positional(values)
    if not given[:1] or not given[0].isdigit():
        new, year, old = (*given, "", "", "")[:3]
        return f"{old} ({new}) {year}".strip() if old else f"{new} {year}".strip()
    new, year = " ".join(filter(None, given[:2])), (*given, "", "")[2]
    old = " ".join(filter(None, given[3:6]))
    return f"{old} ({new}) {year}".strip() if old else f"{new} {year}".strip()


def japanese_year(language: str, values: Values) -> str:
    """`1990年`, `平成2年`."""
    first, second = (*positional(values), "", "")[:2]
    return f"{first}年" if first.isdigit() else f"{first}{second}年" if first else ""


def bar_or_first(language: str, values: Values) -> str:
    """A bar; on Chinese wikis also a rare character with a note."""
    return values.get("1") or "&#124;"


LOCAL: dict[str, Callable[[str, Values], str]] = {
    "rupees": rupees,
    "above sea": above_sea,
    "life": life,
    "century": century,
    "french century": french_century,
    "french centuries": french_centuries,
    "french centuries before Christ": french_centuries_before_christ,
    "spanish century": spanish_century,
    "aside": aside,
    "japanese": japanese,
    "old style": old_style,
    "japanese year": japanese_year,
    "bar or first": bar_or_first,
}
