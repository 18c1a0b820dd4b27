"""Replaces templates, links and magic words in wikitext; needs no clock or network.

The rules, the same whoever took the page apart (wikitext.py or wikitext_fallback.py):

- A template is dropped with all it holds, unless it stands for words of the sentence:
  those of `_TEMPLATES` become the words (`{{convert|5|km}}`: 5 km). Parser functions and
  variables such as CURRENTYEAR are dropped; PAGENAME is the title of the page.
- A link becomes its text. Files, categories and links to other languages are dropped.
- References, formulas, galleries, maps, code and tables are dropped with what they hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Around the text of a link, until the line is known to say more than its links.
LINK_START, LINK_END = "\x01", "\x02"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Elements that go with what they hold; the content of the verbatim ones is no markup.
DROPPED_TAGS = _words(
    """
    ref references math chem ce gallery timeline hiero score graph imagemap mapframe maplink
    templatedata templatestyles syntaxhighlight source pre inputbox categorytree section
    includeonly table style
    """
)
PLAIN_TAGS = _words(
    """
    abbr b bdi bdo big blockquote br center cite code data dd del dfn div dl dt em font h1
    h2 h3 h4 h5 h6 hr i ins kbd li mark noinclude nowiki ol onlyinclude p poem q rb rp rt
    ruby s samp small span strike strong sub sup td th time tr tt u ul var wbr
    """
)

# A dump names its own namespaces; these are the canonical ones and well-known aliases.
_FILES = _words(
    """
    file image media bild datei fichier archivo imagen файл изображение картинка plik
    grafika ficheiro imagem bestand afbeelding 文件 档案 ファイル 画像
    """
)
_CATEGORIES = _words(
    """
    category kategorie catégorie categoría категория categoria kategoria categorie 分类 カテゴリ
    """
)
_LANGUAGE = re.compile(r"(?:[a-z]{2,3}|simple)(?:-[a-z-]+)?")
_NUMBER = re.compile(r"[\d.,/+−–-]+(?:e[-+]?\d+)?")
_RANGES = {
    "-": "–",
    "–": "–",
    "to": " to ",
    "and": " and ",
    "or": " or ",
    "x": " × ",
    "by": " by ",
    "×": " × ",
    "+/-": " ± ",
    "±": " ± ",
}


@dataclass(frozen=True)
class Site:
    """Names that a dump gives to its namespaces, in lower case.

    Attributes:
        dropped: prefixes of links that show nothing in the text: files and categories.
    """

    dropped: frozenset[str] = frozenset(_FILES + _CATEGORIES)

    @classmethod
    def with_names(cls, names: Sequence[str]) -> Site:
        """The usual names and those of a dump for files, media and categories."""
        return cls(frozenset(_FILES + _CATEGORIES + tuple(name.lower() for name in names)))


def link(target: str, text: str | None, site: Site) -> str:
    """The text of `[[target|text]]`; empty where the link shows nothing in the sentence."""
    prefix, colon, _ = target.partition(":")
    prefix = prefix.strip().lower()
    if colon and prefix in site.dropped:
        return ""
    if text is None:
        if colon and _LANGUAGE.fullmatch(prefix):
            return ""
        text = target.lstrip(":").lstrip("#")
    elif not text.strip():
        # The pipe trick: what stands before the bracket.
        text = target.rpartition(":")[2].partition(" (")[0]
    return f"{LINK_START}{text.strip(LINK_START + LINK_END)}{LINK_END}"


def external_link(url_and_text: str) -> str:
    """The text of `[url text]`, empty for a bare number."""
    _, _, text = url_and_text.partition(" ")
    return f"{LINK_START}{text.strip()}{LINK_END}" if text.strip() else ""


def template(name: str, arguments: Sequence[str], title: str) -> str:
    """The words that a template stands for, or nothing.

    Args:
        name: as written.
        arguments: those without a name, or named by a number, in order.
        title: of the page.
    """
    key = _key(name)
    if key in _TITLES:
        return title
    found = _TEMPLATES.get(key)
    if found is not None:
        values = [value.strip() for value in arguments]
        return found(values)
    if key.startswith("lang-"):
        return _first([value.strip() for value in arguments])
    if key.startswith("formatnum:"):
        return name.partition(":")[2].strip()
    return ""


def has_words(name: str) -> bool:
    """False if `template` gives nothing for this name, whatever the arguments."""
    key = _key(name)
    return key in _TEMPLATES or key in _TITLES or key.startswith(("lang-", "formatnum:"))


def _key(name: str) -> str:
    return name.strip().lower().replace("_", " ")


def positional(parts: Sequence[str]) -> list[str]:
    """The arguments `a`, `2=b` of a template's parts in order, names left out."""
    values: list[str] = []
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals:
            values.append(part)
        elif name.strip() == str(len(values) + 1):
            values.append(value)
    return values


def _first(values: list[str]) -> str:
    return values[0] if values else ""


def _second(values: list[str]) -> str:
    return values[1] if len(values) > 1 else ""


def _last(values: list[str]) -> str:
    return values[-1] if values else ""


def _constant(text: str) -> Callable[[list[str]], str]:
    return lambda values: text


def _prefixed(prefix: str) -> Callable[[list[str]], str]:
    return lambda values: f"{prefix}{values[0]}" if values and values[0] else ""


def _fraction(values: list[str]) -> str:
    if len(values) == 3:
        return f"{values[0]} {values[1]}/{values[2]}"
    return "/".join(values[:2]) if len(values) == 2 else f"1/{_first(values)}"


def _convert(values: list[str]) -> str:
    """`5 km` of convert|5|km|mi, `5 to 10 km` of convert|5|to|10|km."""
    out = ""
    for value in values:
        if value.lower() in _RANGES and out:
            out += _RANGES[value.lower()]
        elif _NUMBER.fullmatch(value):
            out += value
        else:
            return f"{out} {value}" if out else ""
    return out


def _date(values: list[str]) -> str:
    return f"As of {' '.join(values[:1])}" if values else ""


_TITLES = ("pagename", "fullpagename", "basepagename", "subpagename")
_TEMPLATES: dict[str, Callable[[list[str]], str]] = {
    **dict.fromkeys(("convert", "cvt"), _convert),
    **dict.fromkeys(("frac", "fraction", "sfrac"), _fraction),
    **dict.fromkeys(
        (
            "nowrap",
            "nobr",
            "small",
            "smaller",
            "big",
            "larger",
            "em",
            "strong",
            "abbr",
            "sic",
            "mvar",
            "math",
            "sup",
            "sub",
            "flag",
            "ill",
            "interlanguage link",
            "tooltip",
            "nihongo",
            "quote",
            "blockquote",
            "cquote",
            "quotation",
            "noitalic",
            "italic",
            "keypress",
            "key",
            "samp",
            "code",
            "mono",
            "visible anchor",
            "vanchor",
            "linktext",
            "native name",
            "dfn",
            "formatnum",
            "not a typo",
            "proper name",
            "smallcaps",
            "sc",
            "allcaps",
        ),
        _first,
    ),
    **dict.fromkeys(("lang", "transl", "transliteration", "langx", "wikt-lang", "hw"), _second),
    **dict.fromkeys(("script", "font", "color", "fontcolor", "sort"), _last),
    **dict.fromkeys(("val", "num", "nts"), _first),
    **dict.fromkeys(("circa", "c.", "ca."), _prefixed("c. ")),
    **dict.fromkeys(("us$", "usd"), _prefixed("US$")),
    **dict.fromkeys(("gbp", "£", "pound sterling"), _prefixed("£")),
    **dict.fromkeys(("eur", "€", "euro"), _prefixed("€")),
    "hms": _prefixed("HMS "),
    "uss": _prefixed("USS "),
    "ss": _prefixed("SS "),
    "as of": _date,
    "nbsp": _constant(" "),
    "space": _constant(" "),
    "spaces": _constant(" "),
    "ndash": _constant("–"),
    "en dash": _constant("–"),
    "mdash": _constant("—"),
    "em dash": _constant("—"),
    "emdash": _constant("—"),
    "--": _constant("—"),
    "snd": _constant(" – "),
    "spnd": _constant(" – "),
    "spaced ndash": _constant(" – "),
    "spaced en dash": _constant(" – "),
    "'": _constant("'"),
    "'s": _constant("'s"),
    "=": _constant("="),
    "!": _constant("&#124;"),
    "((": _constant("&#123;&#123;"),
    "·": _constant(" · "),
    "•": _constant(" • "),
    "dot": _constant(" · "),
    "ad": _prefixed("AD "),
    "minus": _constant("−"),
    "times": _constant("×"),
    "pi": _constant("π"),
}
