"""Ends a worker process that runs the user's script instead of waiting for tasks.

Python starts workers afresh where they cannot be forked, and imports the script that started
them. One that calls bertkit outside of `if __name__ == "__main__":` would start all over in each.
"""

from __future__ import annotations

import os
import sys

UNGUARDED = 78  # exit status of such a process, which the pool of the parent recognises


def leave_if_importing() -> None:
    """End this process, without a word, if it is a worker that is importing the user's script."""
    module = sys.modules.get("multiprocessing.process")
    if module is not None and getattr(module.current_process(), "_inheriting", False):
        os._exit(UNGUARDED)
