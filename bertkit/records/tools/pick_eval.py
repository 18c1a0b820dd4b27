"""`bertkit pick-eval`: picks evenly spaced records as an evaluation set, as MLPerf does."""

from __future__ import annotations

import bisect
import itertools
import operator
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.errors import DataError, UsageError
from bertkit.kinds.misplaced import refuse_misplaced
from bertkit.kinds.recognise import RECORDS
from bertkit.manifests.listed_files import require_listed
from bertkit.manifests.manifest import Manifest, read_manifest, require_complete, working_folder
from bertkit.manifests.output_state import output_state
from bertkit.records.files.find import find_record_files
from bertkit.records.files.instance import NO_LABEL, RecordReader, instances_of, to_batch
from bertkit.records.files.open import open_any_records, open_records
from bertkit.records.files.record_index import OFFSETS, write_own_index
from bertkit.records.files.schema import DTYPES, digest
from bertkit.records.files.tfrecord.external_records import ExternalFile, decode_external
from bertkit.records.files.tfrecord.frames import (
    Feature,
    decode_example,
    encode_example,
    read_records,
    write_records,
)
from bertkit.records.files.tfrecord.reader import MaskedOnlyFile, RecordFile, frame_offsets
from bertkit.records.files.tfrecord.sequence_example import TokenFile
from bertkit.records.tools.described_records import described_records
from bertkit.remote.copies import local_inputs
from bertkit.storage.files import human_bytes, is_remote
from bertkit.tokenization.tokenizer_facts import TokenizerFacts, of_records, require_same
from bertkit.workers.engine import Engine

NAME = "eval.tfrecord"
_VOCABULARY = ("vocab_sha256", "vocab_size")
_BLOCK = 1024
# (files, (file, number in it) of the picked records) → their payloads.
Payloads = Callable[[Sequence[Any], Iterable[tuple[int, int]]], Iterator[bytes]]


@dataclass(frozen=True)
class PickResult:
    """What was picked: from how many records, how many, into which file."""

    output: str
    available: int
    records: int
    bytes: int
    sha256: str
    digest: str
    seconds: float

    def as_text(self) -> str:
        """The counts for people."""
        return (
            f"{self.records:,} records, picked from {self.available:,}, "
            f"{human_bytes(self.bytes)}, in {self.output}\ndigest {self.digest}"
        )


def pick_eval(
    inputs: Sequence[str],
    output: str | Path,
    count: int,
    overwrite: bool = False,
    engine: Engine | None = None,
) -> PickResult:
    """Copy records number `int(i * (available / count))`, i = 0 … count - 1, to a new file.

    The rule, in float arithmetic, is that of MLPerf's `pick_eval_samples.py`. TFRecords
    are copied as they are, checksums checked, also those with other features than BERT's;
    the instances of other formats, and of packs, are written as records with the seven
    features. Where there are fewer records than asked for, they are repeated, as by MLPerf's
    program, and a warning says so: accuracies over them are those of the fewer records.

    Args:
        inputs: record files of any format, globs, folders or `@list.txt`; several files are
            one list.
        output: folder for `eval.tfrecord` and `manifest.json`, which holds the digest of
            what the picked records mean.
        count: how many to pick.
        overwrite: replace what another run left in the folder.
        engine: what reads files for their checksums and indexes, where those are not known.

    Raises:
        DataError: no records, records with and without pairs, or a broken file.
    """
    if count < 1:
        raise UsageError(f"--count {count}: there is nothing to pick", "give 1 or more")
    started = time.perf_counter()
    inputs = local_inputs(inputs)
    tokenizer = tokenizer_of(inputs)
    names = find_record_files(inputs, leave_out=[output])
    described = described_records(names, read_manifest(output), engine)
    sources = [_open(name) for name in names]
    payloads = _way(sources)
    ends = list(itertools.accumulate(len(source) for source in sources))
    _check_number(ends[-1], count, names)
    # Records with checksums of their own are compared with those while they are copied.
    require_listed(entry for entry in described if "sha256" in entry)
    planned = _planned(count, tokenizer, described)
    with working_folder(output, planned, overwrite) as manifest:
        target = Path(output) / NAME
        if manifest.complete and target.is_file():
            log.logger.info("%s is complete already; nothing to do", output)
        else:
            manifest.state = "incomplete"
            picked = payloads(sources, _picked(ends, count))
            facts = _write(target, picked, external=isinstance(sources[0], ExternalFile))
            manifest.outputs[NAME] = facts
            manifest.stats = {"available": ends[-1], "records": facts["records"]}
            manifest.state = "complete"
            manifest.write(output)
    return _result(target, ends[-1], manifest.outputs[NAME], time.perf_counter() - started)


def state_of_output(
    inputs: Sequence[str], output: str | Path, count: int, overwrite: bool = False
) -> str:
    """What becomes of the output folder, see `bertkit.manifests.output_state`.

    Empty where the records would have to be copied first to know.

    Raises:
        DataError: the folder belongs to another run, the records do not go together, or an input
            holds something else.
    """
    if any(map(is_remote, inputs)):
        return ""
    for name in find_record_files(inputs, leave_out=[output]):
        refuse_misplaced(name, RECORDS)
    return output_state(output, _planned(count, tokenizer_of(inputs)), overwrite=overwrite)


def _planned(
    count: int, tokenizer: dict[str, Any], described: Sequence[dict[str, Any]] = ()
) -> Manifest:
    known = {key: value for key, value in tokenizer.items() if key in _VOCABULARY}
    settings = {"count": count, **known}
    return Manifest("pick-eval", settings, inputs=described, tokenizer=tokenizer)


def _result(target: Path, available: int, facts: dict[str, Any], seconds: float) -> PickResult:
    return PickResult(
        output=str(target),
        available=available,
        records=facts["records"],
        bytes=facts["bytes"],
        sha256=facts["sha256"],
        digest=facts["digest"],
        seconds=round(seconds, 3),
    )


def _check_number(available: int, count: int, names: Sequence[str]) -> None:
    if not available:
        raise DataError(f"no records in {names[0] if len(names) == 1 else f'{len(names)} files'}")
    if available < count:
        log.logger.warning(
            f"{available:,} records for --count {count:,}: they are repeated, as by MLPerf's"
            " program; the set tells no more than those records do"
        )


def _write(target: Path, payloads: Iterable[bytes], *, external: bool) -> dict[str, Any]:
    """Write the records and their index; what the manifest says of them."""
    written = write_records(target, payloads)
    offsets = {OFFSETS: frame_offsets(str(target))}
    index = write_own_index(target, {"records": written.records}, offsets)
    meanings = _meanings(target, external=external)
    return {**written._asdict(), **index._asdict(), "digest": digest(meanings)}


def _open(name: str) -> RecordReader | ExternalFile:
    source = open_any_records(name)
    return open_records(name) if isinstance(source, TokenFile) else source


def _way(sources: Sequence[RecordReader | ExternalFile]) -> Payloads:
    """How the picked records are written: copied, or as the seven features.

    Raises:
        DataError: the files hold records of different kinds.
    """
    kinds = {type(source) for source in sources}
    if kinds == {ExternalFile}:
        log.logger.info("the records have other features than BERT's; they are copied as they are")
    elif ExternalFile in kinds:
        raise DataError("some records have BERT's features and others do not", "pick from one kind")
    if kinds in ({RecordFile}, {MaskedOnlyFile}):
        _require_one_shape(sources)
    if kinds in ({RecordFile}, {MaskedOnlyFile}, {ExternalFile}):
        return _copies
    if MaskedOnlyFile in kinds:
        raise DataError("some records have sentence pairs and others do not", "pick from one kind")
    return _encoded


def _meanings(path: Path, external: bool) -> Iterator[dict[str, Feature]]:
    """The features of the picked records, for their digest."""
    for payload in read_records(path):
        yield decode_external(payload).flat() if external else decode_example(payload)


def tokenizer_of(inputs: Sequence[str]) -> dict[str, Any]:
    """What the records' manifests say of their tokens, so that the set still tells it.

    Raises:
        DataError: an unfinished folder, or records of several vocabularies.
    """
    found: list[TokenizerFacts] = []
    folders = [name if os.path.isdir(name) else str(Path(name).parent) for name in inputs]
    for folder in dict.fromkeys(folders):
        manifest = require_complete(folder)
        facts = of_records(manifest, folder) if manifest else TokenizerFacts()
        if facts.names_vocabulary:
            found.append(facts)
            require_same(found[0], facts, "pick from one set")
    return found[0].as_dict() if found else {}


def picked_numbers(available: int, count: int) -> Iterator[int]:
    """Numbers of the picked records, ascending."""
    step = available / count
    return (int(index * step) for index in range(count))


def _picked(ends: list[int], count: int) -> Iterator[tuple[int, int]]:
    """(file, number in it) of the picked records."""
    for number in picked_numbers(ends[-1], count):
        which = bisect.bisect_right(ends, number)
        yield which, number - (ends[which - 1] if which else 0)


def _copies(sources: Sequence[Any], picked: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    """TFRecords as they are, once their numbers have been looked at.

    Raises:
        DataError: a record that training would refuse.
    """
    for which, places in itertools.groupby(picked, operator.itemgetter(0)):
        source, numbers = sources[which], [number for _, number in places]
        for start in range(0, len(numbers), _BLOCK):
            block = numbers[start : start + _BLOCK]
            if not isinstance(source, ExternalFile):
                source.batch(block)
            yield from map(source.record, block)


def _require_one_shape(sources: Sequence[Any]) -> None:
    """Refuse records of two widths in one set, which no program reads.

    Raises:
        DataError: names two files.
    """
    first = sources[0]
    for other in sources:
        sizes = [(one.max_seq_length, one.max_predictions_per_seq) for one in (first, other)]
        if sizes[0] != sizes[1]:
            raise DataError(
                f"records of different shapes: {first.path} has {sizes[0][0]} tokens and"
                f" {sizes[0][1]} predictions, {other.path} {sizes[1][0]} and {sizes[1][1]}",
                "pick from files of one make-records run",
            )


def _encoded(sources: Sequence[RecordReader], picked: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    """Instances as the seven features, padded to the largest sizes among the files."""
    length = max(source.max_seq_length for source in sources)
    predictions = max(source.max_predictions_per_seq for source in sources)
    for which, places in itertools.groupby(picked, operator.itemgetter(0)):
        numbers = [number for _, number in places]
        for start in range(0, len(numbers), _BLOCK):
            instances = list(instances_of(sources[which].batch(numbers[start : start + _BLOCK])))
            if any(instance.next_label == NO_LABEL for instance in instances):
                raise DataError(
                    f"{sources[which].path}: records without sentence pairs", "pick from others"
                )
            batch = to_batch(instances, length, predictions)
            for row in range(len(instances)):
                yield encode_example(
                    {name: batch[name][row : row + 1].astype(kind) for name, kind in DTYPES.items()}
                )
