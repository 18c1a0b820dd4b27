"""Decides which sentence files are made into records, in which order."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from bertkit.errors import UsageError
from bertkit.manifests.manifest import require_complete
from bertkit.remote.copies import local_inputs
from bertkit.storage import files
from bertkit.storage.input_files import expand_inputs


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
            require_complete(name)
            require_complete(Path(name).parent)  # such as split/train, made by one run
    if prefix and not any(str(name).startswith("@") for name in inputs):
        raise UsageError("--input-prefix goes with a list of names", "example: --input @list.txt")
    return expand_inputs(inputs, prefix=prefix, leave_out=leave_out, texts=True)
