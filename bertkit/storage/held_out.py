"""Says where a folder of `split` is taken for text to train on, which holds more than that."""

from __future__ import annotations

import os

from bertkit import log
from bertkit.manifests.manifest import read_manifest

# What `bertkit split` writes.
_TRAIN, _HELD_OUT = "train", ("valid.txt", "test.txt", "eval.txt")


def warn_of_held_out(folder: str) -> None:
    """Warn, once, if all of a folder is taken in which `split` put text aside."""
    manifest = read_manifest(folder)
    if manifest is None or manifest.command != "split":
        return
    held_out = sorted(name for name in manifest.outputs if name in _HELD_OUT)
    train = os.path.join(folder, _TRAIN)
    if held_out and os.path.isdir(train):
        log.warn_once(
            f"{folder} also holds text that was put aside to evaluate on ({', '.join(held_out)}), "
            f"which is taken with the rest: give {train}, and each of the others by itself"
        )
