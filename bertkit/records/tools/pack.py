"""`bertkit pack-records`: packs existing record files, whatever program wrote them.

Each file gives one file of packs, with the packs that `make-records --packing` makes of the same
instances. Habana's pack_pretraining_data_pytorch.py mixes all files of a folder instead.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bertkit import log
from bertkit.errors import ConfigError, DataError, UsageError
from bertkit.manifests.listed_files import require_listed
from bertkit.manifests.manifest import Manifest, describe_inputs, working_folder
from bertkit.manifests.output_state import output_state
from bertkit.records.config import PACKINGS, RecordsConfig
from bertkit.records.files.find import find_record_files
from bertkit.records.files.formats import FORMATS, HDF5, TFRECORD
from bertkit.records.files.names import TRAINING, is_held_out, opens_all, reader_remarks
from bertkit.records.files.open import open_records
from bertkit.records.files.packs.formats import HABANA, pack_shape
from bertkit.records.files.packs.metadata import write_beside_packs
from bertkit.records.files.record_index import INSTANCES, remove_orphans
from bertkit.records.shards import distinct
from bertkit.records.tools.pick_eval import tokenizer_of
from bertkit.remote.copies import local_inputs, named_inputs
from bertkit.storage.files import human_bytes, is_remote
from bertkit.workers.engine import Engine
from bertkit.workers.pool import run_tasks

_VOCABULARY = ("vocab_sha256", "vocab_size")


@dataclass(frozen=True)
class PackOptions:
    """How to pack.

    Attributes:
        packing: `habana` or `graphcore`.
        format: `hdf5` or `tfrecord`; empty: hdf5 for habana, tfrecord for graphcore.
        sequences_per_pack: most sequences of a pack.
    """

    packing: str = HABANA
    format: str = ""
    sequences_per_pack: int = 3


@dataclass(frozen=True)
class PackResult:
    """What was made: sequences, the packs that hold them, bytes and files of the folder."""

    output: str
    instances: int
    records: int
    sequences_per_pack: float
    bytes: int
    files: int
    made: int
    max_seq_length: int
    max_predictions_per_seq: int
    seconds: float

    def as_text(self) -> str:
        """The counts for people."""
        return (
            f"{self.instances:,} sequences in {self.records:,} packs of {self.max_seq_length} "
            f"tokens, {self.sequences_per_pack} per pack, {human_bytes(self.bytes)} in "
            f"{log.counted(self.files, 'file')} in {self.output} "
            f"({self.made} made now, {self.seconds:.1f} s)"
        )


class Task(NamedTuple):
    """All that a worker process needs for a file."""

    source: str
    target: Path
    config: RecordsConfig


def pack_records(
    inputs: Sequence[str],
    output: str | Path,
    options: PackOptions,
    workers: int = 0,
    overwrite: bool = False,
) -> PackResult:
    """Write the sentence pairs of record files as packs; finished files stay.

    Args:
        inputs: record files of any format, globs, folders, URLs or `@list.txt`.
        output: folder to fill.
        options: how.
        workers: processes, one per core for 0; the bytes do not depend on it.
        overwrite: replace what another run left in the folder.

    Raises:
        DataError: unreadable records, of different shapes or without sentence pairs, or a
            folder that belongs to another run.
        UsageError: the format does not go with the packing.
        ConfigError: no such packing or format.
    """
    _require_known(options)
    started = time.perf_counter()
    place = Path(output)
    inputs = local_inputs(inputs)
    tokenizer = tokenizer_of(inputs)
    names = find_record_files(inputs, leave_out=[output])
    config = _config(names, options)
    inputs_read = describe_inputs(names, Engine(workers))
    require_listed(inputs_read)
    planned = _planned(config, tokenizer, inputs_read)
    with working_folder(place, planned, overwrite) as manifest:
        made = _pack_missing(manifest, place, names, config=config, workers=workers)
        packs = sum(facts["records"] for facts in manifest.outputs.values())
        instances = sum(facts[INSTANCES] for facts in manifest.outputs.values())
        size = sum(facts["bytes"] for facts in manifest.outputs.values())
        if not manifest.complete:
            manifest.stats = {"records": packs, INSTANCES: instances, "bytes": size}
            manifest.state = "complete"
            manifest.write(place)
        write_beside_packs(place, manifest.outputs, config)
    for remark in reader_remarks(manifest.outputs, config):
        log.logger.warning("%s", remark)
    remove_orphans(place)
    return PackResult(
        output=str(place),
        instances=instances,
        records=packs,
        sequences_per_pack=round(instances / packs, 4),
        bytes=size,
        files=len(manifest.outputs),
        made=made,
        max_seq_length=config.max_seq_length,
        max_predictions_per_seq=config.predictions,
        seconds=round(time.perf_counter() - started, 3),
    )


def state_of_output(
    inputs: Sequence[str], output: str | Path, options: PackOptions, overwrite: bool = False
) -> str:
    """What becomes of the output folder, see `bertkit.manifests.output_state`.

    Empty where the records would have to be copied first to know.

    Raises:
        DataError, UsageError, ConfigError: as for `pack_records`.
    """
    _require_known(options)
    if any(map(is_remote, named_inputs(inputs))):
        return ""
    tokenizer = tokenizer_of(inputs)
    names = find_record_files(inputs, leave_out=[output])
    planned = _planned(_config(names, options), tokenizer)
    size = sum(os.path.getsize(name) for name in names)
    return output_state(output, planned, input_bytes=size, overwrite=overwrite)


def _planned(
    config: RecordsConfig,
    tokenizer: Mapping[str, Any],
    described: Sequence[dict[str, Any]] = (),
) -> Manifest:
    return Manifest(
        "pack-records",
        _deciding(config, tokenizer),
        described,
        tokenizer=dict(tokenizer),
        hidden=opens_all(config),
    )


def _deciding(config: RecordsConfig, tokenizer: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide which bytes are written."""
    return {
        "packing": config.packing,
        "format": config.file_format,
        "sequences_per_pack": config.sequences_per_pack,
        "max_seq_length": config.max_seq_length,
        "max_predictions_per_seq": config.predictions,
        **{key: value for key, value in tokenizer.items() if key in _VOCABULARY},
    }


def _require_known(options: PackOptions) -> None:
    """Refuse words that nothing is made of; the command offers no others."""
    packings = [name for name in PACKINGS if name != "none"]
    for flag, word, known in (
        ("packing", options.packing, packings),
        ("format", options.format or TFRECORD, list(FORMATS)),
    ):
        if word not in known:
            raise ConfigError(f"--{flag} {word}: no such {flag}", f"one of {', '.join(known)}")
    if options.sequences_per_pack < 2:
        raise ConfigError(
            f"--sequences-per-pack {options.sequences_per_pack}: a pack holds several",
            "give 2 or more",
        )


def _config(names: Sequence[str], options: PackOptions) -> RecordsConfig:
    """The settings of `make-records` that make such packs, with the shape of the records."""
    file_format = options.format or (HDF5 if options.packing == HABANA else TFRECORD)
    shapes = {
        (file.max_seq_length, file.max_predictions_per_seq): name
        for name in reversed(names)
        for file in [open_records(name)]
    }
    if len(shapes) > 1:
        texts = [f"{name}: {length} tokens, {most} predictions"
                 for (length, most), name in list(shapes.items())[::-1][:3]]  # fmt: skip
        raise DataError(f"records of different shapes: {'; '.join(texts)}", "pack them apart")
    ((length, predictions),) = shapes
    config = RecordsConfig(
        max_seq_length=length,
        max_predictions_per_seq=predictions,
        packing=options.packing,
        format=file_format,
        sequences_per_pack=options.sequences_per_pack,
    )
    if problems := config.problems():
        raise UsageError(problems[0])
    return config


def _pack_missing(
    manifest: Manifest, place: Path, names: Sequence[str], *, config: RecordsConfig, workers: int
) -> int:
    """Pack the files that the folder does not have yet; returns how many were made."""
    targets = distinct([_stem(name) for name in names], config.suffix)
    kept = {
        name: facts
        for name, facts in manifest.outputs.items()
        if (place / name).is_file() and (place / name).stat().st_size == facts["bytes"]
    }
    if manifest.complete and len(kept) == len(manifest.outputs):
        log.logger.info("%s is complete already; nothing to do", place)
        return 0
    was_complete = manifest.complete
    manifest.outputs, manifest.state = kept, "incomplete"
    if was_complete:  # a run that is killed here resumes from the manifest
        manifest.write(place)
    tasks = [
        Task(name, place / target, config)
        for name, target in zip(names, targets, strict=True)
        if target not in kept
    ]
    for done, facts in run_tasks(pack_file, tasks, workers=workers):
        manifest.record(place, {done.target.name: facts})
    # Files are packed in any order, and the manifest must not depend on it.
    manifest.outputs = dict(sorted(manifest.outputs.items()))
    return len(tasks)


def _stem(name: str) -> str:
    """The name of a file of packs: the program that reads it asks for no word in it."""
    stem = Path(name).name.rpartition(".")[0] or Path(name).name
    return stem if is_held_out(stem) else stem.removesuffix(f"_{TRAINING}")


def pack_file(task: Task) -> tuple[Task, dict[str, Any]]:
    """Pack one file; what the manifest says of the new one.

    Raises:
        DataError: as for `pack_records`.
    """
    from bertkit.records.files.record_index import ENDS
    from bertkit.records.files.writers import open_writer
    from bertkit.records.instances.record_packs import RecordPacks
    from bertkit.records.write_shard import write_index_of

    config = task.config
    shape = pack_shape(
        config.packing, config.max_seq_length, config.predictions, config.sequences_per_pack
    )
    packs = RecordPacks(open_records(task.source), config.packing, shape)
    every = range(len(packs))
    facts: dict[str, Any] = {}
    with open_writer(task.target, config, facts) as writer:
        writer.add(packs, every)
    columns = writer.columns() | {ENDS: packs.sizes(every).cumsum()}
    return task, facts | write_index_of(task.target, config, facts["records"], columns)
