"""Names record files as the programs that read them look for them.

NVIDIA's and Habana's run_pretraining.py and Habana's pack_pretraining_data_pytorch.py open the
files of a folder with `training` in their names; of a folder of packs, every file. Their
bertPrep.py calls the files `wikicorpus_en_training_0.hdf5` and `wikicorpus_en_test_0.hdf5`.
The script of Hugging Face's users takes a file by its ending, `.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bertkit.records.files.formats import HDF5

if TYPE_CHECKING:
    from bertkit.records.config import RecordsConfig

TRAINING = "training"
_WORD = re.compile(r"[a-z]+")
_HELD_OUT = {"test", "valid", "validation", "dev", "eval", "heldout"}


def for_nvidia(config: RecordsConfig) -> bool:
    """Whether records are HDF5 files of which a program opens those called `training`."""
    return config.file_format == HDF5 and config.packing == "none"


def opens_all(config: RecordsConfig) -> bool:
    """Whether the program that the records are for opens every file of the folder."""
    return config.file_format == HDF5 and config.packing != "none"


def is_held_out(name: str) -> bool:
    """Whether a file's name says that it is not to be trained on, as `valid` and `x_test_0` do."""
    return not _HELD_OUT.isdisjoint(_WORD.findall(name.lower()))


def training_stem(name: str) -> str:
    """A name with `training` in it; one that says test or validation stays as it is."""
    return name if TRAINING in name or is_held_out(name) else f"{name}_{TRAINING}"


def reader_remarks(names: Iterable[str], config: RecordsConfig) -> list[str]:
    """What the program that HDF5 records are for will do with these files and does not say.

    Args:
        names: of the record files of a folder.
        config: the settings they were made with.
    """
    if config.file_format != HDF5:
        return []
    names = list(names)
    opened = [name for name in names if opens_all(config) or TRAINING in name]
    held_out = [name for name in names if name not in opened]
    found = []
    if held_out:
        found.append(
            f"{', '.join(held_out[:3])}: named as held-out text; NVIDIA's and Habana's programs "
            f"train on files with '{TRAINING}' in their names only"
        )
    if len(opened) == 1:
        found.append(
            f"{opened[0]} is the only file to train on, and Habana's run_pretraining.py begins "
            "with the second of a folder: for it, make two or more (parts of text, or --shards "
            "one-corpus --outputs 2)"
        )
    return found
