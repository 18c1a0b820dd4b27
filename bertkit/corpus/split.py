"""`bertkit split`: divides documents into train, valid and test files.

By default a hash of a document's text decides where it goes: the choice needs no list,
stays the same when the corpus grows or its files are reordered, and puts two copies of a
document on the same side. Case and spacing do not count, so that copies differing only in
them stay together too. split_lists.py has the methods that others prescribe.
"""

from __future__ import annotations

import collections
import hashlib
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any

from bertkit import log
from bertkit.corpus.config import SplitConfig
from bertkit.corpus.document import Document, DocumentWriter, read_documents
from bertkit.corpus.inputs import list_inputs
from bertkit.corpus.journal import Journal
from bertkit.corpus.output_folder import OutputFolder, open_output_folder
from bertkit.corpus.sentences import splitter_rate
from bertkit.corpus.split_lists import by_lists, by_mlperf, lists_of
from bertkit.corpus.split_names import by_names
from bertkit.errors import DataError, UsageError
from bertkit.files import atomic_write, free_bytes, shard_name, size_of
from bertkit.manifest import Manifest, describe_inputs, working_folder
from bertkit.pool import worker_count
from bertkit.unsplit_text import warn_if_unsplit

SPLITS = ("train", "valid", "test")
# Bytes per second through both passes on one core, for estimates.
_RATE = 25e6
# The note of the first pass: all hashes, then all sizes, 8 bytes each.
_SURVEY = "survey"


@dataclass(frozen=True)
class SplitResult:
    """What a run did.

    Attributes:
        documents, sentences, bytes: totals over all splits.
        splits: per split its documents, sentences, bytes and files.
        duplicates: documents that repeat an earlier one; both are kept.
        across: distinct documents that stand on more than one side; by hash there are none.
        seconds: 0 for a folder that was complete already.
    """

    output: str
    documents: int
    sentences: int
    bytes: int
    splits: dict[str, dict[str, int]]
    duplicates: int
    across: int
    seconds: float
    up_to_date: bool


@dataclass
class _Survey:
    """What the first pass learns: per document 16 bytes, per split its bytes."""

    hashes: array[int] = field(default_factory=lambda: array("Q"))
    sizes: array[int] = field(default_factory=lambda: array("Q"))
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    bytes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))


def split(
    inputs: Sequence[str],
    output: str,
    config: SplitConfig | None = None,
    *,
    overwrite: bool = False,
    prefix: str = "",
) -> SplitResult:
    """Divide documents into `train/part-…txt`, `valid.txt` and `test.txt`.

    The files are read twice, first to choose and to measure, then to write; memory
    holds 16 bytes per document. The order of the documents is kept. Finished files are
    kept: the same call after an interruption resumes with the rest.

    Args:
        inputs: files of one sentence per line, globs, folders or `@list.txt`; with the method
            `lists` parts that `extract` wrote, or none for unpacked files.
        output: folder to fill.
        config: the settings.
        overwrite: replace what another run left in the folder.
        prefix: with the method `lists` and without inputs, folder to which the names are relative.

    Raises:
        DataError: bad or empty input, a split that would be empty, or fewer train
            documents than parts.
    """
    config = config or SplitConfig()
    with open_output_folder(output) as target:
        result = _split(inputs, target, config, overwrite=overwrite, prefix=prefix)
    return replace(result, output=output)


def _split(
    inputs: Sequence[str],
    target: OutputFolder,
    config: SplitConfig,
    *,
    overwrite: bool,
    prefix: str,
) -> SplitResult:
    started = time.perf_counter()
    # The same steps for every method: plan, resume, write, record the totals.
    files = _inputs(inputs, config, prefix, target.place)
    settings = {**asdict(config), "part_megabytes": config.part_size}
    if config.method != "lists" or inputs:
        del settings["splitter"]  # decides nothing
    planned = Manifest("split", settings, describe_inputs(files, worker_count(0, len(files))))
    with working_folder(target.folder, planned, overwrite) as manifest:
        if manifest.complete:
            return _result(manifest, target.folder, 0.0)
        if inputs:
            warn_if_unsplit(files)
        journal = Journal(manifest, target)
        repeated, across = _divide(files, config, prefix, journal, from_extract=bool(inputs))
        journal.close()
        manifest.stats = {"duplicates": repeated, "across": across}
        return _result(manifest, target.folder, time.perf_counter() - started)


def _divide(
    files: Sequence[str],
    config: SplitConfig,
    prefix: str,
    journal: Journal,
    *,
    from_extract: bool,
) -> tuple[int, int]:
    """Write all splits; (documents that repeat an earlier one, those on more than one side)."""
    if config.method == "hash":
        return _by_hash(files, config, journal), 0
    if config.method == "mlperf":
        sides = by_mlperf(files, config, journal)
    elif from_extract:
        sides = by_names(files, config, journal)
    else:
        sides = by_lists(config, prefix, journal)
    repeated, across = sides.duplicates()
    if across:
        log.logger.warning("%d documents are in more than one part (train, valid, test)", across)
    return repeated, across


def _by_hash(files: Sequence[str], config: SplitConfig, journal: Journal) -> int:
    """Write all splits; the number of documents that repeat an earlier one."""
    survey = _survey(files, config, journal)
    _check(survey, config, len(files))
    for name in SPLITS:
        if survey.counts[name]:
            _write_split(name, files, config=config, survey=survey, journal=journal)
    return _duplicates(survey.hashes)


def _inputs(inputs: Sequence[str], config: SplitConfig, prefix: str, output: str) -> list[str]:
    if config.method != "lists":
        if not inputs:
            raise UsageError("--input is required", "only --method lists works without it")
        return list_inputs(inputs, leave_out=[output])
    if inputs and prefix:
        raise UsageError(
            "--input-prefix is for unpacked files, --input for the output of extract",
            "--method lists takes one of them",
        )
    if inputs:
        return list_inputs(inputs, leave_out=[output])
    return [name for names in lists_of(config, prefix).values() for name in names]


def plan(
    inputs: Sequence[str], output: str, config: SplitConfig | None = None, prefix: str = ""
) -> dict[str, Any]:
    """What `split` would read and need: counts, bytes and free space."""
    files = _inputs(inputs, config or SplitConfig(), prefix, output)
    total = sum(map(size_of, files))
    rate = splitter_rate(config.splitter) if config and config.method == "lists" else _RATE
    return {
        "files": len(files),
        "input_bytes": total,
        "estimated_bytes": total,
        "free_bytes": free_bytes(output),
        "estimated_seconds": round(total / rate, 1),
    }


def _hash(document: Document, seed: int) -> int:
    digest = hashlib.blake2b(digest_size=8, key=str(seed).encode())
    for sentence in document.sentences:
        # Case and spacing do not count, see the module's docstring.
        digest.update(" ".join(sentence.casefold().split()).encode("utf-8") + b"\n")
    return int.from_bytes(digest.digest(), "big")


def _side(value: int, config: SplitConfig) -> str:
    # The hash as a number from 0 to 1: test first, then valid, the rest is train.
    place = value / 2**64
    if place < config.test:
        return "test"
    return "valid" if place < config.test + config.valid else "train"


def _documents(files: Sequence[str]) -> Iterator[Document]:
    for path in files:
        yield from read_documents(path)


def _survey(files: Sequence[str], config: SplitConfig, journal: Journal) -> _Survey:
    """What is known of each document: from an earlier run's note, else by reading all."""
    survey = _Survey()
    # An interrupted run has left its hashes and sizes: no first pass is needed.
    noted = journal.note(_SURVEY)
    if noted is not None:
        middle = len(noted) // 2
        survey.hashes.frombytes(noted[:middle])
        survey.sizes.frombytes(noted[middle:])
    else:
        bar = log.progress(_documents(files), unit="doc", description="choose", scale=True)
        for document in bar:
            survey.hashes.append(_hash(document, config.seed))
            survey.sizes.append(len(document.encode()))
        journal.record_note(_SURVEY, survey.hashes.tobytes() + survey.sizes.tobytes())
    # Totals per split, for the number and the sizes of the parts.
    for value, size in zip(survey.hashes, survey.sizes, strict=True):
        name = _side(value, config)
        survey.counts[name] += 1
        survey.bytes[name] += size
    return survey


def _check(survey: _Survey, config: SplitConfig, files: int) -> None:
    total = len(survey.hashes)
    if not total:
        raise DataError(
            f"no documents in {files} files", "the input should come from `bertkit extract`"
        )
    wanted = {"train": 1.0, "valid": config.valid, "test": config.test}
    for name, fraction in wanted.items():
        if fraction and not survey.counts[name]:
            raise DataError(
                f"{name} would be empty: of {total} documents none is assigned to it",
                f"raise --{name}, or try another --seed" if name != "train" else "give more text",
            )
    if config.parts > survey.counts["train"]:
        raise DataError(
            f"{config.parts} parts for {survey.counts['train']} train documents",
            "lower --parts",
        )


def _write_split(
    name: str, files: Sequence[str], *, config: SplitConfig, survey: _Survey, journal: Journal
) -> None:
    """Write the files of one split, but for those that are finished."""
    count = _part_count(config, survey) if name == "train" else 1
    outputs = (
        [f"train/{shard_name('part', index, count, '.txt')}" for index in range(count)]
        if name == "train"
        else [f"{name}.txt"]
    )
    if all(map(journal.finished, outputs)):
        return
    bar = log.progress(total=survey.counts[name], unit="doc", description=name, scale=True)
    # Lazy: documents are read again, in order, and only those of this split pass.
    chosen = (
        document
        for document, value in zip(_documents(files), survey.hashes, strict=True)
        if _side(value, config) == name
    )
    ends = _ends(name, count, config, survey)
    for file, length in zip(outputs, ends, strict=True):
        if journal.finished(file):
            # Pass over its documents.
            collections.deque(islice(chosen, length), maxlen=0)
        else:
            _write_part(file, length, chosen, journal)
        bar.update(length)
    bar.close()


def _part_count(config: SplitConfig, survey: _Survey) -> int:
    by_size = -(-survey.bytes["train"] // int(config.part_size * 1_000_000))
    return config.parts or max(1, min(by_size, survey.counts["train"]))


def _ends(name: str, count: int, config: SplitConfig, survey: _Survey) -> list[int]:
    """Documents per part, so that parts are about equal in bytes and none is empty."""
    # The last part that has been begun is lengths[-1].
    lengths = [0]
    done = 0
    left = survey.counts[name]
    for value, size in zip(survey.hashes, survey.sizes, strict=True):
        if _side(value, config) != name:
            continue
        # Begin a part when this one has its share of bytes, or when all documents left are needed.
        full = done >= survey.bytes[name] * len(lengths) / count
        needed = count - len(lengths)
        if lengths[-1] and needed and (full or left <= needed):
            lengths.append(0)
        lengths[-1] += 1
        done += size
        left -= 1
    return lengths


def _write_part(file: str, length: int, chosen: Iterator[Document], journal: Journal) -> None:
    with atomic_write(journal.folder / file) as stream:
        writer = DocumentWriter(stream)
        for document in islice(chosen, length):
            writer.write(document)
    journal.record(file, writer.facts)


def _duplicates(hashes: array[int]) -> int:
    import numpy as np

    values = np.frombuffer(hashes, dtype=np.uint64)
    return int(len(values) - len(np.unique(values)))


def _result(manifest: Manifest, output: str, seconds: float) -> SplitResult:
    """The result of a run; one that was complete before is not written again."""
    fresh = not manifest.complete
    splits: dict[str, dict[str, int]] = {}
    for file, facts in manifest.outputs.items():
        if "documents" not in facts:
            continue
        name = file.partition("/")[0].removesuffix(".txt")
        into = splits.setdefault(name, {"files": 0, "documents": 0, "sentences": 0, "bytes": 0})
        into["files"] += 1
        for key in ("documents", "sentences", "bytes"):
            into[key] += int(facts[key])
    totals: dict[str, Any] = {
        key: sum(into[key] for into in splits.values())
        for key in ("documents", "sentences", "bytes")
    }
    if fresh:
        manifest.stats |= {**totals, "splits": splits, "seconds": round(seconds, 3)}
        manifest.state = "complete"
        manifest.write(output)
    return SplitResult(
        output=output,
        **totals,
        splits=splits,
        duplicates=int(manifest.stats["duplicates"]),
        across=int(manifest.stats.get("across", 0)),
        seconds=round(seconds, 3) if fresh else 0.0,
        up_to_date=not fresh,
    )
