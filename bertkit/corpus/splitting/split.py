"""`bertkit split`: divides documents into train, valid and test files.

By default a hash of a document's text decides where it goes: the choice needs no list,
stays the same when the corpus grows or its files are reordered, and puts two copies of a
document on the same side. Case and spacing do not count, so that copies differing only in
them stay together too. lists.py has the methods that others prescribe.
"""

from __future__ import annotations

import collections
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np

from bertkit import log
from bertkit.corpus.config import SplitConfig
from bertkit.corpus.document import Document, DocumentWriter, read_documents
from bertkit.corpus.inputs import list_inputs
from bertkit.corpus.journal import Journal
from bertkit.corpus.output_folder import OutputFolder, open_output_folder, state_of_output
from bertkit.corpus.sentences import splitter_rate
from bertkit.corpus.splitting.lists import by_lists, by_mlperf, lists_of
from bertkit.corpus.splitting.names import by_names
from bertkit.corpus.splitting.result import SplitResult, result_of
from bertkit.corpus.splitting.tasks import (
    PartTask,
    part_tasks,
    sides_of,
    survey_file,
    write_together,
)
from bertkit.errors import DataError, UsageError
from bertkit.manifests.inputs import total_bytes
from bertkit.manifests.manifest import Manifest, describe_inputs, working_folder
from bertkit.storage.files import atomic_write, free_bytes, is_remote, shard_name, size_of
from bertkit.text.unsplit import check_sentence_files
from bertkit.workers.engine import Engine

# Of so few a part is often empty, whatever its share.
_FEW_DOCUMENTS = 5
SPLITS = ("train", "valid", "test")
# Bytes per second through both passes on one core, for estimates.
_RATE = 25e6
# The note of the first pass: all hashes, then all sizes, 8 bytes each.
_SURVEY = "survey"
_DOCUMENTS = "documents"


@dataclass
class _Survey:
    """What the first pass learns: per document 16 bytes, per split its bytes.

    `documents` has the number in each file; empty in a run that an older version began.
    """

    hashes: array[int] = field(default_factory=lambda: array("Q"))
    sizes: array[int] = field(default_factory=lambda: array("Q"))
    documents: array[int] = field(default_factory=lambda: array("Q"))
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    bytes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))


def split(
    inputs: Sequence[str],
    output: str,
    config: SplitConfig | None = None,
    *,
    overwrite: bool = False,
    prefix: str = "",
    engine: Engine | None = None,
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
        engine: what looks at files and writes parts.

    Raises:
        UsageError: a cluster for a remote folder.
        DataError: bad or empty input, a split that would be empty, or fewer train
            documents than parts.
    """
    config = config or SplitConfig()
    engine = engine or Engine()
    if engine.executor == "dask" and is_remote(output):
        raise UsageError("--executor dask needs a folder for --output that all workers see")
    with open_output_folder(output) as target:
        result = _split(inputs, target, config, overwrite=overwrite, prefix=prefix, engine=engine)
    return replace(result, output=output)


def _split(
    inputs: Sequence[str],
    target: OutputFolder,
    config: SplitConfig,
    *,
    overwrite: bool,
    prefix: str,
    engine: Engine,
) -> SplitResult:
    started = time.perf_counter()
    # The same steps for every method: plan, resume, write, record the totals.
    files = _inputs(inputs, config, prefix, target.place)
    planned = Manifest("split", _deciding(config, inputs), describe_inputs(files, engine))
    with working_folder(target.folder, planned, overwrite) as manifest:
        if manifest.complete:
            return result_of(manifest, target.folder, 0.0)
        if inputs:
            check_sentence_files(files)
        journal = Journal(manifest, target)
        engine = engine.for_bytes(total_bytes(manifest.inputs))
        if config.method == "hash":
            repeated, across = _by_hash(files, config, journal, engine), 0
        else:
            source = None if inputs else prefix
            repeated, across = _divide(files, config, source, journal=journal, engine=engine)
        journal.close()
        manifest.stats = {"duplicates": repeated, "across": across}
        return result_of(manifest, target.folder, time.perf_counter() - started)


def _deciding(config: SplitConfig, inputs: Sequence[str]) -> dict[str, Any]:
    """The settings that decide the bytes."""
    settings = {**asdict(config), "part_megabytes": config.part_size}
    if config.method != "lists" or inputs:
        del settings["splitter"]
    return settings


def _divide(
    files: Sequence[str],
    config: SplitConfig,
    prefix: str | None,
    *,
    journal: Journal,
    engine: Engine,
) -> tuple[int, int]:
    """Write all splits; (documents that repeat an earlier one, those on more than one side).

    The prefix is that of the names of unpacked files; None for what `extract` wrote.
    """
    if config.method == "mlperf":
        sides = by_mlperf(files, config, journal, engine)
    elif prefix is None:
        sides = by_names(files, config, journal, engine)
    else:
        sides = by_lists(config, prefix, journal, engine)
    repeated, across = sides.duplicates()
    if across:
        log.logger.warning("%d documents are in more than one part (train, valid, test)", across)
    return repeated, across


def _by_hash(files: Sequence[str], config: SplitConfig, journal: Journal, engine: Engine) -> int:
    """Write all splits; the number of documents that repeat an earlier one."""
    survey = _survey(files, config, journal, engine)
    _check(survey, config, len(files))
    if engine != Engine() and survey.documents:
        _write_together(files, config, survey=survey, journal=journal, engine=engine)
    # In order, what is left: all of it, with one process.
    for name in SPLITS:
        if survey.counts[name]:
            _write_split(name, files, config=config, survey=survey, journal=journal)
    return _duplicates(survey.hashes)


def _write_together(
    files: Sequence[str],
    config: SplitConfig,
    *,
    survey: _Survey,
    journal: Journal,
    engine: Engine,
) -> None:
    """Write the files of all splits by tasks, but for those that are finished."""
    chosen = sides_of(survey.hashes, config)
    tasks: list[PartTask] = []
    for name in reversed(SPLITS):  # what is read from all files begins first
        if survey.counts[name]:
            names = _names_of(name, config, survey)
            parts = list(zip(names, _ends(name, len(names), config, survey), strict=True))
            tasks += part_tasks(
                files, survey.documents, chosen[name], parts, folder=str(journal.folder),
                engine=engine,
            )  # fmt: skip
    write_together(tasks, files, journal, engine, SPLITS)


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
    inputs: Sequence[str],
    output: str,
    config: SplitConfig | None = None,
    prefix: str = "",
    overwrite: bool = False,
) -> dict[str, Any]:
    """What `split` would read and need: counts, bytes and free space.

    Raises:
        DataError: an input is missing, or the run would be refused by its output folder.
    """
    config = config or SplitConfig()
    files = _inputs(inputs, config, prefix, output)
    total = sum(map(size_of, files))
    planned = Manifest("split", _deciding(config, inputs))
    state = state_of_output(output, planned, total, overwrite)
    rate = splitter_rate(config.splitter) if config.method == "lists" else _RATE
    return {
        "files": len(files),
        "input_bytes": total,
        "estimated_bytes": total,
        "free_bytes": free_bytes(output),
        "estimated_seconds": round(total / rate, 1),
        "output_state": state,
    }


def _side(value: int, config: SplitConfig) -> str:
    # The hash as a number from 0 to 1: test first, then valid, the rest is train.
    place = value / 2**64
    if place < config.test:
        return "test"
    return "valid" if place < config.test + config.valid else "train"


def _documents(files: Sequence[str]) -> Iterator[Document]:
    for path in files:
        yield from read_documents(path)


def _survey(files: Sequence[str], config: SplitConfig, journal: Journal, engine: Engine) -> _Survey:
    """What is known of each document: from an earlier run's note, else by reading all."""
    survey = _Survey()
    # An interrupted run has left its hashes and sizes: no first pass is needed.
    noted = journal.note(_SURVEY)
    if noted is not None:
        middle = len(noted) // 2
        survey.hashes.frombytes(noted[:middle])
        survey.sizes.frombytes(noted[middle:])
        survey.documents.frombytes(journal.note(_DOCUMENTS) or b"")
    else:
        tasks = [(engine.path(path), config.seed) for path in files]
        for found in engine.in_order(survey_file, tasks, "choose"):
            survey.hashes.frombytes(found.hashes)
            survey.sizes.frombytes(found.sizes)
            survey.documents.append(len(found.hashes) // 8)
        journal.record_note(_DOCUMENTS, survey.documents.tobytes())
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
            f"no documents in {log.counted(files, 'file')}",
            "the input should come from `bertkit extract`",
        )
    wanted = {"train": 1.0, "valid": config.valid, "test": config.test}
    for name, fraction in wanted.items():
        if fraction and not survey.counts[name]:
            found = log.counted(total, "document")
            raise DataError(
                f"{name} would be empty: of {found} none is assigned to it",
                _more_documents(name, fraction, total),
            )
    if config.parts > survey.counts["train"]:
        raise DataError(
            f"{config.parts} parts for {survey.counts['train']} train documents",
            "lower --parts",
        )


def _more_documents(name: str, fraction: float, total: int) -> str:
    """What to do about a part that is empty."""
    if total * fraction < 1 or total < _FEW_DOCUMENTS:
        raised = f", or raise --{name}" if name != "train" else ""
        return (
            f"give more documents{raised}; a file of plain text is one document: `bertkit extract "
            "--form documents` makes one of each block between blank lines"
        )
    return f"raise --{name}, or try another --seed" if name != "train" else "give more text"


def _write_split(
    name: str, files: Sequence[str], *, config: SplitConfig, survey: _Survey, journal: Journal
) -> None:
    """Write the files of one split, but for those that are finished."""
    outputs = _names_of(name, config, survey)
    if all(map(journal.finished, outputs)):
        return
    bar = log.progress(total=survey.counts[name], unit="doc", description=name, scale=True)
    # Lazy: documents are read again, in order, and only those of this split pass.
    chosen = (
        document
        for document, value in zip(_documents(files), survey.hashes, strict=True)
        if _side(value, config) == name
    )
    ends = _ends(name, len(outputs), config, survey)
    for file, length in zip(outputs, ends, strict=True):
        if journal.finished(file):
            # Pass over its documents.
            collections.deque(islice(chosen, length), maxlen=0)
        else:
            _write_part(file, length, chosen, journal)
        bar.update(length)
    bar.close()


def _names_of(name: str, config: SplitConfig, survey: _Survey) -> list[str]:
    """The files of a split."""
    if name != "train":
        return [f"{name}.txt"]
    count = _part_count(config, survey)
    return [f"train/{shard_name('part', index, count, '.txt')}" for index in range(count)]


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
    values = np.frombuffer(hashes, dtype=np.uint64)
    return int(len(values) - len(np.unique(values)))
