"""Writes the result of `clean` as a table and examples, for people."""

from __future__ import annotations

from typing import Any

from bertkit.corpus.cleaning.config import CRITERIA
from bertkit.corpus.cleaning.results import CleanResult
from bertkit.log import counted, table


def report_text(result: CleanResult) -> str:
    """Counts and shares per criterion, examples, and what was written."""
    rows = []
    for name, about in CRITERIA.items():
        found = result.criteria[name]
        unit = "lines" if name == "lines" else "documents"
        if name == "overlap" and not result.against["texts"]:
            continue
        rows.append(
            (
                name,
                f"{found[unit]:,}",
                f"{100 * found['share']:.2f}%",
                f"{found['bytes']:,}",
                f"{100 * found['bytes_share']:.2f}%",
                "dropped" if found["dropped"] else "-",
                f"{about} (lines)" if name == "lines" else about,
            )
        )
    columns = ("criterion", "documents", "share", "bytes", "share", "--drop", "what they are")
    parts = [table(columns, rows), *_examples(result), _summary(result)]
    return "\n\n".join(parts)


def _examples(result: CleanResult) -> list[str]:
    shown = [
        f"  {name}: {_example(example)}"
        for name, found in result.criteria.items()
        for example in found["examples"]
    ]
    return ["\n".join(["Examples", *shown])] if shown else []


def _example(example: dict[str, Any]) -> str:
    if "line" in example:
        return f"{example['line']} repeats {example['repeats']}"
    text = _named(example)
    if "original" in example:
        text += f" = {_named(example['original'])}"
    if "similarity" in example:
        text += f" (similarity about {example['similarity']:.2f})"
    if "ngram" in example:
        text += f" shares {example['ngram']!r} with {example['text']}"
    return text


def _named(place: dict[str, Any]) -> str:
    return f"{place['document']} ({place['name']})" if "name" in place else str(place["document"])


def _summary(result: CleanResult) -> str:
    text = (
        f"{counted(result.documents, 'document')}, {counted(result.lines, 'line')}, "
        f"{result.words:,} words, {result.bytes:,} bytes in {counted(result.files, 'file')}"
    )
    if result.against["texts"]:
        text += (
            f"; {result.against['overlapping']:,} of {result.against['texts']:,} evaluation texts "
            f"overlap, {result.against['too_short']:,} more are too short to look for"
        )
    if not result.output:
        return f"{text}; nothing written ({result.seconds:.1f} s)"
    state = "up to date" if result.up_to_date else f"{result.seconds:.1f} s"
    kept = result.kept
    return (
        f"{text}\n{counted(kept['documents'], 'document')}, "
        f"{counted(kept['sentences'], 'sentence')}, {kept['bytes']:,} bytes kept in "
        f"{counted(result.parts, 'part')} under {result.output} ({state})"
    )
