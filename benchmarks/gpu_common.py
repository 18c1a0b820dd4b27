"""What the phases of gpu_check.sh share: their settings, and the file for their findings."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Settings:
    """What the phases share.

    Attributes:
        work: folder for records, runs, logs and results.
        device: cuda or cpu.
        small: everything in the size that a CPU can do.
        jobs: small runs at the same time.
        seconds: for the small runs together.
        only: groups of small runs.
        tiles: file of gpu_tiles.py for fused layers; empty: the chosen tiles.
    """

    work: Path
    device: str
    small: bool
    jobs: int
    seconds: float
    only: tuple[str, ...]
    tiles: str = ""

    @property
    def precision(self) -> str:
        """bf16 where a device has units for it; a CPU without them would take minutes."""
        return "bf16" if self.device == "cuda" else "fp32"

    @property
    def steps(self) -> int:
        """Optimizer steps of a small run."""
        return 20 if self.small else 200


class Findings:
    """Results of one phase, written to its file after each of them."""

    def __init__(self, work: Path, phase: str) -> None:
        self._path = work / "results" / f"{phase}.json"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._found: dict[str, Any] = {}

    def put(self, name: str, value: Any) -> None:
        """Keep and print one result."""
        self._found[name] = value
        print(name, json.dumps(value), flush=True)
        self._path.write_text(json.dumps(self._found))

    def attempt(self, name: str, job: Callable[[], Any]) -> None:
        """Keep what a job returns, or why it failed."""
        try:
            self.put(name, job())
        except Exception as error:
            traceback.print_exc()
            self.put(name, {"failed": f"{type(error).__name__}: {str(error)[:300]}"})
