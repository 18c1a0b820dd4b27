"""Keeps `seeds.json`: what the runs of one command with `--seeds` scored. Imports no torch."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bertkit.codecs.strict_json import json_text
from bertkit.configuration.config import setting
from bertkit.configuration.option_groups import TASK
from bertkit.configuration.settings import FREE
from bertkit.errors import BertkitError
from bertkit.storage.files import read_json, write_text

SEEDS = "seeds.json"
LARGEST_SEED = 1 << 63  # a seed that somebody wrote there may be larger


def seeds_setting() -> Any:
    """The setting `--seeds`, the same for all tasks that are fine-tuned."""
    return setting(
        "",
        help="Train and score N seeds one after another, 1 to N (or those of a list, 7,11), each in"
        " a sub-folder seed-1, ... of --output; then show mean, deviation, median and best.",
        on_resume=FREE,
        group=TASK,
        metavar="N|LIST",
        example="3",
    )


def seed_folder(seed: int) -> str:
    """Name of the sub-folder of a seed."""
    return f"seed-{seed}"


def write_seeds(
    folder: str | Path,
    seeds: Sequence[int],
    inputs: Mapping[int, str],
    summary: Mapping[str, Any],
) -> None:
    """Write `seeds.json`.

    Args:
        folder: that holds the sub-folders of the seeds.
        seeds: all of the command, also those that are still to come.
        inputs: seed → digest of the settings and files that it was scored with.
        summary: of those that were scored.
    """
    values = {"seeds": list(seeds), "inputs": {str(k): v for k, v in inputs.items()}, **summary}
    write_text(Path(folder) / SEEDS, json_text(values, indent=1) + "\n")


def read_inputs(folder: str | Path) -> dict[int, str]:
    """Seed → digest of the settings and files that it was scored with; empty where unknown."""
    with contextlib.suppress(BertkitError, AttributeError, KeyError, TypeError, ValueError):
        if (Path(folder) / SEEDS).is_file():
            found = read_json(Path(folder) / SEEDS)["inputs"]
            return {int(seed): str(digest) for seed, digest in found.items()}
    return {}


def missing_seeds(folder: str | Path) -> list[str]:
    """Sub-folders that a command with `--seeds` has not begun; none without such a command."""
    path = Path(folder) / SEEDS
    if not path.is_file():
        return []
    try:
        wanted = [int(seed) for seed in read_json(path)["seeds"]]
    except (BertkitError, KeyError, TypeError, ValueError, OverflowError):
        return []  # nothing depends on it but this hint
    names = [seed_folder(seed) for seed in wanted if abs(seed) < LARGEST_SEED]
    return [name for name in names if not (Path(folder) / name).is_dir()]
