"""Makes the sample's classification task: which topic a paragraph belongs to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bertkit.corpus.clean import one_line, paragraphs

# The topics with the most paragraphs; paragraphs of fewer words are headings and code.
_TOPICS, _FEWEST, _MOST = 6, 12, 80
# Of five paragraphs of a topic one is kept for the dev file.
_DEV_EVERY = 5
_HEAD = "text\tlabel\n"


def topic_files(topics: Mapping[str, str]) -> dict[str, str]:
    """`train.tsv` and `dev.tsv`: paragraphs of the six largest topics, and which topic it is.

    Args:
        topics: topic → text, of which no paragraph that two topics share is taken.

    Returns:
        Name → content, with the columns text and label.
    """
    found = {name: _of_topic(text) for name, text in sorted(topics.items())}
    often = Counter(text for texts in found.values() for text in texts)
    found = {name: [t for t in texts if often[t] == 1] for name, texts in found.items()}
    largest = sorted(found, key=lambda name: (-len(found[name]), name))[:_TOPICS]
    rows: dict[str, list[str]] = {"train": [], "dev": []}
    for name in largest:
        for number, text in enumerate(found[name]):
            rows["train" if (number + 1) % _DEV_EVERY else "dev"].append(f"{text}\t{name}\n")
    return {f"{part}.tsv": _HEAD + "".join(lines) for part, lines in rows.items()}


def _of_topic(text: str) -> list[str]:
    """Its paragraphs, each on one line, without those that it repeats."""
    lines = [one_line(block).replace("\t", " ") for block in paragraphs(text)]
    return list(dict.fromkeys(t for t in lines if _FEWEST <= len(t.split()) <= _MOST))
