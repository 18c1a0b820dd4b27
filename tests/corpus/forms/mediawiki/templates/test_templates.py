from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from bertkit.corpus.forms.mediawiki import templates as package
from bertkit.corpus.forms.mediawiki.site import Site
from bertkit.corpus.forms.mediawiki.templates import COMMON, LANGUAGES, NOTHING, templates_of
from bertkit.corpus.forms.mediawiki.wikitext import plain_text

CALLS = Path(__file__).parent / "calls.txt"
TABLES = Path(package.__file__).parent


def calls() -> dict[str, list[tuple[str, str]]]:
    """(call, its words) by language."""
    found: dict[str, list[tuple[str, str]]] = {}
    language = ""
    for line in CALLS.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            language = line.strip("[]")
        elif line and not line.startswith("#"):
            call, _, words = line.partition(" =>")
            found.setdefault(language, []).append((call, words.strip()))
    return found


def sentence(call: str, language: str) -> str:
    """What a sentence shows of a call."""
    text = plain_text(f"Start {call} end of it.", "Title", Site(language=language))
    assert text.startswith("Start")
    assert text.endswith("end of it.")
    return text.removeprefix("Start").removesuffix("end of it.").strip()


@pytest.mark.parametrize("language", LANGUAGES)
def test_calls_of_real_articles(language):
    templates = templates_of(language)
    named = {re.search(r"\{\{([^{}|]+)", call)[1] for call, _ in calls()[language]}
    unknown = [name for name in named if ":" not in name and templates.find(name) is None]
    # A variable, and a name that only looks like one of a family.
    assert not set(unknown) - {"SEITENNAME", "Vnd"}
    wrong = [
        (call, words, shown)
        for call, words in calls()[language]
        if (shown := sentence(call, language)) != words
    ]
    assert not wrong


# Arguments for each way of rendering, and what of their numbers must be seen.
ARGUMENTS = {
    "=convert": ("1234|km", "1234"),
    "=unit": ("1234|km", "1234 km"),
    "=val": ("1234|u=km", "1234 km"),
    "=date": ("1987|5|13", "1987 13"),
    "=day first": ("13|5|1987", "1987 13"),
    "=first date": ("13|5|1987|14|6|1999", "13 1987"),
    "=second date": ("13|5|1987|14|6|1999", "14 1999"),
    "=as of": ("1987|5|13", "13 1987"),
    "=fraction": ("3|17|19", "3 17 19"),
    "=percentage": ("3|4", "75"),
    "=ordinal": ("17", "17"),
    "=height": ("ft=6|in=3", "6 3"),
    "=rupees": ("17|c", "17"),
    "=about": ("1850|1860", "1850 1860"),
    "=flourished": ("1850|1860", "1850 1860"),
    "=french centuries before Christ": ("IX|e|et|VII|e|s", "IX VII"),
    "=spanish century": ("19|a|s", "XIX"),
    "=aside": ("17", "17"),
    "=japanese": ("11|12|13", "11 12 13"),
    "=old style": ("14|января|1915|22|декабря|1914", "14 1915 22 1914"),
    "=link elsewhere": ("17|en|18", "17"),
    "=weight": ("kg=75", "75"),
    "=playing time": ("12|34|56", "12 34 56"),
    "=music": ("time|3|4", "3/4"),
    "=above sea": ("512|DE-NN", "512"),
    "=french century": ("XIX|e", "XIX"),
    "=french centuries": ("XIX|e|au|XX|e", "XIX XX"),
    "=clock": ("12|34|56", "12 34 56"),
    "=duration": ("12|34|56", "12 34 56"),
    "=degrees": ("12|34|56", "12 34 56"),
    "=hours of arc": ("12|34|56", "12 34 56"),
    "=life": ("1920年|5月3日|1990年|6月7日", "1920 5 3 1990 6 7"),
    "=japanese year": ("1990", "1990"),
    "=roman": ("19", "XIX"),
    "=bar or first": ("17", "17"),
}


def table(language: str) -> dict[str, list[str]]:
    """The table of a language as it stands in its file."""
    path = TABLES / f"{language}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}


def arguments_for(pattern: str) -> tuple[str, str]:
    """Arguments with a number in each field that a pattern shows, and these numbers."""
    if pattern in ARGUMENTS:
        return ARGUMENTS[pattern]
    fields = re.findall(r"\{([^{}]+)\}", pattern)
    if any("*" in field for field in fields):
        return "11|12|13", "11 12 13"
    if "-1" in fields:
        return "11|12|13", "13"
    given, shown = {}, []
    for number, field in enumerate(fields, start=11):
        name = field.partition("@")[0].split("|")[0]
        if name not in given:
            given[name] = str(number)
            shown.append("XI" if "@roman" in field and number == 11 else str(number))
    if any("@roman" in field for field in fields):
        given, shown = {"1": "XI"}, ["XI"]
    return "|".join(f"{name}={value}" for name, value in given.items()), " ".join(shown)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_number_of_an_argument_is_lost(language):
    """Every name in the tables of a language, 100 and more of them, is called."""
    called = 0
    names = templates_of(language)
    own = {name.lower() for known in table(language).values() for name in known}
    for file in (language, COMMON) if language != "en" else (COMMON,):
        for pattern, known in table(file).items():
            if pattern == NOTHING or not ("{" in pattern or pattern.startswith("=")):
                continue
            for name in known:
                if name.lower() in own and file == COMMON:
                    continue
                given, numbers = arguments_for(pattern)
                shown = sentence(f"{{{{{name}|{given}}}}}", language)
                called += 1
                for number in numbers.split():
                    assert number in shown, (name, given, shown)
    assert called >= 100
    assert len(names) > called


def test_own_names_come_before_those_of_others():
    assert sentence("{{s|5 км}}", "ru") == "5 км"
    assert sentence("{{s|XIX}}", "fr") == "XIXe siècle"
    assert sentence("{{s|XIX}}", "nn") == ""  # one letter: nobody's but the wiki's own
    assert sentence("{{unité|5|km}}", "nn") == sentence("{{unité|5|km}}", "") == "5 km"


def test_a_date_is_written_in_the_language_of_the_wiki_whoever_knows_the_template():
    assert sentence("{{fecha|3|5|1920}}", "pl") == "3 maja 1920"
    assert sentence("{{Datum|3|5|1920}}", "sv") == "3 maj 1920"
    assert sentence("{{fecha|3|5|1920}}", "ast") == "3 de mayo de 1920"


def test_all_names_of_a_table_are_text_and_stand_once():
    for path in TABLES.glob("*.yaml"):
        seen: dict[str, str] = {}
        for pattern, names in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            for name in names:
                assert isinstance(name, str), (path.name, name)
                assert name.lower() not in seen, (path.name, name, pattern, seen[name.lower()])
                seen[name.lower()] = pattern
    assert {path.stem for path in TABLES.glob("*.yaml")} == {COMMON, *LANGUAGES} - {"en"}


def test_unknown_is_told_from_nothing():
    templates = templates_of("de")
    assert templates.find("Unbekanntes Zeug") is None
    assert templates.find("Infobox Berg")({"1": "x"}) == ""
    assert templates.find("cite_web")({}) == ""
    assert templates.find(" NOWRAP ")({"1": "x"}) == "x"
