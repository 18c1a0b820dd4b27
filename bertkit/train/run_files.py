"""Names the files and folders in a run's folder. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping

CONFIG = "config.yaml"  # the resolved settings
MACHINE = "machine.json"  # the hardware and software of the last call
METRICS = "metrics.jsonl"  # the numbers of log lines and evaluations
# Folders of what was set aside, see `bertkit.train.checkpoints.resume`.
DAMAGED = "damaged"
ABANDONED = "abandoned"
REPLACED = "replaced"


def log_file_problems(output: str, files: Mapping[str, str | None]) -> list[str]:
    """Log files that would lie in the place of the run's own.

    Args:
        output: the run's folder.
        files: the path that each flag names.
    """
    own = {os.path.realpath(os.path.join(output, name)) for name in (CONFIG, MACHINE, METRICS)}
    return [
        f"{flag} {path} is a file that the run itself writes"
        for flag, path in files.items()
        if path and os.path.realpath(path) in own
    ]
