"""Finds the words of a running text, and tells which entities a model has found in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bertkit.errors import DataError
from bertkit.tasks.finetuning.texts import fault_of_text
from bertkit.tasks.tag.row_words import WORD_FIELDS, texts_of
from bertkit.tasks.tag.schemes import NONE, entities
from bertkit.tasks.tag.sentence import Sentence
from bertkit.tokenization.wordpiece import (
    WordPieceTokenizer,
    is_cjk,
    is_punctuation,
    is_whitespace,
)

_HINT = 'one object per line: {"text": "..."} or {"words": ["A", "word"]}'


def sentence_of(entry: Mapping[str, Any], place: str, tokenizer: WordPieceTokenizer) -> Sentence:
    """A sentence to be predicted, of a line of JSON with `text`, or with `words` or `tokens`.

    Args:
        entry: the object.
        place: where it stands, for messages.
        tokenizer: says what a word of running text is.

    Raises:
        DataError: it is not such an object.
    """
    if "text" not in entry:
        words = texts_of(entry, WORD_FIELDS, place, _HINT)
        return Sentence(words, None, place, [])
    text = entry["text"]
    fault = fault_of_text(text)
    if fault and not fault.startswith("empty"):  # an empty one has no words
        raise DataError(f"{place}: 'text' is {fault}", _HINT)
    spans = word_spans(text, tokenizer)
    return Sentence([text[a:b] for a, b in spans], None, place, [], text, spans)


def word_spans(text: str, tokenizer: WordPieceTokenizer) -> list[tuple[int, int]]:
    """Where words are in a text: between spaces, punctuation marks by themselves.

    These are the words that transformers' pipeline puts together again from pieces.

    Returns:
        First character of each, and the one after its last.
    """
    spans: list[tuple[int, int]] = []
    first = 0
    for number, character in enumerate(f"{text} "):
        alone = is_punctuation(character) or (tokenizer.split_cjk and is_cjk(character))
        if alone or is_whitespace(character):
            spans += [(first, number), (number, number + 1)]
            first = number + 1
    return [span for span in spans if tokenizer.tokenize(text[slice(*span)])]


def answer(
    sentence: Sentence, tags: Sequence[str], chances: Sequence[float], scheme: str
) -> dict[str, Any]:
    """What is told of one sentence.

    Args:
        sentence: its words.
        tags: predicted.
        chances: of these tags.
        scheme: of the tags.

    Returns:
        `words`, `tags`, `tag_probabilities` and, where the scheme has any, `entities`:
        each with its `type`, `text`, mean `probability`, and where it starts and ends, in
        characters of a text, or in words. The end is the first one after it.
    """
    found = {"words": list(sentence.words), "tags": list(tags), "tag_probabilities": list(chances)}
    if sentence.text:
        found = {"text": sentence.text, **found}
    if scheme == NONE:
        return found
    listed = []
    for kind, first, last in entities(tags):
        start, end = first, last + 1
        text = " ".join(sentence.words[start:end])
        if sentence.spans:
            start, end = sentence.spans[first][0], sentence.spans[last][1]
            text = sentence.text[start:end]
        mean = sum(chances[first : last + 1]) / (last + 1 - first)
        place = {"type": kind, "text": text, "start": start, "end": end}
        listed.append({**place, "probability": mean})
    return {**found, "entities": listed}
