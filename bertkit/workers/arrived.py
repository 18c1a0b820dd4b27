"""Whether the files that workers made are in the output folder as this process sees it.

Workers of a cluster write into the folder of the same name on their own machines. Where that is
not one folder for all, the work would look complete, and its files lie on many disks.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from bertkit.errors import DataError

# Seconds: network file systems remember for a minute that a file is not there.
_PATIENCE, _PAUSE = 65.0, 0.5


def require_arrived(folder: str | Path, names: Iterable[str]) -> None:
    """Refuse to note files as finished that are not there.

    Args:
        folder: local.
        names: of the files in it.

    Raises:
        DataError: one is still not there after a while.
    """
    end = time.monotonic() + _PATIENCE
    for name in names:
        path = Path(folder) / name
        while not path.exists():
            if time.monotonic() > end:
                raise DataError(
                    f"a worker has made {path}, and it is not there on this machine",
                    "all machines must see one and the same folder under this name, such as one of"
                    " a network file system",
                )
            time.sleep(_PAUSE)
            # Opening the folder makes such file systems look at it anew.
            with contextlib.suppress(OSError):
                os.listdir(path.parent)  # noqa: PTH208
