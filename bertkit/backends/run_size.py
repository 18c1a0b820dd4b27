"""Says how large a run is, for backends that choose among ways to compute it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bertkit.model.config import BertConfig


@dataclass(frozen=True)
class RunSize:
    """What a machine needs to know of a run before its settings are final.

    Attributes:
        steps: of the whole run.
        operations: floating point operations of one process in the whole run.
        rows: tokens of a usual forward pass.
        longest: tokens of the longest sequence.
        precision: of products, never auto.
        model: its sizes.
        before: settings of the machine that the run had so far; None: it begins now.
        planned_only: nothing is to be computed now, as with --dry-run.
    """

    steps: int
    operations: float
    rows: int
    longest: int
    precision: str
    model: BertConfig
    before: Mapping[str, Any] | None = None
    planned_only: bool = False
