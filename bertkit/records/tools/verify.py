"""`bertkit verify`: compares two record sets, whatever programs wrote them.

Compared is what an instance means: its real tokens, segments, predictions and next
sentence label; padding, widths, file format, packing and the order of features are not.
Of TFRecords with other features than BERT's all values are compared.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bertkit import log
from bertkit.errors import ConfigError
from bertkit.manifests.manifest import require_complete
from bertkit.records.files.find import find_record_files
from bertkit.records.files.instance import Instance, instances_of
from bertkit.records.files.open import open_any_records
from bertkit.records.files.tfrecord.external_records import ExternalFile, ExternalRecord
from bertkit.records.files.tfrecord.frames import Feature
from bertkit.records.files.tfrecord.sequence_example import TokenFile
from bertkit.records.tools.external_features import show_external
from bertkit.records.tools.inspect import show_record, vocabulary
from bertkit.remote.copies import local_inputs
from bertkit.tokenization.tokenizer_facts import TokenizerFacts, of_records, same_vocabulary
from bertkit.tokenization.vocabulary import Vocab
from bertkit.workers.engine import Engine

FILES, DEALT, ANY = ORDERS = ("files", "dealt", "any")
_BLOCK = 1024
_PART = 1 << 17  # instances of a task
# An instance, the tokens of an unmasked window, or values of other features.
Record = Instance | list[str] | ExternalRecord


@dataclass(frozen=True)
class Verification:
    """What a comparison found.

    Attributes:
        same: the sets are equal in the order asked for.
        same_in_any_order: they hold the same instances, each as often.
        records: instances of the first and of the second set.
        digests: SHA-256 over the instances of each set, in the order asked for (`any`:
            over their digests, sorted).
        difference: the first difference as text; empty where there is none.
        seconds: of the comparison.
    """

    same: bool
    same_in_any_order: bool
    records: tuple[int, int]
    digests: tuple[str, str]
    difference: str
    seconds: float


def verify(
    first: str,
    second: str,
    vocab: str | Path | None = None,
    order: str = FILES,
    engine: Engine | None = None,
) -> Verification:
    """Compare two record sets.

    Args:
        first, second: a record file, a glob, or a folder.
        vocab: to show a difference in tokens; by default the one that a folder's
            manifest names, if it is still there.
        order: of the instances that are compared one by one. `files`: file after file,
            sorted by name; `dealt`: one of each file in turn, as records distributed to several
            files were made; `any`: in whatever order.
        engine: where the records are read; memory holds 32 bytes for each.

    Raises:
        DataError: unreadable, damaged or unfinished sets.
        ConfigError: no such order.
    """
    if order not in ORDERS:
        raise ConfigError(f"no order {order!r}", f"choose {', '.join(ORDERS)}")
    started = time.perf_counter()
    sets = [_Set(name, order == DEALT) for name in (first, second)]
    if same_vocabulary(sets[0].tokenizer, sets[1].tokenizer) is False:
        texts = [f"{found.name} has {found.tokenizer.vocabulary()}" for found in sets]
        log.logger.warning("%s: equal numbers are other tokens", ", ".join(texts))
    sums = [found.instance_digests(engine or Engine()) for found in sets]
    same = np.array_equal(sums[0], sums[1])
    ordered = sums if same and order != ANY else [_sorted(hashes) for hashes in sums]
    same_in_any_order = same or np.array_equal(ordered[0], ordered[1])
    same = same_in_any_order if order == ANY else same
    difference = ""
    if not same:
        lists = [[row.tobytes() for row in hashes] for hashes in sums]
        difference = _difference(sets, lists, list(map(Counter, lists)), order, vocab)
    compared = ordered if order == ANY else sums
    digests = [hashlib.sha256(hashes.tobytes()).hexdigest() for hashes in compared]
    return Verification(
        same=same,
        same_in_any_order=same_in_any_order,
        records=(len(sums[0]), len(sums[1])),
        digests=(digests[0], digests[1]),
        difference=difference,
        seconds=round(time.perf_counter() - started, 3),
    )


class _Set:
    """The instances of several files as one list."""

    def __init__(self, name: str, dealt: bool) -> None:
        here = local_inputs([name])
        folder = here[0] if os.path.isdir(here[0]) else Path(here[0]).parent
        manifest = require_complete(folder)
        self.tokenizer = of_records(manifest, folder) if manifest else TokenizerFacts()
        self.name = name
        self.paths = sorted(find_record_files(here), key=_natural)
        self.files = [open_any_records(path) for path in self.paths]
        sizes = np.array([len(file) for file in self.files], np.int64)
        self._ends = np.cumsum(sizes)
        self._starts = self._ends - sizes
        # Which instance, counted through the files, stands at each place of the comparison.
        self._order = None
        if dealt:
            files = np.repeat(np.arange(len(sizes)), sizes)
            numbers = np.arange(int(sizes.sum())) - self._starts[files]
            self._order = np.lexsort((files, numbers))

    def instance_digests(self, engine: Engine) -> np.ndarray:
        """SHA-256 of the meaning of every instance, in the order of comparison; uint8 [n, 32]."""
        engine = engine.for_bytes(sum(map(os.path.getsize, self.paths)))
        tasks = [
            (engine.path(path), start, min(start + _PART, len(file)))
            for path, file in zip(self.paths, self.files, strict=True)
            for start in range(0, len(file), _PART)
        ]
        found = np.concatenate(list(engine.in_order(_digests, tasks)))
        return found if self._order is None else found[self._order]

    def _place(self, index: int) -> tuple[int, int]:
        """(file, number in it) of an instance at a place of the comparison."""
        number = index if self._order is None else int(self._order[index])
        which = int(np.searchsorted(self._ends, number, side="right"))
        return which, number - int(self._starts[which])

    def record(self, index: int) -> Record:
        """One instance; of an unmasked window its tokens."""
        which, number = self._place(index)
        file = self.files[which]
        if isinstance(file, TokenFile):
            return file.tokens(number)
        if isinstance(file, ExternalFile):
            return file.read(number)
        return next(instances_of(file.batch([number])))

    def shown(self, index: int, vocab: Vocab | None) -> str:
        """One instance as text, and where it is."""
        which, number = self._place(index)
        file = self.files[which]
        if isinstance(file, TokenFile):
            text = f"Record {number}: {' '.join(file.tokens(number))}"
        elif isinstance(file, ExternalFile):
            text = show_external(number, file.read(number))
        else:
            text = show_record(file, number, vocab, vocab.mask_id if vocab else -1)
        return f"{self.paths[which]}\n{text}"


def _digests(task: tuple[str, int, int]) -> np.ndarray:
    """SHA-256 of the meaning of some instances of a file; uint8 [n, 32]."""
    path, start, stop = task
    file = open_any_records(path)
    found: list[bytes] = []
    for begin in range(start, stop, _BLOCK):
        numbers = range(begin, min(begin + _BLOCK, stop))
        if isinstance(file, TokenFile):
            texts = ("\0".join(file.tokens(number)) for number in numbers)
            found += [hashlib.sha256(text.encode("utf-8")).digest() for text in texts]
        elif isinstance(file, ExternalFile):
            found += [_external_digest(file.read(number)) for number in numbers]
        else:
            found += map(_instance_digest, instances_of(file.batch(numbers)))
    return np.frombuffer(b"".join(found), np.uint8).reshape(-1, hashlib.sha256().digest_size)


def _sorted(digests: np.ndarray) -> np.ndarray:
    """Digests in ascending order."""
    # Big-endian words compare as the bytes do.
    words = np.ascontiguousarray(digests).view(">u8")
    return digests[np.lexsort(words.T[::-1])]


def _natural(path: str) -> tuple[str, list[tuple[int, int | str]]]:
    """Sorts examples-2 before examples-10."""
    parts = re.split(r"(\d+)", os.path.basename(path))
    keys: list[tuple[int, int | str]] = [
        (0, int(part)) if part.isdecimal() else (1, part) for part in parts
    ]
    return str(Path(path).parent), keys


def _instance_digest(one: Instance) -> bytes:
    values = (one.ids, one.segments, one.positions, one.labels, np.array([one.next_label]))
    parts = [np.asarray(array, "<i4").tobytes() for array in values]
    # Lengths first, so that no token can pass for a label.
    head = np.array([len(part) for part in parts], "<i4").tobytes()
    return hashlib.sha256(head + b"".join(parts)).digest()


def _external_digest(record: ExternalRecord) -> bytes:
    digest = hashlib.sha256()
    for name, values in sorted(record.flat().items()):
        # Lengths first, so that no value can pass for a part of another one.
        parts = values if isinstance(values, list) else [values.tobytes()]
        kind = "bytes" if isinstance(values, list) else str(values.dtype)
        sizes = [len(part) for part in parts]
        digest.update(repr((name, kind, sizes)).encode("utf-8") + b"".join(parts))
    return digest.digest()


def _difference(
    sets: Sequence[_Set],
    sums: Sequence[list[bytes]],
    counts: Sequence[Counter[bytes]],
    order: str,
    vocab: str | Path | None,
) -> str:
    """What differs first, for people."""
    words = vocabulary(vocab, sets[0].paths[0]) or vocabulary(None, sets[1].paths[0])
    lines = []
    if len(sums[0]) != len(sums[1]):
        lines.append(f"{len(sums[0]):,} instances in A, {len(sums[1]):,} in B")
    if order == ANY:
        for own, other, name in ((0, 1, "A"), (1, 0, "B")):
            missing = counts[own] - counts[other]
            if missing:
                index = next(i for i, value in enumerate(sums[own]) if value in missing)
                lines.append(f"{missing.total():,} instances only in {name}; the first:")
                lines.append(sets[own].shown(index, words))
        return "\n".join(lines)
    if counts[0] == counts[1]:
        lines.append("the same instances in another order (which --order any accepts)")
    pairs = zip(sums[0], sums[1], strict=False)
    index = next((i for i, (a, b) in enumerate(pairs) if a != b), min(map(len, sums)))
    if index == min(map(len, sums)):
        lines.append(f"the first {index:,} are the same")
        return "\n".join(lines)
    lines.append(
        f"instance {index:,} differs in {_parts(sets[0].record(index), sets[1].record(index))}"
    )
    lines += [f"{name} {found.shown(index, words)}" for name, found in zip("AB", sets, strict=True)]
    return "\n".join(lines)


def _parts(one: Record, other: Record) -> str:
    """Which parts of two instances differ, and where first."""
    if type(one) is not type(other):
        return f"kind: one set is {_KINDS[type(one)]}, the other {_KINDS[type(other)]}"
    if isinstance(one, list) and isinstance(other, list):
        return f"tokens from position {_place(np.array(one), np.array(other))} on"
    if isinstance(one, ExternalRecord) and isinstance(other, ExternalRecord):
        return _different_features(one.flat(), other.flat())
    assert isinstance(one, Instance)
    assert isinstance(other, Instance)
    found = []
    for name in ("ids", "segments", "positions", "labels"):
        a, b = getattr(one, name), getattr(other, name)
        if not np.array_equal(a, b):
            found.append(f"{_NAMES[name]} (from number {_place(a, b)} on)")
    if one.next_label != other.next_label:
        found.append(f"next sentence label ({one.next_label} and {other.next_label})")
    return ", ".join(found)


_KINDS: dict[type, str] = {
    list: "unmasked tokens",
    Instance: "BERT's instances",
    ExternalRecord: "records with other features",
}
_NAMES = {
    "ids": "tokens",
    "segments": "segments",
    "positions": "predicted positions",
    "labels": "predicted tokens",
}


def _different_features(one: dict[str, Feature], other: dict[str, Feature]) -> str:
    found = [f"{name} (only in A)" for name in sorted(one.keys() - other.keys())]
    found += [f"{name} (only in B)" for name in sorted(other.keys() - one.keys())]
    for name in sorted(one.keys() & other.keys()):
        a, b = one[name], other[name]
        if isinstance(a, list) or isinstance(b, list):
            different = list(a) != list(b)
        else:
            different = a.dtype != b.dtype or a.tobytes() != b.tobytes()
        if different:
            found.append(name)
    return f"{'features' if len(found) > 1 else 'feature'} {', '.join(found)}"


def _place(a: np.ndarray, b: np.ndarray) -> int:
    """The first place where two arrays differ."""
    shared = min(len(a), len(b))
    different = np.flatnonzero(a[:shared] != b[:shared])
    return int(different[0]) if len(different) else shared
