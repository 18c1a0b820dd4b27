"""The rules of `clean` as plain Python, and small corpora to try them on."""

from __future__ import annotations

import dataclasses
import random
import unicodedata
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from bertkit.corpus.cleaning.config import CleanConfig

UNSPACED = ("CJK UNIFIED", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")


def words(text: str) -> list[str]:
    """Runs of letters, marks and digits, lower-cased; ideographs and their like one by one."""
    found: list[str] = []
    inside = False
    for character in text:
        kind = unicodedata.category(character)[0]
        if kind in "LM" and unicodedata.name(character, "").startswith(UNSPACED):
            found.append(character)
            inside = False
        elif kind in "LMN":
            folded = character.casefold()
            folded = folded if len(folded) == 1 else character.lower()
            folded = folded if len(folded) == 1 else character
            if inside:
                found[-1] += folded
            else:
                found.append(folded)
            inside = True
        else:
            inside = False
    return found


def ngrams(text: str, size: int = 5) -> set[tuple[str, ...]]:
    found = words(text)
    used = min(size, len(found))
    return {tuple(found[i : i + used]) for i in range(len(found) - used + 1)} if found else set()


def jaccard(first: set, second: set) -> float:
    return len(first & second) / len(first | second) if first | second else 0.0


def clusters(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """The smallest member of each item's cluster, by relabelling until nothing changes."""
    root = list(range(count))
    changed = True
    while changed:
        changed = False
        for a, b in pairs:
            low = min(root[a], root[b])
            changed |= root[a] != low or root[b] != low
            root[a] = root[b] = low
    return root


def similar_pairs(texts: Sequence[str], threshold: float) -> list[tuple[int, int]]:
    """All pairs by brute force: every set of n-grams against every other."""
    sets = [ngrams(text) for text in texts]
    return [
        (a, b)
        for a, b in combinations(range(len(texts)), 2)
        if jaccard(sets[a], sets[b]) >= threshold
    ]


def mutated_corpus(families: int, members: int, seed: int = 1) -> list[list[str]]:
    """Documents of sentences: families whose members differ in more and more words."""
    rng = random.Random(seed)
    vocabulary = [f"w{number}" for number in range(3000)]
    documents = []
    for _ in range(families):
        base = [[rng.choice(vocabulary) for _ in range(12)] for _ in range(8)]
        for member in range(members):
            copy = [list(sentence) for sentence in base]
            for _ in range(member):
                sentence = rng.choice(copy)
                sentence[rng.randrange(12)] = rng.choice(vocabulary)
            documents.append([" ".join(sentence) + "." for sentence in copy])
    rng.shuffle(documents)
    return documents


def write(path: Path, documents: Sequence[Sequence[str]]) -> Path:
    """A sentence file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join("\n".join(item) for item in documents) + "\n", "utf-8")
    return path


def read(path: Path) -> list[list[str]]:
    """The documents of a sentence file."""
    return [part.split("\n") for part in path.read_text("utf-8").strip("\n").split("\n\n") if part]


# Nothing is dropped for its own sake.
PLAIN = CleanConfig(min_words=0, max_wordless=1.0, max_words_per_character=9.0)


def plain(*drop: str, **settings: object) -> CleanConfig:
    """Settings that drop this and judge documents by nothing else."""
    return dataclasses.replace(PLAIN, drop=list(drop), **settings)
