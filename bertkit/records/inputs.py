"""Decides which sentence files are made into records, in which order."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from bertkit import log
from bertkit.errors import UsageError
from bertkit.manifests.manifest import Manifest, require_complete
from bertkit.remote.copies import local_inputs
from bertkit.storage import files
from bertkit.storage.input_files import expand_inputs

# What `bertkit split` writes.
_TRAIN, _HELD_OUT = "train", ("valid.txt", "test.txt", "eval.txt")


def list_inputs(
    inputs: Sequence[str],
    prefix: str = "",
    leave_out: Sequence[str | Path] = (),
    fetch: bool = True,
) -> list[str]:
    """The sentence files in a fixed order.

    Args:
        inputs: files, globs, folders or `@list.txt`.
        prefix: folder of the names in lists.
        leave_out: what the command writes, and its vocabulary: no text even in a folder.
        fetch: give local copies of remote files, see `remote.copies.local_inputs`; else URLs.

    Raises:
        DataError: nothing there, or a folder that a run left unfinished.
        UsageError: a prefix without a list.
    """
    if prefix and files.is_remote(prefix):
        raise UsageError("--input-prefix is a local folder", "write the URLs into the list")
    if fetch:
        inputs = local_inputs(inputs)
    for name in inputs:
        if os.path.isdir(name):
            # A folder whose run did not finish lacks text.
            _warn_of_held_out(name, require_complete(name))
            require_complete(Path(name).parent)  # such as split/train, made by one run
    if prefix and not any(str(name).startswith("@") for name in inputs):
        raise UsageError("--input-prefix goes with a list of names", "example: --input @list.txt")
    return expand_inputs(inputs, prefix=prefix, leave_out=leave_out, texts=True)


def _warn_of_held_out(folder: str, manifest: Manifest | None) -> None:
    """Say that the folder of `split` holds more than the text to train on."""
    if manifest is None or manifest.command != "split":
        return
    held_out = sorted(name for name in manifest.outputs if name in _HELD_OUT)
    train = os.path.join(folder, _TRAIN)
    if held_out and os.path.isdir(train):
        log.warn_once(
            f"{folder} also holds text that was put aside to evaluate on ({', '.join(held_out)}), "
            f"which is taken with the rest: give {train}, and each of the others by itself"
        )
