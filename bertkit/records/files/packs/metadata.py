"""Reads and writes what lies beside files of packs for the programs that train on them.

Habana's divides its accumulation steps by `avg_seq_per_sample` of `NAME_metadata.json`, beside
the folder. Graphcore's PyTorch and PopXL programs open `NAME.index` beside `NAME.tfrecord`: a
line per record, its first byte and its size, as the package tfrecord's tfrecord2idx writes it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bertkit.codecs.strict_json import json_text
from bertkit.errors import DataError
from bertkit.records.files.index_file import read_index
from bertkit.records.files.packs.formats import GRAPHCORE, HABANA
from bertkit.records.files.record_index import INSTANCES, OFFSETS, index_path
from bertkit.storage.files import read_json, write_text

if TYPE_CHECKING:
    from bertkit.records.config import RecordsConfig

KEY = "avg_seq_per_sample"


def write_beside_packs(
    folder: str | os.PathLike[str], outputs: Mapping[str, Mapping[str, Any]], config: RecordsConfig
) -> None:
    """Write what the program of a packing wants beside a complete folder of packs.

    Args:
        folder: of packs.
        outputs: its files and what the manifest says of them.
        config: the settings they were made with.
    """
    if config.packing == HABANA:
        packs = sum(facts["records"] for facts in outputs.values())
        write_average(folder, sum(facts[INSTANCES] for facts in outputs.values()) / packs)
    elif config.packing == GRAPHCORE:
        for name in outputs:
            _write_record_places(Path(folder) / name)


def _write_record_places(path: Path) -> None:
    """`NAME.index` of a TFRecord file; an equal one is left alone."""
    index = read_index(index_path(path))
    if index is None:
        return
    offsets = index.columns[OFFSETS].all()
    pairs = zip(offsets.tolist(), np.diff(offsets).tolist(), strict=False)
    text = "".join(f"{offset} {size}\n" for offset, size in pairs)
    target = path.with_name(path.name.replace(".tfrecord", ".index"))
    if not target.is_file() or target.read_text(encoding="ascii") != text:
        write_text(target, text)


def metadata_path(folder: str | os.PathLike[str]) -> Path:
    """Where Habana's program looks: beside the folder of records, named after it."""
    place = Path(folder).absolute()
    return place.with_name(f"{place.name}_metadata.json")


def write_average(folder: str | os.PathLike[str], average: float) -> None:
    """Note the mean number of sequences per pack; an equal file is left alone."""
    path, text = metadata_path(folder), json_text({KEY: average})
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


def read_average(folder: str | os.PathLike[str]) -> float | None:
    """The mean number of sequences per pack; None where no such file lies there.

    Raises:
        DataError: the file says nothing of it.
    """
    path = metadata_path(folder)
    if not path.is_file():
        return None
    try:
        average = float(read_json(path)[KEY])
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        raise DataError(
            f"{path}: {KEY} is missing or not a number: {error!r}", "remove or repair the file"
        ) from error
    if not 1 <= average < math.inf:
        raise DataError(f"{path}: {KEY} is {average}, but a pack holds one sequence or more")
    return average
