"""Divisions that others fixed: MLPerf's seeded test articles, and lists of file names.

Both write the same kind of folder as the division by hash (split.py).
"""

from __future__ import annotations

import hashlib
import itertools
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.corpus import mlperf
from bertkit.corpus.config import SplitConfig
from bertkit.corpus.document import Document
from bertkit.corpus.lines import open_source
from bertkit.corpus.textfiles import list_inputs
from bertkit.errors import DataError, UsageError
from bertkit.files import atomic_write, shard_name, size_of
from bertkit.manifest import Manifest, read_manifest

_SIDES = {"train": "train", "val": "valid", "test": "test"}
# MLPerf names its parts for 500, however many there are.
_PARTS = 500


class Sides:
    """Hashes of the documents of each side, to find those that stand on more than one."""

    def __init__(self) -> None:
        self._hashes: dict[str, array[int]] = {}

    def add(self, side: str, text: str) -> None:
        """Note a document; case and spacing do not count."""
        same = " ".join(text.casefold().split()).encode("utf-8")
        digest = hashlib.blake2b(same, digest_size=8).digest()
        self._hashes.setdefault(side, array("Q")).append(int.from_bytes(digest, "big"))

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


def by_mlperf(files: Sequence[str], config: SplitConfig, manifest: Manifest, output: str) -> Sides:
    """MLPerf's stage 4 and gathering: `eval.txt`, `eval.md5` and `train/part-0000i-of-00500`.

    A part is filled until the sizes of the ORIGINAL WikiExtractor files, which the
    manifest of `extract --chain mlperf` tells, would exceed the part size (in MiB); or
    holds the same number of files where `parts` is given.

    Args:
        files: output of `extract --chain mlperf`, in order.
        config: `num_test_articles`, `seed`, `part_megabytes` or `parts`.
        manifest: gets every finished file.
        output: the folder.

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
        facts = {"documents": 0, "sentences": 0, "bytes": 0}
        digest = hashlib.sha256()
        with atomic_write(Path(output) / name) as stream:
            for path in group:
                wanted = mlperf.quota(number, len(files), config.num_test_articles)
                seed = config.seed + 13 * number
                text, articles = mlperf.hold_out(_text(path), wanted, seed)
                chosen += articles
                number += 1
                blob = (text[:-1] if text.endswith("\n\n") else text).encode("utf-8")
                stream.write(blob)
                digest.update(blob)
                _count(facts, text, len(blob), sides, "train")
        manifest.outputs[name] = {**facts, "sha256": digest.hexdigest()}
        manifest.write(output)
    whole = "".join(f"{article}\n\n" for article in chosen)
    hashes = "".join(f"{mlperf.article_md5(article)}\n" for article in chosen)
    facts = {"documents": 0, "sentences": 0, "bytes": 0}
    _count(facts, whole, len(whole.encode("utf-8")), sides, "eval")
    for name, text, more in (("eval.txt", whole, facts), ("eval.md5", hashes, {})):
        blob = text.encode("utf-8")
        with atomic_write(Path(output) / name) as stream:
            stream.write(blob)
        manifest.outputs[name] = {
            "bytes": len(blob), **more, "sha256": hashlib.sha256(blob).hexdigest()
        }  # fmt: skip
    return sides


def by_lists(config: SplitConfig, prefix: str, manifest: Manifest, output: str) -> Sides:
    """Cerebras' metadata lists: every listed file is one document of its list's side.

    Args:
        config: `metadata`, lists whose names begin with train, val or test; `part_megabytes`.
        prefix: folder to which the names in the lists are relative.
        manifest: gets every finished file.
        output: the folder for `train/part-…txt`, `valid.txt` and `test.txt`.

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
            _write_listed(name, group, side, sides, manifest, output)
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


def _write_listed(
    name: str, files: Sequence[str], side: str, sides: Sides, manifest: Manifest, output: str
) -> None:
    facts = {"documents": 0, "sentences": 0, "bytes": 0}
    digest = hashlib.sha256()
    with atomic_write(Path(output) / name) as stream:
        for document in _listed(files):
            blob = b"\n" + document.encode() if facts["documents"] else document.encode()
            stream.write(blob)
            digest.update(blob)
            facts["documents"] += 1
            facts["sentences"] += len(document.sentences)
            facts["bytes"] += len(blob)
            sides.add(side, "\n".join(document.sentences))
    manifest.outputs[name] = {**facts, "sha256": digest.hexdigest()}
    manifest.write(output)


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


def _count(facts: dict[str, int], text: str, size: int, sides: Sides, side: str) -> None:
    articles = [article for article in text.split("\n\n") if article.strip()]
    facts["documents"] += len(articles)
    facts["sentences"] += sum(bool(line.strip()) for line in text.split("\n"))
    facts["bytes"] += size
    for article in articles:
        sides.add(side, article)


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
