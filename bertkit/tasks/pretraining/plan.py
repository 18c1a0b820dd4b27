"""Plans a pretraining run: everything is opened and checked, nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bertkit.backends.base import Adapter
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.prepare import Prepared, prepare
from bertkit.tasks.pretraining.pretrain import rehearse
from bertkit.tasks.pretraining.trial_step import TrialStep, run_trial_step


@dataclass(frozen=True)
class PretrainPlan:
    """What a run would do.

    Attributes:
        ready: the run, settled.
        trial: one step of it on a mock batch; None where it was left out.
    """

    ready: Prepared
    trial: TrialStep | None

    def figures(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self.ready.estimate), **(asdict(self.trial) if self.trial else {})}

    def text(self) -> str:
        """The figures for people."""
        trial = [self.trial.text()] if self.trial else []
        return "\n".join([self.ready.estimate.text(), *trial])


def planned(
    config: PretrainConfig,
    adapter: Adapter,
    origins: Mapping[str, str],
    *,
    overwrite: bool = False,
    mock: bool | None = None,
) -> PretrainPlan:
    """Plan a run.

    Args:
        config: as resolved by the command line.
        adapter: of the machine, not yet started.
        origins: where settings came from.
        overwrite: replace what another run left in the folder.
        mock: run one step on a mock batch, see `run_trial_step`.

    Raises:
        DataError, ConfigError: what the run would refuse.
        MissingDependencyError: a step is wanted, but the machine is not here.
    """
    ready = prepare(config, adapter, origins, dry_run=True, overwrite=overwrite)
    rehearse(ready, adapter, overwrite)
    return PretrainPlan(ready, run_trial_step(ready, adapter, mock))
