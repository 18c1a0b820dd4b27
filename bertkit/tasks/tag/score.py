"""Scores tags: precision, recall and F1 of entities by exact span, and accuracy of words.

The numbers are those of seqeval, and those of CoNLL's conlleval in schemes that it knows; its
accuracy counts `-DOCSTART-` lines as words, ours does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bertkit.tasks.tag.schemes import NONE, SCHEMES, Entity, Tags, entities, strict_entities


def score_tags(
    gold: Sequence[Tags], found: Sequence[Tags], scheme: str, strict: bool = False
) -> dict[str, float]:
    """Scores of all sentences.

    Args:
        gold: the right tags of each sentence.
        found: the tags to score, as many.
        scheme: a key of `SCHEMES`, or `none`: only words are counted.
        strict: only what keeps to the scheme is an entity; otherwise see `schemes.entities`.

    Returns:
        `precision`, `recall` and `f1` over all entities, the same for each type under its name
        (`person_f1`), and `accuracy` of words; 0 where there is nothing to count.
    """
    pairs = list(zip(gold, found, strict=True))
    words = sum(map(len, gold))
    right = sum(a == b for one, other in pairs for a, b in zip(one, other, strict=True))
    accuracy = {"accuracy": right / words if words else 0.0}
    if scheme == NONE:
        return accuracy
    wanted, guessed, correct = Counter[str](), Counter[str](), Counter[str]()
    for one, other in pairs:
        ours, theirs = (_entities(tags, scheme, strict) for tags in (one, other))
        wanted.update(kind for kind, _, _ in ours)
        guessed.update(kind for kind, _, _ in theirs)
        correct.update(kind for kind, _, _ in ours & theirs)
    scores = _rates(*(sum(counts.values()) for counts in (correct, guessed, wanted))) | accuracy
    for kind in sorted(wanted | guessed):
        own = _rates(correct[kind], guessed[kind], wanted[kind])
        scores |= {f"{kind}_{name}": value for name, value in own.items()}
    return scores


def _entities(tags: Tags, scheme: str, strict: bool) -> set[Entity]:
    return set(strict_entities(tags, SCHEMES[scheme]) if strict else entities(tags))


def _rates(correct: int, guessed: int, wanted: int) -> dict[str, float]:
    """F1 is 2PR / (P + R) (van Rijsbergen, 1979)."""
    precision = correct / guessed if guessed else 0.0
    recall = correct / wanted if wanted else 0.0
    both = precision + recall
    f1 = 2 * precision * recall / both if both else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}
