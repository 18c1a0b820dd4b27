"""Makes the fixed splits of others: MLPerf's seeded test articles, Cerebras' lists of names.

Both write the same kind of folder as the split by hash (split.py).
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bertkit.corpus.chains import mlperf
from bertkit.corpus.clean import clean_document
from bertkit.corpus.config import SplitConfig
from bertkit.corpus.document import Document, DocumentWriter, RawDocument
from bertkit.corpus.inputs import gather, list_inputs, read_list
from bertkit.corpus.journal import Journal
from bertkit.corpus.raw_file import open_source
from bertkit.corpus.sentences import make_splitter
from bertkit.corpus.splitting.notes import Note, Sides, Written, hash_of, written_parts
from bertkit.errors import DataError, UsageError
from bertkit.manifests.cache import Stamp, cached_manifest, stamp_of
from bertkit.storage.files import atomic_write, shard_name, size_of
from bertkit.workers.engine import Engine

_SIDES = {"train": "train", "val": "valid", "test": "test"}
# MLPerf names its parts for 500, however many there are.
_PARTS = 500


def by_mlperf(files: Sequence[str], config: SplitConfig, journal: Journal, engine: Engine) -> Sides:
    """MLPerf's stage 4 and gathering: `eval.txt`, `eval.md5` and `train/part-0000i-of-00500`.

    A part is filled until the sizes of the ORIGINAL WikiExtractor files, which the
    manifest of `extract --chain mlperf` tells, would exceed the part size (in MiB); or
    holds the same number of files where `parts` is given. Finished parts are kept.

    Args:
        files: output of `extract --chain mlperf`, in order.
        config: `num_test_articles`, `seed`, `part_size` or `parts`.
        journal: gets every finished file.
        engine: what writes parts.

    Raises:
        DataError: not UTF-8, or more test articles than articles.
    """
    sides = Sides()
    chosen: list[str] = []
    groups = _mlperf_groups(files, config)
    count = max(_PARTS, len(groups))
    firsts = itertools.accumulate(map(len, groups), initial=0)
    tasks = [
        _Gathered(
            name=f"train/{shard_name('part', index, count)}",
            folder=engine.path(str(journal.folder)),
            paths=tuple(map(engine.path, group)),
            first=first,
            files=len(files),
            articles=config.num_test_articles,
            seed=config.seed,
        )
        for index, (group, first) in enumerate(zip(groups, firsts, strict=False))
    ]
    for _, note in written_parts(_write_gathered, tasks, journal, engine):
        chosen += note.held
        sides.add("train", note.hashes)
    whole = "".join(f"{article}\n\n" for article in chosen)
    sides.add("eval", [hash_of(article) for article in mlperf.articles(whole)])
    hashes = "".join(f"{mlperf.article_md5(article)}\n" for article in chosen)
    _write_whole("eval.txt", whole, mlperf.counts(whole), journal)
    _write_whole("eval.md5", hashes, {}, journal)
    return sides


def by_lists(config: SplitConfig, prefix: str, journal: Journal, engine: Engine) -> Sides:
    """Cerebras' metadata lists: every listed file is one document of its list's side.

    Writes `train/part-…txt`, `valid.txt` and `test.txt`; finished files are kept.

    Args:
        config: `metadata`, lists whose names begin with train, val or test; `splitter`,
            `part_size`.
        prefix: folder to which the names in the lists are relative.
        journal: gets every finished file.
        engine: what writes parts.

    Raises:
        UsageError: two lists of a side, or a list whose side its name does not tell.
        DataError: a file that does not exist, or is listed twice.
        MissingDependencyError: the splitter needs something that is not installed.
    """
    sides = Sides()
    tasks: list[_Listed] = []
    side_of: dict[str, str] = {}
    for side, files in lists_of(config, prefix).items():
        size = int(config.part_size * 1_000_000)
        groups = gather(files, [size_of(name) for name in files], size)
        groups = groups if side == "train" else [list(files)]
        for index, group in enumerate(groups):
            part = shard_name("part", index, len(groups), ".txt")
            name = f"train/{part}" if side == "train" else f"{side}.txt"
            side_of[name] = side
            tasks.append(
                _Listed(
                    name=name,
                    folder=engine.path(str(journal.folder)),
                    paths=tuple(map(engine.path, group)),
                    splitter=config.splitter,
                )
            )
    for name, note in written_parts(_write_listed, tasks, journal, engine):
        sides.add(side_of[name], note.hashes)
    return sides


def lists_of(config: SplitConfig, prefix: str = "") -> dict[str, list[str]]:
    """The files of each side, checked to be mutually exclusive; errors as `by_lists`."""
    listed_names(config)  # one that stands there twice is an error; two names of a file are one
    files = {
        side: (path, list_inputs([f"@{path}"], prefix)) for side, path in _lists(config).items()
    }
    return _exclusive(files)


def listed_names(config: SplitConfig) -> dict[str, list[str]]:
    """The names of each side as they are listed, checked likewise; errors as `by_lists`."""
    names = {side: (path, read_list(path)) for side, path in _lists(config).items()}
    return _exclusive(names)


def _lists(config: SplitConfig) -> dict[str, str]:
    """Side → the list for it, in the order of the sides."""
    found: dict[str, str] = {}
    for path in config.metadata:
        start = Path(path).name.lower()
        side = next((side for key, side in _SIDES.items() if start.startswith(key)), None)
        if side is None or side in found:
            problem = "is a second list of its side" if side else "tells no side by its name"
            raise UsageError(
                f"{path} {problem}", "names begin with train, val or test, one of each"
            )
        found[side] = path
    if not found:
        raise UsageError("--method lists needs --metadata", "example: --metadata train.txt")
    return dict(sorted(found.items(), key=lambda item: list(_SIDES.values()).index(item[0])))


def _exclusive(found: dict[str, tuple[str, list[str]]]) -> dict[str, list[str]]:
    listed_in: dict[str, str] = {}
    for path, names in found.values():
        for name in names:
            if name in listed_in:
                raise DataError(
                    f"{name} is listed in {listed_in[name]} and in {path}",
                    "list each document once, in one part only",
                )
            listed_in[name] = path
    return {side: names for side, (_, names) in found.items()}


class _Gathered(NamedTuple):
    """A part of MLPerf's training text to write, without the test articles.

    Attributes:
        name: of the part, relative to `folder`.
        paths: its files.
        first: number of the first of them among all files.
        files: number of all files.
        articles: test articles to take out of all of them.
        seed: of the choice.
    """

    name: str
    folder: str
    paths: tuple[str, ...]
    first: int
    files: int
    articles: int
    seed: int


def _write_gathered(task: _Gathered) -> Written:
    note = Note([], [])
    with atomic_write(Path(task.folder) / task.name) as stream:
        writer = DocumentWriter(stream)
        for number, path in enumerate(task.paths, start=task.first):
            wanted = mlperf.quota(number, task.files, task.articles)
            text, articles = mlperf.hold_out(_text(path), wanted, task.seed + 13 * number)
            note.held.extend(articles)
            note.hashes.extend(hash_of(article) for article in mlperf.articles(text))
            # MLPerf's gathering leaves out the second of two line ends at the end of a file.
            blob = (text[:-1] if text.endswith("\n\n") else text).encode("utf-8")
            writer.write_bytes(blob, **mlperf.counts(text))
    return Written(task.name, writer.facts, note)


class _Listed(NamedTuple):
    """A part of listed files to write: one document each, cut into sentences."""

    name: str
    folder: str
    paths: tuple[str, ...]
    splitter: str


def _write_listed(task: _Listed) -> Written:
    note = Note([], [])
    with atomic_write(Path(task.folder) / task.name) as stream:
        writer = DocumentWriter(stream)
        for document in _listed(task.paths, task.splitter):
            writer.write(document)
            note.hashes.append(hash_of("\n".join(document.sentences)))
    return Written(task.name, writer.facts, note)


def _write_whole(name: str, text: str, counts: dict[str, int], journal: Journal) -> None:
    """Write a file that memory holds, unless it is finished."""
    if journal.finished(name):
        return
    blob = text.encode("utf-8")
    with atomic_write(journal.folder / name) as stream:
        stream.write(blob)
    digest = hashlib.sha256(blob).hexdigest()
    journal.record(name, {"bytes": len(blob), **counts, "sha256": digest})


# Loading a model takes seconds: once per process.
_splitter = functools.lru_cache(maxsize=1)(make_splitter)


def _listed(files: Sequence[str], splitter: str) -> Iterator[Document]:
    """The files as documents, cleaned and cut as `extract` does it."""
    split = _splitter(splitter)
    for path in files:
        sentences = tuple(split(clean_document(RawDocument(path, "", _text(path)))))
        if sentences:
            yield Document(path, "", sentences)


def _text(path: str) -> str:
    with open_source(path) as stream:
        blob = stream.read()
    try:
        return blob.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}") from error


def _mlperf_groups(files: Sequence[str], config: SplitConfig) -> list[list[str]]:
    if config.parts:
        ends = [len(files) * i // config.parts for i in range(config.parts + 1)]
        if config.parts > len(files):
            raise DataError(f"{config.parts} parts for {len(files)} files", "lower --parts")
        return [list(files[a:b]) for a, b in itertools.pairwise(ends)]
    sizes = [original_size(path) for path in files]
    return gather(files, sizes, int(config.part_size * (1 << 20)))


def original_size(path: str) -> int:
    """Size of the raw file that a part was made from; its own where nothing tells it."""
    place = Path(path)
    stamp = stamp_of(place.parent)
    found = _original_sizes(stamp).get(place.name) if stamp else None
    return size_of(path) if found is None else found


@functools.lru_cache(maxsize=8)
def _original_sizes(stamp: Stamp) -> dict[str, int]:
    """Part → size of its raw file, for the parts of a folder; found once, not for each part."""
    manifest = cached_manifest(stamp.folder)
    if manifest is None:
        return {}
    names = manifest.outputs
    if manifest.command == "extract" and len(names) == len(manifest.inputs):
        pairs = zip(names, manifest.inputs, strict=True)
        return {name: int(entry["bytes"]) for name, entry in pairs}
    if manifest.command == "clean":
        return {name: int(facts["raw_bytes"]) for name, facts in names.items()}
    return {}
