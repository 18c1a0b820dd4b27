"""Splits a text into sentences, each one line.

Whatever the splitter, every character of the text but white space is kept; a run of
white space inside a sentence becomes one space; a sentence is never empty. A blank
line always ends a sentence, so a long document is never handed to a model whole.

- `rule`: what suits the language (`sentence_rules.languages`): spaCy's tokenizer and its
  rule-based sentencizer, where they know the marks of its script: a sentence ends at
  `.`, `!`, `?` and their like, but not inside a token (3.14, U.S.). Punctuation that
  follows an end goes with it, an opening quotation mark too: this is spaCy's rule, which
  Cerebras' records follow. For all other languages, Unicode's rules. Measured: 0.9 to 1 MB
  of English a second on one core once the tokenizer has seen the usual words, 0.4 on the
  first megabyte.
- `unicode`: Unicode's rules for every script (`sentence_rules.unicode_rules`), 2 to 3
  MB a second.
- `lines`: each line is a sentence; for text that is split already.
- `spacy:MODEL`: a trained spaCy pipeline, such as spacy:en_core_web_sm; some 50 to 100
  times slower than `rule`.
- `punkt`: NLTK's trained Punkt model of the language.
"""

from __future__ import annotations

import re
from typing import Any

from bertkit.corpus.clean import one_line, paragraphs
from bertkit.corpus.sentence_rules.languages import ANY, check_language, rule_of
from bertkit.corpus.sentence_rules.unicode_rules import unicode_splitter
from bertkit.errors import DataError, MissingDependencyError, UsageError
from bertkit.optional import require
from bertkit.text.sentence_splitter import Splitter, model_facts, model_splitter, rule_splitter

_RATES = {"lines": 30e6, "unicode": 2.4e6, "rule": 0.9e6, "punkt": 2e6, "spacy": 15e3}
# White space but the blank and the line feed.
_ODD_SPACES = re.compile(r"[^\S\n ]")

_PUNKT = {
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "fi": "finnish",
    "fr": "french",
    "it": "italian",
    "ml": "malayalam",
    "nl": "dutch",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ru": "russian",
    "sl": "slovene",
    "sv": "swedish",
    "tr": "turkish",
}


def make_splitter(name: str, language: str = "en") -> Splitter:
    """The splitter of a name; it turns a text into sentences of one line each.

    Args:
        name: `rule`, `unicode`, `lines`, `spacy:MODEL` or `punkt`.
        language: ISO 639-1 code, for `rule`, `unicode` and `punkt`.

    Raises:
        UsageError: unknown name or language.
        MissingDependencyError: the package or model is not installed.
    """
    kind, _, model = name.partition(":")
    if name == "lines":
        return split_lines
    if name == "rule":
        return _by_paragraph(_rules(language))
    if name == "unicode":
        return _by_paragraph(_unicode(language))
    if kind == "spacy" and model:
        return _by_paragraph(model_splitter(model))
    if name == "punkt":
        return _by_paragraph(_punkt(language))
    raise UsageError(f"no splitter {name!r}", "choose rule, unicode, lines, spacy:MODEL or punkt")


def splitter_rate(name: str) -> float:
    """Bytes of English a second on one core, for estimates (measured)."""
    return _RATES.get(name.partition(":")[0], _RATES["rule"])


def split_lines(text: str) -> list[str]:
    """Each line that is not blank."""
    while "  " in text:
        text = text.replace("  ", " ")
    return [line for line in map(_with_plain_spaces, text.split("\n")) if line]


def _with_plain_spaces(line: str) -> str:
    # Any other white space is not printable, as few lines hold it.
    if not line.isprintable():
        line = _ODD_SPACES.sub(" ", line)
        while "  " in line:
            line = line.replace("  ", " ")
    return line.strip(" ")


def _by_paragraph(split: Splitter) -> Splitter:
    def sentences(text: str) -> list[str]:
        found: list[str] = []
        for block in paragraphs(text):
            found += [line for line in map(one_line, split(one_line(block))) if line]
        return found

    return sentences


def splitter_facts(name: str) -> dict[str, str]:
    """What a manifest keeps of a splitter beyond its name: the trained model and its version.

    Raises:
        MissingDependencyError: spaCy or the model is not installed.
    """
    kind, _, model = name.partition(":")
    return model_facts(model) if kind == "spacy" and model else {}


def _rules(language: str) -> Splitter:
    rule = rule_of(language)
    if not rule.tokenizer:
        return unicode_splitter(rule.more_ends)
    instead = "--splitter unicode, or lines"
    split = rule_splitter(rule.tokenizer, rule.ends, instead=instead)
    if not rule.more_ends:
        return split
    # Cut where the sentencizer left a mark inside: its tokenizer takes it for a letter.
    marks = re.compile(f"[{re.escape(rule.more_ends)}]")
    cut = unicode_splitter(rule.more_ends, others=False)

    def both(text: str) -> list[str]:
        if not marks.search(text):
            return split(text)
        return [part for sentence in split(text) for part in cut(sentence)]

    return both


def _unicode(language: str) -> Splitter:
    check_language(language)
    return unicode_splitter(rule_of(language).more_ends if language != ANY else "")


def punkt_tokenizer(language: str) -> Any:
    """NLTK's Punkt tokenizer of a language, from data on this machine.

    Raises:
        UsageError: NLTK has no model for the language.
        MissingDependencyError: NLTK, or the model, is not installed.
        DataError: NLTK cannot read the model.
    """
    if language not in _PUNKT:
        raise UsageError(
            f"punkt has no model for the language {language!r}",
            f"it knows {', '.join(sorted(_PUNKT))}",
        )
    punkt = require("nltk.tokenize.punkt", "--splitter punkt", hint="pip install 'nltk>=3.8.2'")
    try:
        return punkt.PunktTokenizer(_PUNKT[language])
    except AttributeError as error:
        raise MissingDependencyError(
            "punkt needs NLTK 3.8.2 or later", "pip install --upgrade nltk"
        ) from error
    except LookupError as error:
        raise MissingDependencyError(
            f"NLTK's punkt model for {_PUNKT[language]} is not on this machine",
            "python -m nltk.downloader punkt_tab",
        ) from error
    except OSError as error:  # NLTK does not follow links out of its folder, for one
        raise DataError(
            f"NLTK cannot read its punkt model: {error}",
            "name a folder that holds the files themselves in NLTK_DATA",
        ) from error


def _punkt(language: str) -> Splitter:
    tokenizer = punkt_tokenizer(language)
    return lambda text: list(tokenizer.tokenize(text))
