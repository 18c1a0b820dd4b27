"""Loads spaCy's sentence splitters: rules for any language, or a trained model.

The corpus stage splits documents with them, and Cerebras' record style splits again. spaCy
is imported when a splitter is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from bertkit.errors import MissingDependencyError, UsageError
from bertkit.optional import require

Splitter = Callable[[str], list[str]]

# spaCy refuses longer texts to guard the memory of trained models; ours are bounded before.
_MAX_CHARACTERS = 1 << 40


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
    spacy = _spacy(instead)
    try:
        pipeline = spacy.load(model)
    except OSError as error:
        raise MissingDependencyError(
            f"the spaCy model {model} is not installed",
            _alternatives(_install_line(model), instead),
        ) from error
    if not {"parser", "senter", "sentencizer"} & set(pipeline.pipe_names):
        pipeline.add_pipe("sentencizer")
    return _splitter(pipeline)


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
    pipeline.max_length = _MAX_CHARACTERS
    return lambda text: [sentence.text for sentence in pipeline(text).sents]


def _spacy(instead: str) -> Any:
    hint = _alternatives("pip install spacy", instead)
    return require("spacy", "this sentence splitter", hint=hint)


def _alternatives(install: str, instead: str) -> str:
    return f"{install}; or {instead}" if instead else install
