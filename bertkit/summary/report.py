"""Turns the counts of a text into figures, text for people, and warnings with what to do."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from bertkit import log
from bertkit.codecs.strict_json import is_finite
from bertkit.storage.files import human_bytes
from bertkit.summary.counts import TextCounts
from bertkit.summary.scripts import script_of

# Above these shares something is said.
MUCH_UNKNOWN = 0.01
MANY_REPEATS = 0.10
MANY_SINGLES = 0.50
MANY_OVERLONG = 0.01
# Below this share of the characters a vocabulary is of the text's language, but lacks rare ones.
FEW_OUTSIDE = 0.05
# Of so few sentences no share is worth a warning.
FEW = 20
_NAMED = 10
_NUMBERS = (
    *("bytes", "documents", "sentences", "words", "characters", "one_sentence_documents"),
    *("duplicate_lines", "duplicate_documents", "empty_lines", "overlong_lines"),
)
# Whether a character can be written in a vocabulary.
Knows = Callable[[str], bool]


def figures(counts: TextCounts, knows: Knows | None = None) -> dict[str, Any]:
    """The counts as plain values for a manifest and for `--json`.

    Args:
        counts: of the text.
        knows: of a vocabulary; None where none is known.
    """
    sentences, documents = counts.sentences, counts.documents
    found: dict[str, Any] = {
        "bytes": counts.bytes,
        "documents": documents,
        "sentences": sentences,
        "words": counts.words,
        "characters": sum(counts.characters.values()),
        "one_sentence_documents": _share(counts.one_sentence, documents),
        "duplicate_lines": round(counts.lines.repeated_share, 6),
        "duplicate_documents": round(counts.texts.repeated_share, 6),
        "duplicates": _how(counts),
        "empty_lines": counts.empty,
        "overlong_lines": counts.overlong,
        "line_lengths": _lengths(counts.histogram),
        "scripts": _scripts(counts.characters),
    }
    if counts.tokens is not None and counts.unknown is not None:
        found["tokens"] = counts.tokens
        found["tokens_per_word"] = round(counts.tokens / max(1, counts.words), 4)
        found["unknown"] = _share(counts.unknown, counts.tokens)
    if knows is not None:
        found["characters_outside_vocabulary"] = _outside(counts.characters, knows)
    return found


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0


def _how(counts: TextCounts) -> str:
    level = max(counts.lines.level, counts.texts.level)
    return "exact" if not level else f"estimated from one hash in {1 << level:,}"


def _lengths(histogram: dict[int, int]) -> dict[str, int]:
    """Characters, as a range → lines."""
    return {
        f"{1 << (bits - 1)}-{(1 << bits) - 1}": histogram[bits]
        for bits in sorted(histogram)
        if bits
    }


def _scripts(characters: dict[int, int]) -> dict[str, float]:
    """Script → share of the letters, the most frequent first."""
    totals: dict[str, int] = {}
    for code, count in characters.items():
        if script := script_of(chr(code)):
            totals[script] = totals.get(script, 0) + count
    whole = sum(totals.values())
    ranked = sorted(totals, key=lambda script: (-totals[script], script))
    return {script: _share(totals[script], whole) for script in ranked}


def _outside(characters: dict[int, int], knows: Knows) -> dict[str, Any]:
    """Characters of the text that no token of a vocabulary can write."""
    strange = {code: count for code, count in characters.items() if not knows(chr(code))}
    ranked = sorted(strange, key=lambda code: (-strange[code], code))
    return {
        "different": len(strange),
        "share": _share(sum(strange.values()), sum(characters.values())),
        "most_frequent": {chr(code): strange[code] for code in ranked[:_NAMED]},
        "scripts": _scripts(strange),
    }


def are_figures(found: Any) -> bool:
    """Whether a value of a manifest that somebody may have changed has all that `rows` shows."""
    if not isinstance(found, dict):
        return False
    outside = found.get("characters_outside_vocabulary") or {}
    tables = [found.get("line_lengths"), found.get("scripts")]
    numbers = [found.get(name) for name in _NUMBERS]
    if "tokens" in found:
        numbers += [found.get(name) for name in ("tokens", "tokens_per_word", "unknown")]
    if outside:
        tables.append(outside.get("most_frequent") if isinstance(outside, dict) else None)
        numbers += [outside.get(name) for name in ("different", "share")] if tables[-1] else []
    if "duplicates" not in found or not all(isinstance(table, dict) for table in tables):
        return False
    numbers += [value for table in tables[:2] if table for value in table.values()]
    return all(map(is_finite, numbers))


def rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    """(what, value) of figures, for people."""
    sentences = max(1, found["sentences"])
    singles = f"{found['one_sentence_documents']:.1%} of them of one sentence"
    table = [
        ("text", f"{human_bytes(found['bytes'])}, {found['characters']:,} characters"),
        ("documents", f"{found['documents']:,}, {singles}"),
        ("sentences", f"{found['sentences']:,}, {found['words'] / sentences:.1f} words on average"),
        ("words", f"{found['words']:,}"),
        ("duplicates", f"{found['duplicate_lines']:.1%} of the lines, "
         f"{found['duplicate_documents']:.1%} of the documents ({found['duplicates']})"),
        ("lines", f"{found['empty_lines']:,} needlessly empty, "
         f"{found['overlong_lines']:,} of more than 2,000 characters"),
        ("characters per line", _bars(found["line_lengths"])),
        ("scripts", _listed(found["scripts"]) or "none"),
    ]  # fmt: skip
    if "tokens" in found:
        text = f"{found['tokens']:,}, {found['tokens_per_word']:.2f} per word"
        table += [("tokens", text), ("[UNK]", f"{found['unknown']:.2%} of the tokens")]
    outside = found.get("characters_outside_vocabulary")
    if outside:
        most = " ".join(outside["most_frequent"])
        text = f"{outside['different']:,}, {outside['share']:.2%} of the text"
        table.append(("unknown characters", text + (f": {most}" if most else "")))
    return table


def _listed(shares: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:.1%}" for name, share in list(shares.items())[:_NAMED])


def _bars(lengths: dict[str, int]) -> str:
    whole = max(1, sum(lengths.values()))
    return ", ".join(f"{span} {count / whole:.0%}" for span, count in lengths.items())


def warnings(found: dict[str, Any], *, lines_count: bool = True, pairs: bool = True) -> list[str]:
    """What is unusual in figures, each with what to do.

    Args:
        found: as `figures` returns them.
        lines_count: lines are sentences and blank lines end documents.
        pairs: it is for next sentence prediction, or may be.
    """
    said = []
    if found.get("unknown", 0) > MUCH_UNKNOWN:
        said.append(_unknown(found))
    if found["sentences"] < FEW:
        return said
    if found["duplicate_lines"] > MANY_REPEATS:
        said.append(
            f"{found['duplicate_lines']:.0%} of the lines repeat another line: a model learns them "
            "by heart; `bertkit clean` finds them, and --drop exact,lines removes them"
        )
    elif found["duplicate_documents"] > MANY_REPEATS:
        said.append(
            f"{found['duplicate_documents']:.0%} of the documents repeat another one: "
            "`bertkit clean` finds them, and --drop exact removes them"
        )
    if not lines_count:
        return said
    if pairs and found["one_sentence_documents"] > MANY_SINGLES:
        said.append(
            f"{found['one_sentence_documents']:.0%} of the documents have one sentence: the second "
            "segment is then mostly random, and next sentence prediction learns little; divide "
            "documents by blank lines only where they end, or give --objective mlm"
        )
    if found["overlong_lines"] > MANY_OVERLONG * found["sentences"]:
        said.append(
            f"{found['overlong_lines']:,} of {found['sentences']:,} lines have more than 2,000 "
            "characters: are they sentences? `bertkit extract` splits text into sentences"
        )
    return said


def _unknown(found: dict[str, Any]) -> str:
    outside = found.get("characters_outside_vocabulary") or {}
    why = ""
    if outside.get("different"):
        scripts = ", ".join(list(outside["scripts"])[:3])
        why = (
            f": {outside['different']:,} characters of the text"
            f"{f' ({scripts})' if scripts else ''} are not in the vocabulary"
        )
        if outside["share"] < FEW_OUTSIDE:
            return (
                f"{found['unknown']:.1%} of the tokens are [UNK]{why}; `bertkit train-vocab` keeps "
                "more of them with --alphabet or a larger --size, and finds more in more text"
            )
    return (
        f"{found['unknown']:.1%} of the tokens are [UNK]{why}; take a vocabulary of this language, "
        "or make one with `bertkit train-vocab`"
    )


def say(
    found: dict[str, Any],
    *,
    lines_count: bool = True,
    pairs: bool = True,
    hidden: Collection[str] = (),
) -> None:
    """Log the figures, and what is unusual in them as warnings.

    Args:
        found: as `figures` returns them.
        lines_count, pairs: as for `warnings`.
        hidden: rows that mean nothing of this text.
    """
    for what, value in rows(found):
        if what not in hidden:
            log.logger.info("%s: %s", what, value)
    for text in warnings(found, lines_count=lines_count, pairs=pairs):
        log.logger.warning("%s", text)
