"""Tells what `clean` found: counts, shares and examples."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from bertkit.corpus.cleaning.against import load_ngrams
from bertkit.corpus.cleaning.config import CRITERIA
from bertkit.corpus.cleaning.duplicates import starts_of
from bertkit.corpus.cleaning.findings import Findings
from bertkit.corpus.cleaning.kernels.signatures import equal_numbers
from bertkit.corpus.cleaning.results import CleanResult
from bertkit.corpus.cleaning.verdicts import found_overlaps
from bertkit.corpus.document_names import names_beside
from bertkit.corpus.lines import lines
from bertkit.errors import DataError
from bertkit.storage.files import is_remote

_SHOWN = 200  # characters of an n-gram


def result_of(
    found: Findings, output: str, outputs: Mapping[str, Mapping[str, Any]]
) -> CleanResult:
    """The result; `outputs` are the facts of the parts that were written."""
    pieces = found.pieces
    totals = {
        "documents": sum(piece.documents for piece in pieces),
        "lines": sum(piece.lines for piece in pieces),
        "words": sum(piece.words for piece in pieces),
        "bytes": sum(piece.bytes for piece in pieces),
    }
    kept = {
        name: sum(int(facts[name]) for facts in outputs.values())
        for name in ("documents", "sentences", "bytes")
    }
    gone = found.verdicts.dropped
    overlapped, examples = _overlaps(found)
    return CleanResult(
        output=output,
        files=len(found.files),
        **totals,
        criteria={name: _criterion(found, name, totals, examples) for name in CRITERIA},
        dropped={"documents": gone.documents, "bytes": gone.bytes},
        kept=kept if outputs else {},
        parts=len(outputs),
        against={
            "texts": found.texts,
            "overlapping": overlapped,
            "too_short": found.short_texts,
        },
        scratch_bytes=_folder_bytes(found.scratch.folder),
        seconds=0.0,
        up_to_date=False,
    )


def _criterion(
    found: Findings,
    name: str,
    totals: Mapping[str, int],
    overlaps: Mapping[int, Mapping[str, Any]],
) -> dict[str, Any]:
    is_lines = name == "lines"
    count = found.lines.count if is_lines else found.verdicts.counts[name]
    unit = "lines" if is_lines else "documents"
    if is_lines:
        pairs = zip(count.first, found.lines.originals, strict=True)
        examples = [
            {"line": _line_place(found, later), "repeats": _line_place(found, earlier)}
            for later, earlier in pairs
        ]
    else:
        examples = [_example(found, name, number, overlaps) for number in count.first]
    return {
        unit: count.documents,
        "share": _share(count.documents, totals[unit]),
        "bytes": count.bytes,
        "bytes_share": _share(count.bytes, totals["bytes"]),
        "dropped": name in found.config.dropped,
        "examples": examples,
    }


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0


def _example(
    found: Findings, name: str, number: int, overlaps: Mapping[int, Mapping[str, Any]]
) -> dict[str, Any]:
    example = _place(found, number)
    if name in ("exact", "near"):
        original = int(found.verdicts.original(name, np.array([number]))[0])
        example["original"] = _place(found, original)
        if name == "near":
            example["similarity"] = _similarity(found, number, original)
    if name == "overlap" and number in overlaps:
        example.update({key: overlaps[number][key] for key in ("ngram", "text")})
    return example


def _place(found: Findings, number: int) -> dict[str, Any]:
    """Where a document stands, and its name where `extract` has kept it."""
    own, piece, row = found.row_of(number)
    path = found.files[piece.file]
    place = {"document": f"{path}:{int(row['line']) + 1}"}
    if name := _name(path, own):
        place["name"] = name
    return place


def _name(path: str, number: int) -> str:
    if is_remote(path) or not os.path.isfile(names_beside(path)):
        return ""
    try:
        line = next(islice(lines(names_beside(path)), number, None), None)
    except DataError:
        return ""
    return line.blob.decode("utf-8", "replace").rstrip("\n") if line else ""


def _line_place(found: Findings, number: int) -> str:
    starts = starts_of(found.pieces, lines=True)
    index = int(np.searchsorted(starts, number, "right")) - 1
    piece = found.pieces[index]
    rows = found.scratch.load(f"{piece.name}.rows")
    own = number - starts[index]
    row = rows[int(np.searchsorted(rows["first_line"], own, "right")) - 1]
    return f"{found.files[piece.file]}:{int(row['line']) + 1 + own - int(row['first_line'])}"


def _similarity(found: Findings, first: int, second: int) -> float:
    """The estimate of the Jaccard similarity of two documents."""
    starts = starts_of(found.pieces)
    rows = []
    for number in (first, second):
        index = int(np.searchsorted(starts, number, "right")) - 1
        signatures = found.scratch.load(f"{found.pieces[index].name}.signatures")
        rows.append(np.array(signatures[number - starts[index]]))
    return round(int(equal_numbers(*rows)) / len(rows[0]), 3)


def _overlaps(found: Findings) -> tuple[int, dict[int, dict[str, Any]]]:
    """(evaluation texts that are overlapped, the overlaps to show, by document)."""
    if not found.texts:
        return 0, {}
    names = load_ngrams(found.scratch.folder, found.ngrams).names
    wanted = set(found.verdicts.counts["overlap"].first)
    texts: set[int] = set()
    shown = {}
    for overlap in found_overlaps(found.scratch, found.pieces, found.keys):
        texts.add(overlap["text"])
        if overlap["document"] in wanted:
            text = {"ngram": overlap["ngram"][:_SHOWN], "text": names[overlap["text"]]}
            shown[overlap["document"]] = text
    return len(texts), shown


def listed(found: Findings) -> Iterator[dict[str, Any]]:
    """Every document that falls under some criterion, with those criteria, in input order."""
    from bertkit.corpus.cleaning.filters import FLAGS

    overlaps: dict[int, dict[str, Any]] = {}
    names: tuple[str, ...] = ()
    if found.texts:
        names = load_ngrams(found.scratch.folder, found.ngrams).names
        overlaps = {
            item["document"]: item
            for item in found_overlaps(found.scratch, found.pieces, found.keys)
        }
    flags = found.verdicts.flags
    for number in np.flatnonzero(flags).tolist():
        criteria = [name for name in CRITERIA if name in FLAGS and flags[number] & FLAGS[name]]
        entry: dict[str, Any] = {**_place(found, number), "criteria": criteria}
        for name in ("exact", "near"):
            if name in criteria:
                original = int(found.verdicts.original(name, np.array([number]))[0])
                entry["original"] = _place(found, original)["document"]
        if number in overlaps:
            entry["ngram"] = overlaps[number]["ngram"]
            entry["text"] = names[overlaps[number]["text"]]
        yield entry


def _folder_bytes(folder: str) -> int:
    return sum(
        os.path.getsize(os.path.join(place, name))
        for place, _, names in os.walk(folder)
        for name in names
    )
