"""Estimates records, disk and time of a make-records run from the beginning of its text."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from bertkit import log
from bertkit.errors import DataError
from bertkit.manifests.manifest import Manifest
from bertkit.manifests.output_state import MEANINGS, NEW, output_state
from bertkit.records.config import RecordsConfig
from bertkit.records.files.names import opens_all
from bertkit.records.inputs import list_inputs
from bertkit.records.make import deciding
from bertkit.records.shards import Shard, plan_shards
from bertkit.records.terms import ONE_CORPUS
from bertkit.records.vocabulary import no_input, opened
from bertkit.records.write_shard import write_shard
from bertkit.remote.copies import fetch_plan
from bertkit.storage import files
from bertkit.text.files import open_text
from bertkit.tokenization.vocabulary import Vocab
from bertkit.workers.pool import worker_count

SAMPLE_BYTES = 200_000


@dataclass(frozen=True)
class Estimate:
    """A plan: what would be read and written, and about how long it takes."""

    input_files: int
    input_bytes: int
    record_files: int
    estimated_records: int
    estimated_bytes: int
    estimated_seconds: float
    free_bytes: int
    to_copy: str = ""
    output_state: str = NEW

    def rows(self) -> list[tuple[str, Any]]:
        """(what, value) for people."""
        size = files.human_bytes(self.input_bytes)
        return [
            ("input", f"{log.counted(self.input_files, 'file')}, {size}"),
            ("record files", self.record_files),
            ("records", f"about {self.estimated_records:,}"),
            ("disk", f"about {files.human_bytes(self.estimated_bytes)}"),
            ("free disk", files.human_bytes(self.free_bytes)),
            ("time", f"about {self.estimated_seconds:,.0f} s"),
            ("output", MEANINGS[self.output_state]),
            *([("to copy first", self.to_copy)] if self.to_copy else []),
        ]


def estimate_records(
    config: RecordsConfig,
    inputs: Sequence[str],
    output: str | Path,
    vocab: str | Path,
    workers: int = 0,
    limit: int | None = None,
    prefix: str = "",
    overwrite: bool = False,
) -> Estimate:
    """Make the records of the first 200 kB of text and scale up.

    Args: as for `make.make_records`.

    Raises:
        DataError: as `make_records` would, for what can be seen in the beginning and in the
            output folder.
    """
    names = list_inputs(inputs, prefix, leave_out=[output, no_input(vocab, inputs)], fetch=False)
    copied = fetch_plan(inputs)
    words, config = opened(vocab, config, names)
    shards = plan_shards(names, config)
    total = sum(map(files.size_of, names))
    planned = Manifest("make-records", deciding(config, words, limit), hidden=opens_all(config))
    state = output_state(
        output, planned, input_bytes=None if copied else total, overwrite=overwrite
    )
    sample = _sample(names, config, words)
    if not sample.records:
        raise DataError(f"no sentences in the first {sample.text_bytes} bytes of {names[0]}")
    scale = total / sample.text_bytes
    records = round(sample.records * scale)
    kept = records if limit is None else min(limit, records)
    return Estimate(
        input_files=len(names),
        input_bytes=total,
        record_files=sum(len(shard.outputs) for shard in shards),
        estimated_records=kept,
        estimated_bytes=round(kept * sample.record_bytes / sample.records),
        estimated_seconds=round(sample.seconds * scale / worker_count(workers, len(shards)), 4),
        free_bytes=files.free_bytes(output),
        to_copy=copied.text if copied else "",
        output_state=state,
    )


class _Sample(NamedTuple):
    """What the beginning of the text gives."""

    text_bytes: int
    records: int
    record_bytes: int
    seconds: float


def _sample(names: Sequence[str], config: RecordsConfig, words: Vocab) -> _Sample:
    """Make a record file of the beginning in a temporary folder, twice: warm and timed."""
    once = replace(config, outputs=1, shards=ONE_CORPUS)
    used = 0
    with tempfile.TemporaryDirectory() as folder:
        texts = []
        for number, name in enumerate(names):
            with open_text(name) as stream:
                blob = stream.read(SAMPLE_BYTES - used)
            blob = blob[: blob.rfind(b"\n") + 1] or blob  # whole lines, where there are some
            texts.append(str(Path(folder) / f"{number}.txt"))
            Path(texts[-1]).write_bytes(blob)
            used += len(blob)
            if used >= SAMPLE_BYTES // 2:
                break
        shard = Shard(texts, ["sample"])
        write_shard(shard, replace(once, dupe_factor=1), vocab=words.path, folder=folder)
        started = time.perf_counter()
        made = write_shard(shard, once, vocab=words.path, folder=folder).get("sample", {})
        seconds = time.perf_counter() - started
    return _Sample(max(used, 1), made.get("records", 0), made.get("bytes", 0), seconds)
