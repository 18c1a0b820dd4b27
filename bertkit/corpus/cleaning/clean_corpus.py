"""`bertkit clean`: reports, and by request drops, documents that a corpus is better without."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bertkit.codecs.strict_json import json_text
from bertkit.corpus.cleaning.against import evaluation_files
from bertkit.corpus.cleaning.banding import choose_banding
from bertkit.corpus.cleaning.config import CRITERIA, CleanConfig
from bertkit.corpus.cleaning.facts import facts_of
from bertkit.corpus.cleaning.findings import Findings
from bertkit.corpus.cleaning.report import listed, result_of
from bertkit.corpus.cleaning.results import CleanResult
from bertkit.corpus.cleaning.scratch import Scratch
from bertkit.corpus.cleaning.write import WriteTask, write_part
from bertkit.corpus.document_names import names_beside, remove_others
from bertkit.corpus.inputs import list_inputs
from bertkit.corpus.journal import NOTES
from bertkit.corpus.output_folder import OutputFolder, open_output_folder, state_of_output
from bertkit.corpus.splitting.lists import original_size
from bertkit.errors import UsageError
from bertkit.manifests.manifest import Manifest, describe_inputs, working_folder
from bertkit.storage.files import (
    atomic_write,
    free_bytes,
    is_remote,
    sha256_of,
    shard_name,
    size_of,
)
from bertkit.storage.folder_lock import locked_folder
from bertkit.text.unsplit import refuse_raw_files
from bertkit.workers.engine import Engine
from bertkit.workers.pool import check_executor

# Bytes per second through the survey on one core, for estimates (measured).
_RATE = 30e6
# Of a document in the scratch folder, beside 4 for each permutation and 12 for each band.
_ROW_BYTES = 100


def clean_corpus(
    inputs: Sequence[str],
    output: str = "",
    config: CleanConfig | None = None,
    *,
    workers: int = 0,
    executor: str = "processes",
    scheduler: str = "",
    prefix: str = "",
    overwrite: bool = False,
    scratch: str = "",
    examples: int = 3,
    listing: str = "",
) -> CleanResult:
    """Report on sentence files, and write them without what `config.drop` names.

    Nothing of the result depends on the number of workers. With an output folder an
    interrupted run resumes: surveyed files, compared ranges and written parts are kept.

    Args:
        inputs: files of one sentence per line, globs, folders or `@list.txt`.
        output: folder to fill, one part per input file; none for a report.
        config: the settings.
        workers: processes; 0 takes one per core.
        executor: `processes`, or `dask` for the cluster at `scheduler` (`pool.run_tasks`).
        scheduler: its address.
        prefix: folder to which names in lists are relative.
        overwrite: replace what another run left in the folder.
        scratch: folder for signatures, kept for the next run; by default in the output
            folder, or a temporary one, and removed.
        examples: documents to name per criterion.
        listing: file to write, a JSON line for each document that falls under a criterion.

    Raises:
        DataError: bad or empty input, a folder of another run, or everything would go.
        UsageError: an output without anything to drop, or the reverse.
    """
    config = config or CleanConfig()
    check_executor(executor, scheduler)
    _check_folders(output, scratch, config, executor)
    own = [place for place in (output, scratch, listing) if place]
    files = list_inputs(inputs, prefix, leave_out=own)
    refuse_raw_files(files)
    against = evaluation_files(config.against)
    work = _Work(files, against, config, Engine(workers, executor, scheduler), examples, listing)
    if not config.dropped:
        return work.report(scratch)
    with open_output_folder(output) as target:
        result = work.write(target, scratch, overwrite)
    return replace(result, output=output)


def plan(
    inputs: Sequence[str],
    output: str,
    config: CleanConfig,
    prefix: str = "",
    overwrite: bool = False,
) -> dict[str, Any]:
    """What `clean_corpus` would read and need: counts, bytes and estimates.

    Raises:
        DataError: bad input, or the run would be refused by its output folder.
        UsageError: an output without anything to drop, or the reverse.
    """
    _check_folders(output, "", config, "processes")
    files = list_inputs(inputs, prefix, leave_out=[output] if output else [])
    refuse_raw_files(files)
    total = sum(map(size_of, files))
    against = evaluation_files(config.against)
    state = {}
    if output:
        planned = Manifest("clean", _deciding(config, files, against))
        state = {"output_state": state_of_output(output, planned, total, overwrite)}
    bands, rows = choose_banding(config.near, config.permutations)
    return {
        "files": len(files),
        "input_bytes": total,
        "drop": ", ".join(name for name in CRITERIA if name in config.dropped) or "nothing",
        "bands": bands,
        "band_rows": rows,
        "scratch_bytes_per_document": bytes_per_document(config),
        "free_bytes": free_bytes(output or tempfile.gettempdir()),
        "estimated_core_seconds": round(total / _RATE, 1),
        **state,
    }


def _deciding(config: CleanConfig, files: Sequence[str], against: Sequence[str]) -> dict[str, Any]:
    """All that decides the bytes beside the content of the files: settings, facts of the text."""
    settings = {**asdict(config), "drop": sorted(config.dropped)}
    settings["against"] = [sha256_of(name) for name in against]
    return {**facts_of(files), **settings}


def bytes_per_document(config: CleanConfig) -> int:
    """Bytes of disk for signature, keys and facts of a document, its lines not included."""
    bands = choose_banding(config.near, config.permutations).bands
    return 4 * config.permutations + 12 * (bands + 1) + _ROW_BYTES


def _check_folders(output: str, scratch: str, config: CleanConfig, executor: str) -> None:
    if output and not config.dropped:
        raise UsageError(
            "--output without --drop: nothing would be dropped",
            "give --drop exact,near for example, or leave --output out for a report",
        )
    if config.dropped and not output:
        raise UsageError("--drop needs --output, the folder for what is kept")
    if is_remote(scratch):
        raise UsageError("--scratch is a local folder")
    if executor == "dask" and not scratch and (is_remote(output) or not output):
        raise UsageError(
            "--executor dask needs --scratch or --output, a folder that all workers see"
        )
    if executor == "dask" and is_remote(output):
        raise UsageError("--executor dask needs a folder for --output that all workers see")


@contextlib.contextmanager
def _open_scratch(scratch: str, beside: str = "") -> Iterator[Scratch]:
    """The folder for signatures: the given one, or one in the output, or a temporary one."""
    if scratch:
        with locked_folder(scratch, "clean"):
            yield Scratch(str(Path(scratch).absolute()), durable=True)
    elif beside:
        yield Scratch(str((Path(beside) / NOTES).absolute()), durable=True)
    else:
        with tempfile.TemporaryDirectory(prefix="bertkit-") as folder:
            yield Scratch(folder)


class _Work:
    """What one call of `clean_corpus` has to do."""

    def __init__(
        self,
        files: Sequence[str],
        against: Sequence[str],
        config: CleanConfig,
        pool: Engine,
        examples: int,
        listing: str,
    ) -> None:
        self._files, self._against, self._config = files, against, config
        if pool.executor == "dask":  # whose workers have another working directory
            self._files = [
                name if is_remote(name) else str(Path(name).absolute()) for name in files
            ]
        self._pool, self._examples, self._listing = pool, examples, listing
        self._started = time.perf_counter()

    def report(self, scratch: str) -> CleanResult:
        """Find, and write nothing."""
        with _open_scratch(scratch) as folder:
            # Nothing is kept that would have to be recognised.
            hashes = [sha256_of(name) if folder.durable else "" for name in self._files]
            found = self._find(folder, hashes)
            result = result_of(found, "", {})
        return replace(result, seconds=self._seconds())

    def write(self, target: OutputFolder, scratch: str, overwrite: bool) -> CleanResult:
        """Find and write, resumed where an earlier call was interrupted."""
        described = describe_inputs(self._files, self._pool)
        settings = _deciding(self._config, self._files, self._against)
        planned = Manifest("clean", settings, described)
        with working_folder(target.folder, planned, overwrite, self._against) as manifest:
            if manifest.complete:
                stats = {**manifest.stats, "seconds": 0.0, "up_to_date": True}
                return CleanResult(**stats)
            with _open_scratch(scratch, target.folder) as folder:
                found = self._find(folder, [entry["sha256"] for entry in described])
                count = len(self._files)
                names = [shard_name("part", number, count, ".txt") for number in range(count)]
                self._write_parts(found.write_tasks(target.folder, names), manifest, target)
                result = result_of(found, target.folder, manifest.outputs)
            if not scratch:
                target.discard(NOTES)
            result = replace(result, seconds=self._seconds())
            manifest.stats = asdict(result)
            manifest.state = "complete"
            manifest.write(target.folder)
        return result

    def _find(self, scratch: Scratch, hashes: Sequence[str]) -> Findings:
        found = Findings(
            self._files,
            self._against,
            self._config,
            scratch=scratch,
            hashes=hashes,
            pool=self._pool,
            examples=self._examples,
        )
        if self._listing:
            with atomic_write(self._listing) as stream:
                for entry in listed(found):
                    stream.write(json_text(entry, readable=True).encode() + b"\n")
        return found

    def _write_parts(
        self, tasks: Sequence[WriteTask], manifest: Manifest, target: OutputFolder
    ) -> None:
        left = [task for task in tasks if not _finished(manifest, task.name, target)]
        sources = {task.name: task.path for task in tasks}
        if self._pool.executor == "dask":
            left = [replace(task, folder=str(Path(task.folder).absolute())) for task in left]
        for name, facts in self._pool.run(write_part, left, "write"):
            self._pool.arrived(target.folder, [name])
            # Listed at once: an interruption loses at most one part.
            facts = {**facts, "raw_bytes": original_size(sources[name])}
            manifest.record(target.folder, {name: facts}, whole=target.remote)
            target.keep(*filter(target.holds_here, (names_beside(name), name)))
        manifest.outputs = {task.name: manifest.outputs[task.name] for task in tasks}
        remove_others(target.folder, manifest.outputs)

    def _seconds(self) -> float:
        return round(time.perf_counter() - self._started, 3)


def _finished(manifest: Manifest, name: str, target: OutputFolder) -> bool:
    facts = manifest.outputs.get(name)
    return facts is not None and target.holds(name, int(facts["bytes"]))
