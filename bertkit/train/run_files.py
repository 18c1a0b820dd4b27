"""Names the files and folders in a run's folder. Imports no torch."""

from __future__ import annotations

CONFIG = "config.yaml"  # the resolved settings
MACHINE = "machine.json"  # the hardware and software of the last call
METRICS = "metrics.jsonl"  # the numbers of log lines and evaluations
# Folders of what was set aside, see `bertkit.train.checkpoints.resume`.
DAMAGED = "damaged"
ABANDONED = "abandoned"
REPLACED = "replaced"
