"""Surveys a sentence file: a row, a signature and keys for every document, in files.

A file is worked on in blocks; what is known of its documents is saved in pieces, so that
memory holds neither the file nor what is known of all of it. Per document that is about 550
bytes for a signature and row, and 12 for each band.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bertkit.corpus.cleaning.against import load_ngrams
from bertkit.corpus.cleaning.banding import choose_banding
from bertkit.corpus.cleaning.blocks import Block, read_blocks
from bertkit.corpus.cleaning.characters import character_table
from bertkit.corpus.cleaning.config import CleanConfig
from bertkit.corpus.cleaning.filters import FLAGS, flags_of
from bertkit.corpus.cleaning.kernels import scan as columns
from bertkit.corpus.cleaning.kernels.overlap import find_overlaps
from bertkit.corpus.cleaning.kernels.repetition import SHARES, counter_for, measure_repetition
from bertkit.corpus.cleaning.kernels.scan import Scan, room_for, scan
from bertkit.corpus.cleaning.kernels.signatures import NO_KEY, band_keys, hash_ngrams, sign
from bertkit.corpus.cleaning.scratch import Scratch

# A piece ends when it has so many documents, or lines.
PIECE_DOCUMENTS = 50_000
PIECE_LINES = 1_000_000
# A document: its first byte in the (unpacked) file, number of lines before it, bytes, words,
# lines, first of its lines in the piece, 128 bits of its text, and `filters.FLAGS`.
ROW = np.dtype(
    [
        ("offset", np.uint64),
        ("line", np.uint64),
        ("bytes", np.uint64),
        ("words", np.uint32),
        ("lines", np.uint32),
        ("first_line", np.uint32),
        ("hash_1", np.uint64),
        ("hash_2", np.uint64),
        ("flags", np.uint16),
    ]
)


class Piece(NamedTuple):
    """What is known of consecutive documents of a file.

    Attributes:
        name: of its files in the scratch folder.
        file: index of the input file.
        documents: how many.
        lines: of all of them.
        bytes: of all of them.
        words: of all of them.
    """

    name: str
    file: int
    documents: int
    lines: int
    bytes: int
    words: int


@dataclass(frozen=True)
class SurveyTask:
    """One file to survey.

    Attributes:
        path: the file.
        number: its index among the inputs.
        key: of all that the survey is made from.
        config: the settings.
        scratch: where to.
        ngrams: name under which those of evaluation texts were saved, if any.
    """

    path: str
    number: int
    key: str
    config: CleanConfig
    scratch: Scratch
    ngrams: str = ""


def survey_file(task: SurveyTask) -> tuple[int, list[Piece]]:
    """Survey a file, unless that is done already; runs in a worker.

    Raises:
        DataError: as `blocks.read_blocks`.
    """
    note = f"survey/{task.number:06d}"
    found = task.scratch.note(note, task.key)
    if found is None:
        found = [tuple(piece) for piece in _survey(task)]
        task.scratch.record(note, task.key, found)
    return task.number, [Piece(*piece) for piece in found]


def _survey(task: SurveyTask) -> Iterator[Piece]:
    surveyor = _Surveyor(task)
    for block in read_blocks(task.path):
        surveyor.add(block)
        if surveyor.is_full():
            yield surveyor.save()
    if surveyor.documents or not surveyor.pieces:
        yield surveyor.save()


def permutation_family(config: CleanConfig) -> np.ndarray:
    """uint32[2, permutations]: odd factors, and what is added."""
    random = np.random.Generator(np.random.PCG64(config.seed))
    family = random.integers(0, 1 << 32, (2, config.permutations), np.uint64).astype(np.uint32)
    family[0] |= np.uint32(1)
    return family


class _Surveyor:
    """Works on the blocks of a file and saves pieces."""

    def __init__(self, task: SurveyTask) -> None:
        self.pieces = self.documents = 0
        self._task = task
        self._table = character_table()
        self._family = permutation_family(task.config)
        self._banding = choose_banding(task.config.near, task.config.permutations)
        self._room: Scan = room_for(0)
        self._counter = counter_for(0)
        self._ngrams = load_ngrams(task.scratch.folder, task.ngrams) if task.ngrams else None
        self._filters = self._ngrams.filters() if self._ngrams else ()
        self._begin()

    def _begin(self) -> None:
        self.documents = self._lines = 0
        self._held: dict[str, list[np.ndarray]] = {}
        self._overlaps: list[dict[str, Any]] = []

    def is_full(self) -> bool:
        """Whether the piece should be saved before more is added."""
        return self.documents >= PIECE_DOCUMENTS or self._lines >= PIECE_LINES

    def add(self, block: Block) -> None:
        """Take in a block."""
        text = np.frombuffer(block.blob, np.uint8)
        if len(text) > 2 * len(self._room.words) - 4:
            self._room = room_for(len(text))
        counts = np.zeros(4, np.int64)
        scan(text, len(text), self._table, self._room, counts)
        lines, documents = int(counts[1]), int(counts[2])
        if not documents:
            return
        found = self._room.documents[:documents]
        signatures = np.empty((documents, self._task.config.permutations), np.uint32)
        ngrams = np.empty(int(found[:, columns.WORDS].max()) + 1, np.uint32)
        size = self._task.config.ngram
        sign(self._room.words, found, size, self._family, ngrams, signatures)
        keys = np.empty((self._banding.bands + 1, documents), np.uint64)
        keys[0] = found[:, columns.HASH_1]
        band_keys(signatures, self._banding.rows, keys[1:])
        rows = self._rows(found, block)
        self._find_overlaps(found, block.blob, rows)
        self._keep("rows", rows)
        self._keep("signatures", signatures)
        self._keep("keys", keys)
        self._keep_lines(lines)
        if self._task.config.compare == "exact":
            self._keep_sets(found, ngrams, size)
        self.documents += documents
        self._lines += lines

    def _rows(self, found: np.ndarray, block: Block) -> np.ndarray:
        rows = np.zeros(len(found), ROW)
        rows["line"] = found[:, columns.LINE] + np.uint64(block.lines)
        rows["offset"] = found[:, columns.START] + np.uint64(block.offset)
        ends = np.minimum(found[:, columns.END], np.uint64(block.size))
        rows["bytes"] = ends - found[:, columns.START]
        rows["words"] = found[:, columns.WORDS]
        rows["lines"] = found[:, columns.LINES]
        rows["first_line"] = found[:, columns.FIRST_LINE] + np.uint64(self._lines)
        rows["hash_1"], rows["hash_2"] = found[:, columns.HASH_1], found[:, columns.HASH_2]
        needed = int(max(found[:, columns.WORDS].max(), found[:, columns.LINES].max()))
        if 2 * needed >= len(self._counter.keys):
            self._counter = counter_for(needed)
        shares = np.empty((len(found), SHARES))
        measure_repetition(self._room, found, self._counter, shares)
        rows["flags"] = flags_of(found, shares, self._task.config)
        return rows

    def _find_overlaps(self, found: np.ndarray, blob: bytes, rows: np.ndarray) -> None:
        if self._ngrams is None:
            return
        matches = np.full((len(found), 3), -1, np.int64)
        for size, keys, known in zip(
            self._ngrams.sizes, self._ngrams.keys, self._filters, strict=True
        ):
            find_overlaps(self._room.words, found, size, keys, known, matches)
        for d in np.flatnonzero(matches[:, 0] >= 0).tolist():
            rows["flags"][d] |= FLAGS["overlap"]
            first, size, place = matches[d].tolist()
            owners = self._ngrams.owners[self._ngrams.sizes.index(size)]
            begin = int(self._room.places[first, 0])
            end = int(self._room.places[first + size - 1, 1])
            self._overlaps.append(
                {
                    "document": self.documents + d,
                    "ngram": " ".join(blob[begin:end].decode("utf-8").split()),
                    "text": int(owners[place]),
                }
            )

    def _keep_lines(self, lines: int) -> None:
        keys = self._room.lines[:lines] | np.uint64(1)
        keys[self._room.line_facts[:lines, 0] < self._task.config.line_words] = NO_KEY
        self._keep("line_keys", keys)
        self._keep("line_bytes", self._room.line_facts[:lines, 2].copy())

    def _keep_sets(self, found: np.ndarray, ngrams: np.ndarray, size: int) -> None:
        for document in found:
            first, count = document[columns.FIRST_WORD], document[columns.WORDS]
            written = int(hash_ngrams(self._room.words, first, count, size, ngrams))
            self._keep("sets", np.unique(ngrams[:written]))

    def _keep(self, name: str, array: np.ndarray) -> None:
        self._held.setdefault(name, []).append(array)

    def save(self) -> Piece:
        """Write the piece and begin another."""
        name = f"survey/{self._task.number:06d}/{self.pieces:04d}"
        scratch, held = self._task.scratch, self._held
        rows = np.concatenate(held.get("rows") or [np.zeros(0, ROW)])
        scratch.save(f"{name}.rows", rows)
        if len(rows):
            scratch.save(f"{name}.signatures", np.concatenate(held["signatures"]))
            self._save_sorted(f"{name}.keys", np.concatenate(held["keys"], axis=1))
        if "line_keys" in held:
            self._save_sorted(f"{name}.line_keys", np.concatenate(held["line_keys"])[None])
            scratch.save(f"{name}.line_bytes", np.concatenate(held["line_bytes"]))
        if "sets" in held:
            scratch.save(f"{name}.sets", np.concatenate(held["sets"]))
            scratch.save(f"{name}.set_ends", np.cumsum([0, *map(len, held["sets"])]))
        scratch.record(f"{name}.overlaps", self._task.key, self._overlaps)
        counts = (int(rows[column].sum()) for column in ("bytes", "words"))
        piece = Piece(name, self._task.number, len(rows), self._lines, *counts)
        self.pieces += 1
        self._begin()
        return piece

    def _save_sorted(self, name: str, keys: np.ndarray) -> None:
        """Each row of keys in order, and which of the row each of them was."""
        order = np.argsort(keys, axis=1, kind="stable")
        self._task.scratch.save(name, np.take_along_axis(keys, order, axis=1))
        self._task.scratch.save(f"{name}_order", order.astype(np.uint32))
