"""Divisions that others fixed: MLPerf's seeded test articles, and lists of file names.

Both write the same kind of folder as the division by hash (split.py).
"""

from __future__ import annotations

import hashlib
import itertools
import json
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bertkit import log
from bertkit.corpus import mlperf
from bertkit.corpus.config import SplitConfig
from bertkit.corpus.document import Document
from bertkit.corpus.forms.text import list_inputs
from bertkit.corpus.journal import Ledger
from bertkit.corpus.lines import open_source
from bertkit.errors import DataError, UsageError
from bertkit.files import atomic_write, shard_name, size_of
from bertkit.manifest import read_manifest

_SIDES = {"train": "train", "val": "valid", "test": "test"}
# MLPerf names its parts for 500, however many there are.
_PARTS = 500


class Sides:
    """Hashes of the documents of each side, to find those that stand on more than one."""

    def __init__(self) -> None:
        self._hashes: dict[str, array[int]] = {}

    def add(self, side: str, hashes: Sequence[int]) -> None:
        """Note documents by `hash_of`."""
        self._hashes.setdefault(side, array("Q")).extend(hashes)

    def duplicates(self) -> tuple[int, int]:
        """(documents that repeat another, distinct documents on more than one side)."""
        import numpy as np

        sides = [np.frombuffer(hashes, dtype=np.uint64) for hashes in self._hashes.values()]
        total = sum(len(side) for side in sides)
        distinct = [np.unique(side) for side in sides]
        if not distinct:
            return 0, 0
        values, counts = np.unique(np.concatenate(distinct), return_counts=True)
        return int(total - len(values)), int((counts > 1).sum())


def hash_of(text: str) -> int:
    """64 bits that two documents share if they differ in case and spacing at most."""
    same = " ".join(text.casefold().split()).encode("utf-8")
    return int.from_bytes(hashlib.blake2b(same, digest_size=8).digest(), "big")


def by_mlperf(files: Sequence[str], config: SplitConfig, ledger: Ledger) -> Sides:
    """MLPerf's stage 4 and gathering: `eval.txt`, `eval.md5` and `train/part-0000i-of-00500`.

    A part is filled until the sizes of the ORIGINAL WikiExtractor files, which the
    manifest of `extract --chain mlperf` tells, would exceed the part size (in MiB); or
    holds the same number of files where `parts` is given. Finished parts are kept.

    Args:
        files: output of `extract --chain mlperf`, in order.
        config: `num_test_articles`, `seed`, `part_megabytes` or `parts`.
        ledger: gets every finished file.

    Raises:
        DataError: not UTF-8, or more test articles than articles.
    """
    sides = Sides()
    chosen: list[str] = []
    groups = _gathered(files, config)
    number = 0
    count = max(_PARTS, len(groups))
    for index, group in enumerate(log.progress(groups, unit="part", description="split")):
        name = f"train/{shard_name('part', index, count)}"
        note = _noted(ledger, name)
        if note is None:
            note = _write_gathered(name, group, number, len(files), config, ledger)
        chosen += note.held
        sides.add("train", note.hashes)
        number += len(group)
    whole = "".join(f"{article}\n\n" for article in chosen)
    sides.add("eval", [hash_of(article) for article in _articles(whole)])
    hashes = "".join(f"{mlperf.article_md5(article)}\n" for article in chosen)
    for name, text, facts in (("eval.txt", whole, _counts(whole)), ("eval.md5", hashes, {})):
        if not ledger.finished(name):
            blob = text.encode("utf-8")
            with atomic_write(ledger.folder / name) as stream:
                stream.write(blob)
            digest = hashlib.sha256(blob).hexdigest()
            ledger.enter(name, {"bytes": len(blob), **facts, "sha256": digest})
    return sides


def by_lists(config: SplitConfig, prefix: str, ledger: Ledger) -> Sides:
    """Cerebras' metadata lists: every listed file is one document of its list's side.

    Writes `train/part-…txt`, `valid.txt` and `test.txt`; finished files are kept.

    Args:
        config: `metadata`, lists whose names begin with train, val or test; `part_megabytes`.
        prefix: folder to which the names in the lists are relative.
        ledger: gets every finished file.

    Raises:
        UsageError: two lists of a side, or a list whose side its name does not tell.
        DataError: a file that does not exist, or is listed twice.
    """
    sides = Sides()
    for side, files in lists_of(config, prefix).items():
        size = config.part_megabytes * 1_000_000
        groups = _by_size(files, [size_of(name) for name in files], size)
        groups = groups if side == "train" else [list(files)]
        for index, group in enumerate(groups):
            part = shard_name("part", index, len(groups), ".txt")
            name = f"train/{part}" if side == "train" else f"{side}.txt"
            note = _noted(ledger, name) or _write_listed(name, group, ledger)
            sides.add(side, note.hashes)
    return sides


def lists_of(config: SplitConfig, prefix: str = "") -> dict[str, list[str]]:
    """The files of each side, checked to be mutually exclusive; errors as `by_lists`."""
    found: dict[str, list[str]] = {}
    listed_in: dict[str, str] = {}
    for path in config.metadata:
        start = Path(path).name.lower()
        side = next((side for key, side in _SIDES.items() if start.startswith(key)), None)
        if side is None or side in found:
            problem = "is a second list of its side" if side else "tells no side by its name"
            raise UsageError(
                f"{path} {problem}", "names begin with train, val or test, one of each"
            )
        found[side] = list_inputs([f"@{path}"], prefix)
        for name in found[side]:
            if name in listed_in:
                raise DataError(
                    f"{name} is listed in {listed_in[name]} and in {path}",
                    "a document belongs to one side, once",
                )
            listed_in[name] = path
    if not found:
        raise UsageError("--method lists needs --metadata", "example: --metadata train.txt")
    return dict(sorted(found.items(), key=lambda item: list(_SIDES.values()).index(item[0])))


class _Note(NamedTuple):
    """What the end of the run must know of a finished part.

    Attributes:
        hashes: of its documents, by `hash_of`.
        held: the test articles that were taken out of its files.
    """

    hashes: list[int]
    held: list[str]


def _noted(ledger: Ledger, name: str) -> _Note | None:
    """The note of a part that is finished; None for one that is still to be made."""
    blob = ledger.note(name) if ledger.finished(name) else None
    return _Note(**json.loads(blob)) if blob is not None else None


def _enter(ledger: Ledger, name: str, facts: dict[str, Any], note: _Note) -> _Note:
    ledger.enter(name, facts, json.dumps(note._asdict(), ensure_ascii=False).encode("utf-8"))
    return note


def _write_gathered(
    name: str, group: Sequence[str], number: int, files: int, config: SplitConfig, ledger: Ledger
) -> _Note:
    """A part of MLPerf's training text; `number` is that of its first file."""
    note = _Note([], [])
    facts = {"documents": 0, "sentences": 0, "bytes": 0}
    digest = hashlib.sha256()
    with atomic_write(ledger.folder / name) as stream:
        for at, path in enumerate(group, start=number):
            wanted = mlperf.quota(at, files, config.num_test_articles)
            text, articles = mlperf.hold_out(_text(path), wanted, config.seed + 13 * at)
            note.held.extend(articles)
            note.hashes.extend(hash_of(article) for article in _articles(text))
            blob = (text[:-1] if text.endswith("\n\n") else text).encode("utf-8")
            stream.write(blob)
            digest.update(blob)
            facts["bytes"] += len(blob)
            for key, count in _counts(text).items():
                facts[key] += count
    return _enter(ledger, name, {**facts, "sha256": digest.hexdigest()}, note)


def _write_listed(name: str, files: Sequence[str], ledger: Ledger) -> _Note:
    note = _Note([], [])
    facts = {"documents": 0, "sentences": 0, "bytes": 0}
    digest = hashlib.sha256()
    with atomic_write(ledger.folder / name) as stream:
        for document in _listed(files):
            blob = b"\n" + document.encode() if facts["documents"] else document.encode()
            stream.write(blob)
            digest.update(blob)
            facts["documents"] += 1
            facts["sentences"] += len(document.sentences)
            facts["bytes"] += len(blob)
            note.hashes.append(hash_of("\n".join(document.sentences)))
    return _enter(ledger, name, {**facts, "sha256": digest.hexdigest()}, note)


def _listed(files: Sequence[str]) -> Iterator[Document]:
    for path in files:
        lines = tuple(line.strip() for line in _text(path).split("\n") if line.strip())
        if lines:
            yield Document(path, "", lines)


def _text(path: str) -> str:
    with open_source(path) as stream:
        blob = stream.read()
    try:
        return blob.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}") from error


def _articles(text: str) -> list[str]:
    return [article for article in text.split("\n\n") if article.strip()]


def _counts(text: str) -> dict[str, int]:
    sentences = sum(bool(line.strip()) for line in text.split("\n"))
    return {"documents": len(_articles(text)), "sentences": sentences}


def _gathered(files: Sequence[str], config: SplitConfig) -> list[list[str]]:
    if config.parts:
        ends = [len(files) * i // config.parts for i in range(config.parts + 1)]
        if config.parts > len(files):
            raise DataError(f"{config.parts} parts for {len(files)} files", "lower --parts")
        return [list(files[a:b]) for a, b in itertools.pairwise(ends)]
    sizes = [_original_size(path) for path in files]
    return _by_size(files, sizes, config.part_megabytes << 20)


def _by_size(files: Sequence[str], sizes: Sequence[int], most: int) -> list[list[str]]:
    groups: list[list[str]] = []
    filled = 0
    for path, size in zip(files, sizes, strict=True):
        if not groups or filled + size > most:
            groups.append([])
            filled = 0
        groups[-1].append(path)
        filled += size
    return groups


def _original_size(path: str) -> int:
    """Size of the raw file that a part was made from; its own where nothing tells it."""
    place = Path(path)
    manifest = read_manifest(place.parent)
    if manifest is not None and manifest.command == "extract":
        names: list[Any] = list(manifest.outputs)
        if place.name in names and len(names) == len(manifest.inputs):
            return int(manifest.inputs[names.index(place.name)]["bytes"])
    return size_of(path)
