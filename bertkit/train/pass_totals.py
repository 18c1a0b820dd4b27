"""Says to how many totals of tokens the passes of a run are filled, where each costs something."""

from __future__ import annotations

from bertkit.backends.base import Adapter
from bertkit.backends.sections import options_of
from bertkit.data.token_budget import RECORDED_TOTALS
from bertkit.train.config import ComputeConfig


def machine_option(config: ComputeConfig, adapter: Adapter, name: str) -> bool:
    """Whether an option is on, of a machine that takes unpadded passes of constant totals.

    Args:
        config: of the run.
        adapter: of the machine.
        name: of the option, `graphs` or `compile`.
    """
    options = options_of(config, adapter.caps.name)
    return adapter.caps.constant_totals and bool(getattr(options, name, False))


def totals_of(config: ComputeConfig, adapter: Adapter, training: bool) -> int:
    """How many totals a model is compiled or recorded for; 0: no limit.

    Args:
        config: of the run.
        adapter: of the machine.
        training: passes of steps; only these are recorded.
    """
    graphs = training and machine_option(config, adapter, "graphs")
    if not graphs and not machine_option(config, adapter, "compile"):
        return 0
    wanted = int(options_of(config, adapter.caps.name).totals)
    return wanted or (RECORDED_TOTALS if graphs else 0)
