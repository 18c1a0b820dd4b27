"""Knows each language's scripts and which rule finds the ends of its sentences."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from bertkit.corpus.sentence_rules.break_classes import STERMS, TIBETAN
from bertkit.errors import UsageError

# Any language or several: what spaCy calls multi-language.
ANY = "xx"
# Code → scripts, for languages that are not written in Latin letters (alone). Source: CLDR's
# likely subtags, and the scripts in use beside them.
_SCRIPTS = """
ab Cyrillic|am Ethiopic|ar Arabic|arz Arabic|as Bengali|av Cyrillic|az Latin Cyrillic Arabic
ba Cyrillic|be Cyrillic|bg Cyrillic|bn Bengali|bo Tibetan|bs Latin Cyrillic|bxr Cyrillic
ce Cyrillic|chr Cherokee|ckb Arabic|cr Canadian|cu Cyrillic Glagolitic|cv Cyrillic
dv Thaana|dz Tibetan|el Greek|fa Arabic|ff Latin Adlam|grc Greek|gu Gujarati|ha Latin Arabic
he Hebrew|hi Devanagari|hy Armenian|hyw Armenian|ii Yi|iu Canadian Latin|ja Kana Han
jv Latin Javanese|ka Georgian|kk Cyrillic Latin Arabic|km Khmer|kn Kannada|ko Hangul Han
ks Arabic Devanagari|ku Latin Arabic|kv Cyrillic|ky Cyrillic Arabic|lo Lao|lzh Han|mk Cyrillic
ml Malayalam|mn Cyrillic Mongolian|mni Meetei Bengali|mr Devanagari|ms Latin Arabic|my Myanmar
ne Devanagari|new Devanagari|nqo Nko|oj Canadian Latin|or Oriya|os Cyrillic|pa Gurmukhi Arabic
pi Devanagari Sinhala Thai Myanmar Khmer Latin|pnb Arabic|ps Arabic|ru Cyrillic|sa Devanagari
sat OlChiki|sd Arabic Devanagari|shn Myanmar|si Sinhala|sr Cyrillic Latin|syc Syriac|ta Tamil
te Telugu|tg Cyrillic|th Thai|ti Ethiopic|tk Latin Cyrillic|tt Cyrillic Latin|ug Arabic
uk Cyrillic|ur Arabic|uz Latin Cyrillic|wuu Han|yi Hebrew|yue Han|zh Han Bopomofo|zgh Tifinagh
"""
# Written in Latin letters: the rest of ISO 639-1, and what spaCy or a large wiki has.
_LATIN = """
aa ae af ak an ast ay bi bm br ca ceb ch co cs cy da de dsb ee en eo es et eu fi fj fo fr fy ga gd
gl gn gv ho hr hsb ht hu hz ia id ie ig ik io is it kg ki kj kl kmr kr kw la lb lg li lij ln lt lu
lv mg mh mi min mo mt na nb nd ng nl nn no nr nv ny oc om pl pt qu rm rn ro rw sc scn se sg sh sk
sl sm sn so sq ss st su sv sw szl tl tn to tr ts tw ty ve vec vi vo wa war wo xh yo za zu
"""
# Languages for which spaCy's tokenizer leaves the marks of their script inside words.
_NOT_SPACY = {"ja", "hy", "bo", "gu", "ml"}
# Written in Han, Kana or Hangul by spaCy's tokenizers that need no further package.
_TOKENIZER_OF = {"ko": "xx", "th": "xx", "vi": "xx", "no": "nb"}
_SPACY = """
af am ar az bg bn ca cs da de dsb el en es et eu fa fi fo fr ga gd grc he hi hr hsb ht hu id is it
kmr kn la lb lg lij lt lv mk mr ms nb ne nl nn pl pt ro ru sa si sk sl sq sr sv ta te ti tl tn tr
tt uk ur ky xx yo zh
"""
# One character is one token in these: a point between digits would end a sentence.
_ENDS = {"zh": "。！？｡!?"}
# Their tokenizers know the danda, but not the double one.
_INDIC = {"kn", "ta", "te"}
# Characters that end a sentence in a language, and not in others.
_MORE_ENDS = {"el": ";\u037e", "grc": ";\u037e"}
# The language to name for a script, the most written one first.
_LIKELY = {
    "Latin": "en", "Cyrillic": "ru", "Arabic": "ar", "Devanagari": "hi", "Bengali": "bn",
    "Hebrew": "he", "Ethiopic": "am", "Han": "zh", "Kana": "ja", "Hangul": "ko", "Armenian": "hy",
    "Tibetan": "bo", "Greek": "el", "Mongolian": "mn", "Myanmar": "my", "Canadian": "iu",
}  # fmt: skip


@dataclass(frozen=True)
class SentenceRule:
    """How sentences of a language are found.

    Attributes:
        tokenizer: spaCy's code of the tokenizer for its sentencizer; empty where Unicode's
            rules find the ends.
        ends: the characters that end a sentence for the sentencizer; empty for its own.
        more_ends: further ends: for Unicode's rules, or where the sentencizer left them inside.
    """

    tokenizer: str
    ends: str = ""
    more_ends: str = ""


def _table() -> dict[str, tuple[str, ...]]:
    rows = (row.split() for row in _SCRIPTS.replace("\n", "|").split("|") if row)
    table = {code: tuple(scripts) for code, *scripts in rows}
    return dict.fromkeys(_LATIN.split(), ("Latin",)) | table


SCRIPTS = _table()


def check_language(code: str) -> None:
    """Refuse a code that is not known.

    Raises:
        UsageError: names codes that look like it.
    """
    if code not in SCRIPTS and code != ANY:
        near = difflib.get_close_matches(code.lower(), SCRIPTS, cutoff=0.5)
        also = f"did you mean {', '.join(near)}? " if near else ""
        raise UsageError(
            f"no language {code!r} is known",
            f"{also}give an ISO 639-1 code, or {ANY} for any other",
        )


def rule_of(code: str) -> SentenceRule:
    """The rule of a language.

    Raises:
        UsageError: the code is not known.
    """
    check_language(code)
    tokenizer = _TOKENIZER_OF.get(code, code)
    own = _MORE_ENDS.get(code, "")
    if code in _NOT_SPACY or tokenizer not in _SPACY.split():
        return SentenceRule("", more_ends=own)
    if code == ANY:
        own = "".join(mark for mark in STERMS if not mark.isascii()) + TIBETAN
    elif "Devanagari" in SCRIPTS[code] or tokenizer in _INDIC:
        own = "\u0965"
    return SentenceRule(tokenizer, _ENDS.get(code, ""), own)


def fits(code: str, script: str) -> bool:
    """Whether a language is written in a script; any is, where nothing is known."""
    return code == ANY or not script or script in SCRIPTS.get(code, (script,))


def languages_of(script: str) -> list[str]:
    """Codes of the languages that are written in a script, the likeliest first."""
    found = sorted(code for code, scripts in SCRIPTS.items() if script == scripts[0])
    likely = _LIKELY.get(script)
    return [likely, *(code for code in found if code != likely)] if likely else found
