"""Backends by name. Adding one is a file and a row here."""

from __future__ import annotations

import importlib

from bertkit import log
from bertkit.backends.base import Adapter, Probe
from bertkit.errors import MissingDependencyError, UsageError

# Best first: what `auto` tries in order.
ADAPTERS = {
    "cuda": ("bertkit.backends.torch.cuda", "CudaAdapter"),
    "hpu": ("bertkit.backends.hpu.adapter", "HpuAdapter"),
    "ipu": ("bertkit.backends.ipu.adapter", "IpuAdapter"),
    "cs": ("bertkit.backends.cs.adapter", "CsAdapter"),
    "cpu": ("bertkit.backends.torch.cpu", "CpuAdapter"),
}


def make(name: str) -> Adapter:
    """The adapter of a name, whether or not its machine is there.

    Raises:
        UsageError: no such backend.
    """
    if name not in ADAPTERS:
        raise UsageError(f"no backend {name!r}", f"backends: {', '.join(ADAPTERS)}")
    module, kind = ADAPTERS[name]
    adapter: Adapter = getattr(importlib.import_module(module), kind)()
    return adapter


def get(name: str = "auto") -> Adapter:
    """The adapter to compute with.

    Args:
        name: of a backend, or `auto` for the best one that is present.

    Raises:
        UsageError: no such backend.
        MissingDependencyError: it is not present on this machine, and cannot even compile
            here; says why.
    """
    if name == "auto":
        return next(
            adapter for adapter in (make(known) for known in ADAPTERS) if adapter.probe().present
        )
    adapter = make(name)
    probe = adapter.probe()
    if not (probe.present or probe.offline):
        raise MissingDependencyError(f"no backend {name} here: {probe.reason}", probe.hint)
    return adapter


def for_planning(name: str = "auto") -> Adapter:
    """The adapter whose rules a plan must keep; its machine need not be here.

    Args:
        name: of a backend, or `auto` for the best one that is present.

    Raises:
        UsageError: no such backend.
    """
    if name == "auto":
        return get(name)
    adapter = make(name)
    probe = adapter.probe()
    if not probe.present:
        log.logger.warning("planning only, there is no %s here: %s", name, probe.reason)
    return adapter


def probe_all() -> list[Probe]:
    """What each backend finds on this machine."""
    return [make(name).probe() for name in ADAPTERS]
