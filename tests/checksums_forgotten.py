"""Checkpoints as they were before they had checksums: tests can change their files."""

from __future__ import annotations

import json
from pathlib import Path


def forget_checksums(checkpoint: str | Path, **changes: object) -> Path:
    """Take the checksums out of a checkpoint's `state.json`, and change some of its facts."""
    path = Path(checkpoint) / "state.json"
    state = json.loads(path.read_text()) | changes
    for name in ("files", "checksum"):
        state.pop(name, None)
    path.write_text(json.dumps(state))
    return Path(checkpoint)
