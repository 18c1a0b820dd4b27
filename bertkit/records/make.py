"""`bertkit make-records`: makes a folder of record files from sentence files.

Light: numba is loaded where records are made, not for a plan or an estimate.
"""

from __future__ import annotations

import functools
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bertkit import log
from bertkit.errors import DataError, UsageError
from bertkit.hub.sources import name_of
from bertkit.manifests.inputs import total_bytes
from bertkit.manifests.manifest import Manifest, describe_inputs, working_folder
from bertkit.records import styles
from bertkit.records.config import RecordsConfig
from bertkit.records.files.names import opens_all, reader_remarks
from bertkit.records.finished_shards import is_done, restore_indexes, shards_of_run, verify
from bertkit.records.inputs import list_inputs
from bertkit.records.shards import Shard, text_bytes
from bertkit.records.styles.style import FinishedFolder, RecordStyle
from bertkit.records.vocabulary import facts_of, no_input, opened
from bertkit.storage import files
from bertkit.text.unsplit import check_sentence_files
from bertkit.tokenization.vocabulary import Vocab
from bertkit.workers.engine import Engine
from bertkit.workers.pool import check_executor, run_tasks

if TYPE_CHECKING:
    from bertkit.records.text_summary import RunText
    from bertkit.summary.counts import TextCounts


@dataclass(frozen=True)
class RecordsResult:
    """What a run did.

    Attributes:
        records, bytes: totals of the folder, finished files of earlier runs included.
        files: record files in the folder.
        made: how many of them this run made; 0 when there was nothing to do.
        max_seq_length, max_predictions_per_seq, vocab_size: shape of every record.
        seconds: work of this run.
        text: what the text holds, see `bertkit.summary.report.figures`.
    """

    output: str
    records: int
    bytes: int
    files: int
    made: int
    max_seq_length: int
    max_predictions_per_seq: int
    vocab_size: int
    seconds: float
    text: dict[str, Any]

    def as_text(self) -> str:
        """The counts for people."""
        return (
            f"{log.counted(self.records, 'record')} of {self.max_seq_length} tokens, "
            f"{files.human_bytes(self.bytes)} in {log.counted(self.files, 'file')} in "
            f"{self.output} ({self.made} made now, {self.seconds:.1f} s)"
        )


class Task(NamedTuple):
    """All that a worker process needs for a shard.

    Attributes:
        styles: those that were registered from outside, which the worker may not know.
        level: of the counts of its text.
    """

    shard: Shard
    config: RecordsConfig
    vocab: str
    folder: str
    limit: int | None = None
    styles: tuple[RecordStyle, ...] = ()
    level: int = 0


class Built(NamedTuple):
    """A finished shard: file name → records, bytes, a digest; empty where the text is.

    Attributes:
        text: what is counted in its text.
    """

    shard: Shard
    outputs: dict[str, dict[str, Any]]
    text: TextCounts


def make_records(
    config: RecordsConfig,
    inputs: Sequence[str],
    output: str | Path,
    vocab: str | Path,
    workers: int = 0,
    overwrite: bool = False,
    limit: int | None = None,
    executor: str = "processes",
    scheduler: str = "",
    prefix: str = "",
) -> RecordsResult:
    """Write the training instances of a text as record files.

    Finished files stay: the same call again makes only those that are missing.

    Args:
        config: the settings.
        inputs: sentence files, globs, folders or `@list.txt`.
        output: folder to fill; `manifest.json` in it says what it holds (of packs in HDF5,
            `.bertkit/manifest.json`: their program opens every file of the folder).
        vocab: vocabulary file, or the name of one that ships with bertkit.
        workers: processes, one per core for 0; the bytes do not depend on it.
        overwrite: replace what another run left in the folder.
        limit: stop after this many records, taking the shards in order.
        executor: `processes` here, or `dask`; see `bertkit.workers.pool.run_tasks`.
        scheduler: address of the Dask cluster, whose workers see the same files.
        prefix: folder to which the names in lists are relative.

    Raises:
        DataError: unreadable or empty text, a broken vocabulary, or a folder that
            belongs to another run.
        ConfigError: a setting contradicts what the vocabulary records.
        UsageError: executor, scheduler and limit do not go together.
    """
    from bertkit.records.files.record_index import remove_orphans
    from bertkit.records.text_summary import RunText

    started = time.perf_counter()
    _check_executor(executor, scheduler, limit, inputs)
    place = Path(output)
    # Check everything that needs no record making first, so that errors come early.
    names = list_inputs(inputs, prefix, leave_out=[output, no_input(vocab, inputs)])
    words, config = opened(vocab, config, names)
    _check_text(config, inputs, names)
    # The manifest identifies the run: the same settings and text resume, others are refused.
    engine = Engine(workers, executor, scheduler)
    planned = _planned(config, words, limit, names, engine)
    with working_folder(place, planned, overwrite) as manifest:
        # Make the missing shards, then the totals, then the files beside them.
        text = RunText(total_bytes(manifest.inputs))
        tasks = _missing_tasks(manifest, place, names, config=config, words=words, level=text.level)
        made = _run(tasks, manifest, place, limit=limit, engine=engine, text=text)
        if not manifest.complete and manifest.outputs:
            shards = shards_of_run(manifest, names, config)
            manifest.stats["text"] = text.figures(shards, manifest, words, config)
        _finish(manifest, place, names, words)
        beside = {"inputs": inputs, "text_files": len(names), "vocab": words.path, "prefix": prefix}
        _write_beside(manifest, config, place, **beside)
    _say(manifest, config)
    remove_orphans(place)
    spent = time.perf_counter() - started
    return _result(manifest, place, config=config, vocab_size=len(words), made=made, seconds=spent)


def _check_text(config: RecordsConfig, inputs: Sequence[str], names: Sequence[str]) -> None:
    """Refuse files that are no text, and warn of text that does not look as the settings need."""
    if config.sentences == "line" and not config.word_length:  # sequences have long lines
        check_sentence_files(names)
    if remark := config.record_style.remark(inputs, config):
        log.logger.warning("%s", remark)


def _say(manifest: Manifest, config: RecordsConfig) -> None:
    """Log what the text holds, and what other programs will not read."""
    from bertkit.records.text_summary import say

    if "text" in manifest.stats:
        say(manifest.stats["text"], config)
    for remark in reader_remarks(manifest.outputs, config):
        log.logger.warning("%s", remark)


def _planned(
    config: RecordsConfig, words: Vocab, limit: int | None, names: Sequence[str], engine: Engine
) -> Manifest:
    return Manifest(
        "make-records",
        deciding(config, words, limit),
        inputs=describe_inputs(names, engine),
        tokenizer=facts_of(config, words).as_dict(),
        hidden=opens_all(config),
    )


def _result(
    manifest: Manifest,
    place: Path,
    *,
    config: RecordsConfig,
    vocab_size: int,
    made: int,
    seconds: float,
) -> RecordsResult:
    return RecordsResult(
        output=str(place),
        records=manifest.stats["records"],
        bytes=manifest.stats["bytes"],
        files=len(manifest.outputs),
        made=made,
        max_seq_length=config.max_seq_length,
        max_predictions_per_seq=config.predictions,
        vocab_size=vocab_size,
        seconds=round(seconds, 3),
        text=manifest.stats.get("text", {}),
    )


def _check_executor(
    executor: str, scheduler: str, limit: int | None, inputs: Sequence[str]
) -> None:
    check_executor(executor, scheduler)
    if executor == "dask" and any(map(files.is_remote, inputs)):
        raise UsageError(
            "--executor dask needs text in a folder that all workers see", "copy it there first"
        )
    if executor == "dask" and limit is not None:
        raise UsageError(
            "--limit makes one shard after another, on this machine only",
            "leave out --executor dask",
        )


def _missing_tasks(
    manifest: Manifest,
    place: Path,
    names: Sequence[str],
    *,
    config: RecordsConfig,
    words: Vocab,
    level: int,
) -> list[Task]:
    """A task for each shard that the folder does not have."""
    whole = verify(manifest, place)
    restore_indexes(manifest, place, config)
    if whole:
        log.logger.info("%s is complete already; nothing to do", place)
        return []
    return [
        Task(
            shard=shard,
            config=config,
            vocab=words.path,
            folder=str(place),
            styles=styles.registered(),
            level=level,
        )
        for shard in shards_of_run(manifest, names, config)
        if not is_done(shard, manifest)
    ]


def _write_beside(manifest: Manifest, config: RecordsConfig, place: Path, **facts: Any) -> None:
    """What the style, and the programs of packs, leave beside the record files."""
    records = manifest.stats["records"]
    folder = FinishedFolder(path=place, records=records, **facts)
    config.record_style.write_beside(folder, config)
    if config.packing != "none":
        from bertkit.records.files.packs.metadata import write_beside_packs

        write_beside_packs(place, manifest.outputs, config)


def build_shard(task: Task) -> Built:
    """Make the record files of one shard; none where its text holds no sentences."""
    from bertkit.records.text_summary import TOKENS, UNKNOWN, count_rest
    from bertkit.records.write_shard import text_read, write_shard

    styles.register_missing(task.styles)
    written = write_shard(
        task.shard,
        task.config,
        vocab=task.vocab,
        folder=task.folder,
        limit=task.limit,
        level=task.level,
    )
    read = text_read(task.config, task.vocab)
    if written:
        written[task.shard.outputs[0]].update({TOKENS: read.tokens, UNKNOWN: read.unknown})
    return Built(task.shard, written, count_rest(task.shard, task.level, read))


def _warm_up(task: Task) -> None:
    """Make a shard of nearly nothing: that loads all that shards of such tasks need."""
    with tempfile.TemporaryDirectory() as folder:
        text = os.path.join(folder, "text")
        files.write_text(text, "a b\nb a\n\nb a b\na\n")
        shard = Shard([text], [f"records{task.config.suffix}"])
        build_shard(task._replace(shard=shard, folder=folder))


def _from_anywhere(task: Task) -> Task:
    """A task whose paths hold in any working directory."""
    shard = task.shard._replace(inputs=[str(Path(name).absolute()) for name in task.shard.inputs])
    vocab, folder = (str(Path(name).absolute()) for name in (task.vocab, task.folder))
    return task._replace(shard=shard, vocab=vocab, folder=folder)


def _run(
    tasks: list[Task],
    manifest: Manifest,
    place: Path,
    *,
    limit: int | None,
    engine: Engine,
    text: RunText,
) -> int:
    """Build shards, noting each in the manifest once it is complete; returns files made."""
    if not tasks:
        return 0
    # A limit needs the number of records so far: one shard after another, in order.
    if limit is not None:
        results = _up_to(limit, tasks, manifest)
    else:
        # The largest first, so that no worker is late with one at the end.
        tasks = sorted(tasks, key=lambda task: -text_bytes(task.shard))
        if engine.executor == "dask":
            # Dask workers have another working directory.
            tasks = [_from_anywhere(task) for task in tasks]
        results = run_tasks(
            build_shard,
            tasks,
            workers=engine.workers,
            executor=engine.executor,
            scheduler=engine.scheduler,
            prepare=functools.partial(_warm_up, tasks[0]),
        )
    # Until _finish: a run that is killed here resumes from the manifest.
    if manifest.complete:
        manifest.state = "incomplete"
        manifest.write(place)
    made = 0
    total = sum(text_bytes(task.shard) for task in tasks)
    with log.progress(total=total, unit="B", scale=True, description="make-records") as bar:
        for built in results:
            engine.arrived(place, built.outputs)
            # Note an empty shard, so that a resumed run does not read it again.
            if not built.outputs:
                log.logger.warning("%s holds no sentences", ", ".join(built.shard.inputs))
            manifest.record(place, built.outputs, () if built.outputs else built.shard.outputs)
            text.add(built.shard, built.text)
            made += len(built.outputs)
            bar.update(text_bytes(built.shard))
    # Shards finish in any order, and the manifest must not depend on it.
    manifest.outputs = dict(sorted(manifest.outputs.items()))
    return made


def _up_to(limit: int, tasks: list[Task], manifest: Manifest) -> Iterator[Built]:
    """Shards in their order until the folder holds `limit` records, the last one cut."""
    for task in tasks:
        # `_run` lists each shard in the manifest before it asks for the next.
        room = limit - _records(manifest)
        if room <= 0:
            return
        yield build_shard(task._replace(limit=room))


def deciding(config: RecordsConfig, vocab: Vocab, limit: int | None) -> dict[str, Any]:
    """Everything beside the text that decides the bytes."""
    return {
        **config.stated(),
        "max_predictions_per_seq": config.predictions,
        "vocab_sha256": vocab.sha256,
        "vocab_size": len(vocab),
        "limit": limit,
    }


def _finish(manifest: Manifest, place: Path, names: Sequence[str], vocab: Vocab) -> None:
    records = _records(manifest)
    if not records:
        raise DataError(
            f"no sentences in {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}",
            "expected one sentence per line; `bertkit extract` makes such files",
        )
    if not manifest.complete:
        total = sum(facts["bytes"] for facts in manifest.outputs.values())
        manifest.stats.update(records=records, bytes=total, vocab=name_of(vocab.path))
        manifest.state = "complete"
        manifest.write(place)


def _records(manifest: Manifest) -> int:
    return sum(int(facts["records"]) for facts in manifest.outputs.values())
