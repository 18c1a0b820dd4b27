"""`bertkit inspect`: shows records and output folders as text."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.errors import DataError
from bertkit.hub.fetch import cached_vocabulary
from bertkit.hub.names import hub_name
from bertkit.manifests.inputs import total_bytes
from bertkit.manifests.manifest import Manifest, manifest_path, read_manifest
from bertkit.records import styles
from bertkit.records.files.find import JSON, METRICS, find_record_files, is_tfrecord
from bertkit.records.files.instance import RecordReader
from bertkit.records.files.jsonl import begins_with_record
from bertkit.records.files.open import SUFFIXES, open_any_records
from bertkit.records.files.packs.metadata import read_average
from bertkit.records.files.tfrecord.external_records import ExternalFile
from bertkit.records.files.tfrecord.sequence_example import TOKENS, TokenFile
from bertkit.records.tools.external_features import describe_external
from bertkit.records.tools.record_statistics import RecordStatistics, measure_records
from bertkit.storage import files
from bertkit.storage.input_files import expand_inputs
from bertkit.summary import report
from bertkit.tokenization.tokenizer_facts import of_records
from bertkit.tokenization.vocabulary import Vocab, find_vocab, load_vocab, vocab_in
from bertkit.workers.engine import Engine

JSONL_ENDING = ".jsonl"
BAR = 40
_LISTED = 20
_NOTICED = 5  # names of a kind
_PAIRS = {0: "B follows A", 1: "B does not follow A"}
LEGEND = "[MASK:token] hidden; {token} predicted but shown; {other:token} replaced by another"


def inspect_records(
    paths: Sequence[str],
    vocab: str | Path | None = None,
    count: int = 3,
    start: int = 0,
    limit: int = 100_000,
    engine: Engine | None = None,
) -> tuple[dict[str, Any], str]:
    """What record files hold: numbers over them, and some records token by token.

    Args:
        paths: record files, ours or others' with the seven features of BERT; of TFRecords
            with other features the names, types, sizes and values are shown.
        vocab: to show tokens, not ids; by default the one that the folder's manifest
            names, if it is still there.
        count: records to show of the first file.
        start: number of the first one shown.
        limit: records to measure per file.
        engine: where they are measured.

    Returns:
        (plain values, text).

    Raises:
        DataError: unreadable or damaged files.
    """
    first = open_any_records(paths[0])
    if isinstance(first, TokenFile):
        features = {TOKENS: f"{len(first.tokens(0))} byte strings"}
        text = f"{paths[0]} holds unmasked tokens; the first record:\n\n"
        return {"features": features}, text + " ".join(first.tokens(0))
    if isinstance(first, ExternalFile):
        external = [first, *map(ExternalFile, paths[1:])]
        return describe_external(external, count=count, start=start, limit=limit)
    counts = measure_records(paths, limit, engine)
    measured, packs = counts.statistics(), counts.sequences_per_pack
    words = vocabulary(vocab, paths[0])
    numbers = range(len(first))[start : start + count]
    shown = [show_record(first, number, words, measured.mask_id) for number in numbers]
    stated = read_average(Path(paths[0]).parent) if packs else None
    overview = _overview(measured, len(paths), packs, stated)
    text = "\n\n".join(
        [overview, log.wrapped(LEGEND, log.width()), *shown] if shown else [overview]
    )
    facts = {"sequences_per_pack": packs, "stated_sequences_per_pack": stated} if packs else {}
    return {"files": len(paths), **asdict(measured), **facts}, text


def show_record(
    source: RecordReader, number: int, vocab: Vocab | None, mask_id: int, columns: int = 0
) -> str:
    """One record: both segments with what is masked, and the answer to the pair question.

    Args:
        source: the file.
        number: of the record.
        vocab: gives the tokens; without it ids are shown.
        mask_id: id of [MASK].
        columns: to wrap lines at; 0 for those of the terminal.
    """
    columns = columns or log.width()
    record = {name: values[0] for name, values in source.batch([number]).items()}
    words = [_word(int(i), vocab) for i in record["input_ids"]]
    predictions = (
        record[name] for name in ("masked_lm_positions", "masked_lm_ids", "masked_lm_weights")
    )
    for position, truth, weight in zip(*predictions, strict=True):
        if weight > 0:
            shown = int(record["input_ids"][position])
            words[position] = _marked(shown, int(truth), vocab, mask_id)
    real = int(record["input_mask"].sum())
    cut = int((record["segment_ids"][:real] == 0).sum())
    title = (
        f"Record {number}: {real} of {source.max_seq_length} tokens, "
        f"{int((record['masked_lm_weights'] > 0).sum())} predicted, "
        + _PAIRS.get(int(record["next_sentence_labels"]), "no pair")
    )
    parts = [_part("A", words[:cut], columns)]
    if cut < real:
        parts.append(_part("B", words[cut:real], columns))
    return "\n".join([title, *parts])


def _part(name: str, words: Sequence[str], columns: int) -> str:
    return log.wrapped(f"{name}: {' '.join(words)}", columns, 2, 5)


def inspect_manifest(folder: str | Path) -> tuple[dict[str, Any], str]:
    """What an output folder says of itself.

    Raises:
        DataError: no manifest there.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise DataError(f"{folder} has no manifest.json", "give a folder that bertkit wrote")
    return manifest.as_dict(), _manifest_text(Path(folder), manifest)


def has_manifest(folder: str | Path) -> bool:
    """True for a folder that a bertkit command wrote."""
    return manifest_path(folder) is not None


def record_files(paths: Sequence[str]) -> list[str]:
    """The record files among files and folders; none for a folder that holds no records.

    The folder of a training run holds none: its metrics are JSON lines of another kind.
    """
    found: list[str] = []
    for path in paths:
        if not os.path.isdir(path):
            found += expand_inputs([path])
        elif (Path(path) / METRICS).is_file():
            continue
        else:
            with contextlib.suppress(DataError):  # no record files
                found += find_record_files([path])
    return found


def holds_records(path: str) -> bool:
    """Whether a file is one of records, by its ending and its first bytes."""
    if path.endswith((JSONL_ENDING, JSON)):
        return begins_with_record(path)
    return path.endswith(SUFFIXES) or is_tfrecord(path)


def holds_text(manifest: dict[str, Any]) -> bool:
    """Whether the folder of a manifest holds sentence files."""
    return manifest.get("command") in ("extract", "split", "clean")


def _manifest_text(folder: Path, manifest: Manifest) -> str:
    stats = dict(manifest.stats)
    text = stats.pop("text", None)
    tables = [stats.get("noticed", {}), stats.get("criteria", {})]
    named = all(isinstance(table, dict) for table in tables)
    if (text and not report.are_figures(text)) or not (
        named and all(isinstance(found, dict) for table in tables for found in table.values())
    ):
        raise DataError(
            f"{manifest_path(folder)}: damaged: stats is not what bertkit writes there",
            "restore it from a copy, or make the folder again with --overwrite",
        )
    noticed = stats.pop("noticed", {})
    criteria = {
        name: {key: fact for key, fact in found.items() if key != "examples"}
        for name, found in stats.pop("criteria", {}).items()
    }
    read = total_bytes(manifest.inputs)
    facts = [
        ("made by", f"bertkit {manifest.command} (bertkit {manifest.versions.get('bertkit')})"),
        ("state", manifest.state),
        ("inputs", f"{log.counted(len(manifest.inputs), 'file')}, {files.human_bytes(read)}"),
        *((key, _counted(value)) for key, value in stats.items() if value not in ({}, [], None)),
        *((kind, _most_frequent(names)) for kind, names in noticed.items()),
        *of_records(manifest, folder).rows(),
    ]
    parts = [
        log.table(("folder", str(folder)), facts),
        *([log.table(("text read", "value"), report.rows(text))] if text else []),
        *([log.table(("criterion", "found"), criteria.items())] if criteria else []),
        log.table(("setting", "value"), manifest.config.items()),
    ]
    if manifest.outputs:
        names = list(manifest.outputs)
        columns = list(dict.fromkeys(key for name in names for key in manifest.outputs[name]))
        hidden = ("sha256", "crc_sha256", "digest", "index_bytes", "index_sha256")
        columns = [key for key in columns if key not in hidden]
        rows = [
            (name, *(_counted(manifest.outputs[name].get(key, "")) for key in columns))
            for name in names[:_LISTED]
        ]
        more = f" (the first {_LISTED} of {len(names)})" if len(names) > _LISTED else ""
        parts.append(log.table(("file" + more, *columns), rows))
    return "\n\n".join(parts)


def _counted(value: Any) -> Any:
    """A number with separators of thousands; anything else as it is."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value


def _most_frequent(names: dict[str, list[Any]]) -> str:
    """The first names of what readers noticed, each with its count."""
    shown = [f"{name} {entry[0]:,}" for name, entry in list(names.items())[:_NOTICED]]
    more = [f"and {len(names) - _NOTICED:,} more"] if len(names) > _NOTICED else []
    return ", ".join([*shown, *more])


def _overview(
    found: RecordStatistics, count: int, packs: float | None, stated: float | None
) -> str:
    part = "" if found.measured == found.records else f" ({found.measured:,} of them measured)"
    rows = [
        ("records", f"{found.records:,} in {log.counted(count, 'file')}{part}"),
        ("shape", f"{found.max_seq_length} tokens, {found.max_predictions_per_seq} predictions"),
        ("real tokens", f"{found.mean_length} on average, {found.fill:.1%} of the slots"),
        ("without padding", f"{found.full:.1%}"),
        ("predicted tokens", f"{found.mean_predictions} on average"),
        (
            "of them",
            f"{found.masked:.1%} [MASK], {found.kept:.1%} shown, {found.replaced:.1%} replaced",
        ),
        ("random next", f"{found.random_next:.1%}" if found.pairs else "the records have no pairs"),
    ]
    if packs:
        beside = f", {stated:.4g} in the file beside the folder" if stated else ""
        rows.insert(1, ("packed", f"{packs} sequences per pack on average{beside}"))
    return log.table(("records", "value"), rows) + "\n\n" + histogram(found.histogram)


def histogram(bins: Sequence[tuple[int, int, int]]) -> str:
    """Lengths as bars of text, one line per bin (shortest, longest, records)."""
    most = max((records for _, _, records in bins), default=0) or 1
    digits = len(str(bins[-1][1])) if bins else 1
    lines = [
        f"{low:>{digits}}-{high:<{digits}} {'#' * round(BAR * records / most):<{BAR}} {records:,}"
        for low, high, records in bins
    ]
    return "\n".join(["Real tokens per record", *lines])


def _marked(shown: int, truth: int, vocab: Vocab | None, mask_id: int) -> str:
    if shown == mask_id:
        return f"[MASK:{_word(truth, vocab)}]"
    if shown == truth:
        return f"{{{_word(truth, vocab)}}}"
    return f"{{{_word(shown, vocab)}:{_word(truth, vocab)}}}"


def _word(number: int, vocab: Vocab | None) -> str:
    return vocab.token(number) if vocab else str(number)


def vocabulary(vocab: str | Path | None, path: str) -> Vocab | None:
    """The vocabulary asked for; else the one in the manifest, if it is unchanged."""
    if vocab is not None:
        return load_vocab(find_vocab(vocab), "first")
    manifest = read_manifest(Path(path).parent)
    name = manifest.stats.get("vocab") if manifest else None
    if manifest is None or name is None:
        return None
    if (on_hub := hub_name(name)) is not None:
        folder = cached_vocabulary(on_hub)
        name = vocab_in(folder) if folder else ""
    if not name or not os.path.isfile(name):
        return None
    style = {style.name: style for style in styles.TABLE}.get(str(manifest.config.get("style")))
    found = load_vocab(name, (style and style.duplicate_lines) or "first")
    return found if found.sha256 == manifest.config.get("vocab_sha256") else None
