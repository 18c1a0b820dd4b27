"""Reads and writes `NAME_metadata.json` beside Habana's packs: sequences per pack.

Habana's training program divides its accumulation steps by `avg_seq_per_sample`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from bertkit.errors import DataError
from bertkit.files import write_text
from bertkit.strict_json import json_text

KEY = "avg_seq_per_sample"


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
        average = float(json.loads(path.read_text(encoding="utf-8"))[KEY])
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{path}: {KEY} is missing or not a number: {error!r}", "remove or repair the file"
        ) from error
    if not average >= 1:
        raise DataError(f"{path}: {KEY} is {average}, but a pack holds one sequence or more")
    return average
