"""Settings that only one kind of machine knows, a section per backend.

Light: importing this imports no torch. A section reaches its adapter as the `options` of
`Adapter.start` and `StepPlan`; other backends never see it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bertkit.config import setting


@dataclass(frozen=True)
class HpuConfig:
    """Intel Gaudi."""

    mode: str = setting(
        "lazy",
        help="lazy collects a graph per step, eager runs operators, compile uses torch.compile.",
        choices=("lazy", "eager", "compile"),
    )


@dataclass(frozen=True)
class IpuConfig:
    """Graphcore IPUs."""

    replicas: int = setting(1, help="Copies of the model that share a step.", minimum=1)


@dataclass(frozen=True)
class CsConfig:
    """Cerebras systems."""

    systems: int = setting(1, help="CS systems that share a step.", minimum=1)


def options_of(config: Any, backend: str) -> Any:
    """The section of a configuration that belongs to a backend, or None."""
    return getattr(config, backend, None)
