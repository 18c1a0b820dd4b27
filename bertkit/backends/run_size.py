"""Says how large a run is, for backends that choose among ways to compute it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.model.config import BertConfig


@dataclass(frozen=True)
class RunSize:
    """What a machine needs to know of a run before its settings are final.

    Attributes:
        steps: of the whole run.
        operations: floating point operations of one process in the whole run.
        rows: tokens of a usual forward pass.
        predictions: masked tokens of it.
        longest: tokens of the longest sequence.
        precision: of products, never auto.
        model: its sizes.
        before: settings of the machine that the run had so far; None: it begins now.
        planned_only: nothing is to be computed now, as with --dry-run.
        plan: what a step computes, with settings of the machine that may not be final; None:
            not known.
        optimizer: of the run; None: not known.
        memory_recorded: bytes of a device that are enough for its passes where these are
            recorded.
    """

    steps: int
    operations: float
    rows: int
    longest: int
    precision: str
    model: BertConfig
    before: Mapping[str, Any] | None = None
    planned_only: bool = False
    plan: StepPlan | None = None
    optimizer: OptimizerSpec | None = None
    predictions: float = 0.0
    memory_recorded: int = 0
