"""Loads spaCy's sentence splitters: rules for any language, or a trained model.

The corpus stage splits documents with them, and Cerebras' record style splits again. spaCy
is imported when a splitter is made.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from bertkit.errors import MissingDependencyError, UsageError
from bertkit.optional import require, spared

Splitter = Callable[[str], list[str]]

# What thinc, below spaCy, imports for trained models: most of the time and memory of its start.
_OF_MODELS = ("torch", "tensorflow", "mxnet", "cupy")
# Characters that spaCy gets at a time, its own limit; longer texts go on where the last
# sentence begins. Rules find the same sentences; each trained model sees so much context.
MOST = 1_000_000
# spaCy strips signs from the ends of a word one by one: quadratic in the length of a run of them.
# A run has the same sentences when it is this long, in characters; where many signs are mixed,
# or more runs stand in one word, a blank divides them.
_KEPT_RUN = 128
_LONG_WORD = 256
_MOST_RUNS = 4
_RUN = re.compile(
    rf"([^\w\s]{{1,4}}?)\1{{{_LONG_WORD - 1},}}|[^\w\s]{{{2 * _LONG_WORD}}}(?=[^\w\s])"
)


def rule_splitter(language: str, ends: Sequence[str] = (), *, instead: str = "") -> Splitter:
    """spaCy's tokenizer of a language with its rule-based sentencizer.

    Args:
        language: a code that spaCy knows.
        ends: the characters that end a sentence; spaCy's own if empty.
        instead: what to use where spaCy is missing, for the error message.

    Raises:
        UsageError: spaCy does not know the language.
        MissingDependencyError: spaCy, or a package for the language, is not installed.
    """
    with spared(*_OF_MODELS):
        spacy = _spacy(instead)
    try:
        pipeline = spacy.blank(language)
    except ImportError as error:
        if re.search(r"\[E048\]", str(error)):
            raise UsageError(
                f"spaCy knows no language {language!r}", "use xx for any other language"
            ) from error
        raise MissingDependencyError(f"language {language}: {error}") from error
    pipeline.add_pipe("sentencizer", config={"punct_chars": list(ends)} if ends else {})
    return _splitter(pipeline)


def model_splitter(model: str, *, instead: str = "") -> Splitter:
    """A trained spaCy pipeline, such as en_core_web_sm.

    Args:
        model: name of an installed model.
        instead: what to use where it is missing, for the error message.

    Raises:
        MissingDependencyError: spaCy or the model is not installed.
    """
    pipeline = _load(model, instead)
    if not {"parser", "senter", "sentencizer"} & set(pipeline.pipe_names):
        pipeline.add_pipe("sentencizer")
    return _splitter(pipeline)


def model_facts(model: str) -> dict[str, str]:
    """Name, version and language of an installed model, and the version of spaCy.

    Raises:
        MissingDependencyError: spaCy or the model is not installed.
    """
    meta = _load(model, "").meta
    return {
        "name": f"{meta.get('lang', '')}_{meta.get('name', '')}",
        "version": str(meta.get("version", "")),
        "language": str(meta.get("lang", "")),
        "spacy": str(_spacy("").__version__),
    }


@functools.lru_cache(maxsize=1)
def _load(model: str, instead: str) -> Any:
    spacy = _spacy(instead)
    try:
        return spacy.load(model)
    except OSError as error:
        raise MissingDependencyError(
            f"the spaCy model {model} is not installed",
            _alternatives(_install_line(model), instead),
        ) from error


# Names of models that spaCy 2 knew by their language alone.
_SHORTCUTS = {
    "en": "en_core_web_sm", "de": "de_core_news_sm", "el": "el_core_news_sm",
    "es": "es_core_news_sm", "fr": "fr_core_news_sm", "it": "it_core_news_sm",
    "lt": "lt_core_news_sm", "nb": "nb_core_news_sm", "nl": "nl_core_news_sm",
    "pt": "pt_core_news_sm", "xx": "xx_ent_wiki_sm",
}  # fmt: skip


def _install_line(model: str) -> str:
    whole = _SHORTCUTS.get(model)
    if whole is None:
        return f"python -m spacy download {model}"
    return f"spaCy 3 has no short names: give {whole}, after python -m spacy download {whole}"


def _splitter(pipeline: Any) -> Splitter:
    pipeline.max_length = 2 * MOST
    return lambda text: [text[begin:end] for begin, end in _spans(pipeline, text)]


def _spans(pipeline: Any, text: str) -> list[tuple[int, int]]:
    """Begin and end of each sentence, `MOST` characters at a time."""
    found: list[tuple[int, int]] = []
    begin = 0
    while len(text) - begin > MOST:
        stop = text.rfind(" ", begin, begin + MOST) + 1 or begin + MOST
        spans = _spans_of_piece(pipeline, text[begin:stop])
        if len(spans) > 1:  # what follows the piece may belong to its last sentence
            stop = begin + spans.pop()[0]
        found += [(begin + first, begin + last) for first, last in spans]
        begin = stop
    rest = _spans_of_piece(pipeline, text[begin:])
    return found + [(begin + first, begin + last) for first, last in rest]


def _spans_of_piece(pipeline: Any, text: str) -> list[tuple[int, int]]:
    """Begin and end of each sentence of a text, whose long runs of a sign are shortened first."""
    if len(max(text.split(" "), key=len)) < _LONG_WORD:
        return [(sentence.start_char, sentence.end_char) for sentence in pipeline(text).sents]
    cuts: list[tuple[int, int]] = []  # (place in the shorter text, characters left out there)
    parts: list[str] = []
    end = size = in_word = 0
    for run in _RUN.finditer(text):
        in_word = 0 if " " in text[end : run.start()] else in_word + 1
        kept, left_out = run.end(), 0
        if run.group(1):
            kept = run.start() + _KEPT_RUN
            left_out = run.end() - kept
            left_out -= left_out % len(run.group(1))  # the pattern stays whole
        divided = not run.group(1) or in_word > _MOST_RUNS
        parts.append(text[end:kept] + " " * divided)
        size += kept - end + divided
        end = kept + left_out
        cuts.append((size, left_out - divided))
    parts.append(text[end:])
    sentences = pipeline("".join(parts)).sents
    spans = [(sentence.start_char, sentence.end_char) for sentence in sentences]
    return _moved(spans, cuts)


def _moved(spans: list[tuple[int, int]], cuts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Places in the shorter text as places in the whole one."""
    places = [place for place, _ in cuts]
    totals = [0, *accumulate(left_out for _, left_out in cuts)]

    def moved(place: int) -> int:
        return place + totals[bisect_right(places, place)]

    return [(moved(begin), moved(end)) for begin, end in spans]


def _spacy(instead: str) -> Any:
    hint = _alternatives("pip install spacy", instead)
    return require("spacy", "this sentence splitter", hint=hint)


def _alternatives(install: str, instead: str) -> str:
    return f"{install}; or {instead}" if instead else install
