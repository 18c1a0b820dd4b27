"""Makes tables of wrong tags: which are taken for which, and the surest mistakes in their place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from bertkit.tasks.finetuning.review import GROUPS, ROWS, Tables, excerpt
from bertkit.tasks.tag.sentence import Sentence


def review_tags(
    sentences: Sequence[Sentence], found: Sequence[Sequence[tuple[str, float]]]
) -> Tables:
    """What is wrong in the tags of some sentences.

    Args:
        sentences: with their right tags.
        found: of each word of each sentence the tag that is predicted, and its probability.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    wrong = []
    for sentence, own in zip(sentences, found, strict=True):
        mistakes = [
            (chance, number, tag)
            for number, (tag, chance) in enumerate(own)
            if tag != (sentence.tags or ())[number]
        ]
        pairs.update(((sentence.tags or ())[number], tag) for _, number, tag in mistakes)
        if mistakes:  # one of each sentence, so that more of them are seen
            wrong.append(_row(sentence, *max(mistakes, key=lambda item: item[0])))
    wrong.sort(key=lambda row: -float(row["probability"]))
    taken = [
        {"tag": right, "taken for": tag, "words": count}
        for (right, tag), count in pairs.most_common(GROUPS)
    ]
    return {"Tags taken for others": taken, "Wrong, the surest first": wrong[:ROWS]}


def _row(sentence: Sentence, chance: float, number: int, tag: str) -> dict[str, Any]:
    before = " ".join(sentence.words[:number])
    after = " ".join(sentence.words[number + 1 :])
    text = f"{before} [{sentence.words[number]}] {after}".strip()
    return {
        "word in its sentence": excerpt(text, len(before)),
        "predicted": tag,
        "probability": chance,
        "wanted": (sentence.tags or ())[number],
        "place": sentence.place(number),
    }
