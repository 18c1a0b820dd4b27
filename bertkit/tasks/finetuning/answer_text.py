"""Shows what a fine-tuned model says about one text, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertkit import log
from bertkit.codecs.strict_json import json_text

_SHOWN = 5  # labels, the likeliest first


def answer_text(answer: Mapping[str, Any]) -> str:
    """An answer of `FinetuneTask.answers`: labels, a score, tagged words or a summary.

    Of another task, as JSON.
    """
    if "probabilities" in answer:
        return _labels(answer)
    if "tags" in answer:
        return _tags(answer)
    if "summary" in answer:
        return "\n".join(answer["summary"])
    if answer.keys() == {"score"}:
        return f"{answer['score']:.4f}"
    return json_text(dict(answer), readable=True)


def _labels(answer: Mapping[str, Any]) -> str:
    best = sorted(answer["probabilities"].items(), key=lambda item: -item[1])[:_SHOWN]
    rows = [(f"{share:.4f}", label) for label, share in best]
    labels = answer["label"] if "label" in answer else ", ".join(answer["labels"])
    return "\n".join([labels or "(no label)", "", log.table(("probability", "label"), rows)])


def _tags(answer: Mapping[str, Any]) -> str:
    """What was found, where tags have a scheme, and the tag of each word."""
    parts = []
    if "entities" in answer:
        found = [
            (one["type"], one["text"], f"{one['probability']:.4f}") for one in answer["entities"]
        ]
        columns = ("type", "text", "probability")
        parts.append(log.table(columns, found) if found else "(nothing found)")
    pairs = zip(answer["words"], answer["tags"], answer["tag_probabilities"], strict=True)
    rows = [(word, tag, f"{share:.4f}") for word, tag, share in pairs]
    return "\n\n".join([*parts, log.table(("word", "tag", "probability"), rows)])
