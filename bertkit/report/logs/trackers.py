"""Sends a run's numbers to TensorBoard, Weights & Biases, MLflow and trackio."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.configuration.config import flatten
from bertkit.errors import BertkitError, StoppedError
from bertkit.optional import require
from bertkit.storage.files import write_text
from bertkit.train.metrics import Tracker

_BATCH = 100  # settings that MLflow takes at once


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told of a run.

    Attributes:
        folder: of the run; keeps what names it elsewhere, so that a resumed run stays one.
        config: the resolved settings, with `log_project`, `log_name` and `log_tag`.
        resumed_step: the step that it resumes from; 0 for one that begins.
    """

    folder: str
    config: Mapping[str, Any]
    resumed_step: int = 0

    def project(self, variable: str) -> str:
        """The project asked for, else that of an environment variable, else `bertkit`."""
        return self.config.get("log_project") or os.environ.get(variable) or "bertkit"

    @property
    def name(self) -> str:
        """The name asked for, else that of the folder."""
        return self.config.get("log_name") or Path(self.folder).resolve().name

    @property
    def tags(self) -> list[str]:
        """Those asked for."""
        return list(self.config.get("log_tag") or ())

    def noted(self, what: str, make: Callable[[], str]) -> str:
        """What names the run elsewhere: as noted when it began, else made now and noted."""
        note = Path(self.folder) / what
        if not (self.resumed_step and note.is_file()):
            write_text(note, make() + "\n")
        return note.read_text("utf-8").strip()


class TensorBoard:
    """Event files in the run's folder; what an earlier call logged after the step is hidden."""

    def __init__(self, run: TrackedRun) -> None:
        require("tensorboard", "--log-to tensorboard", extra="tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(run.folder, purge_step=run.resumed_step + 1)
        if run.tags and not run.resumed_step:
            self._writer.add_text("tags", ", ".join(run.tags), 0)

    def log(self, step: int, kind: str, numbers: Mapping[str, float]) -> None:
        """One scalar per number, as `kind/name`."""
        for name, value in numbers.items():
            self._writer.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class WeightsAndBiases:
    """A run on a Weights & Biases server, or offline as its own environment says.

    Raises:
        BertkitError: the server does not know the user, or cannot be reached.
    """

    def __init__(self, run: TrackedRun) -> None:
        wandb = require("wandb", "--log-to wandb", extra="wandb")
        named = run.config.get("log_name") or not os.environ.get("WANDB_NAME")
        try:
            self._run: Any = wandb.init(
                project=run.project("WANDB_PROJECT"),
                name=run.name if named else None,
                tags=run.tags or None,
                dir=run.folder,
                config=dict(run.config),
                id=run.noted("wandb-run-id", lambda: secrets.token_hex(4)),
                resume="allow",
            )
        except Exception as error:  # of its service too, which has classes of its own
            reason = str(error).partition("\n")[0]
            raise BertkitError(
                f"Weights & Biases did not start: {reason}",
                "run `wandb login`, or set WANDB_MODE=offline to keep the numbers in the folder",
            ) from error

    def log(self, step: int, kind: str, numbers: Mapping[str, float]) -> None:
        """All numbers of a step at once, as `kind/name`."""
        # Steps that a resumed run does again have the same numbers, and are passed over there.
        self._run.log({f"{kind}/{name}": value for name, value in numbers.items()}, step=step)

    def close(self) -> None:
        """Write what is left; a run that failed is marked so."""
        self._run.finish(exit_code=int(_outcome() == "FAILED"))


class MLflow:
    """A run in an experiment of MLflow, on the server or in the files that its environment names.

    Raises:
        BertkitError: the server cannot be reached, or refuses.
    """

    def __init__(self, run: TrackedRun) -> None:
        self._mlflow = require("mlflow", "--log-to mlflow", extra="mlflow")
        try:
            self._client = self._mlflow.MlflowClient()
            self._id = run.noted("mlflow-run-id", lambda: self._begin(run))
            self._client.update_run(self._id, status="RUNNING")
        except (self._mlflow.exceptions.MlflowException, OSError) as error:
            reason = str(error).partition("\n")[0]
            raise BertkitError(
                f"MLflow did not start: {reason}",
                "set MLFLOW_TRACKING_URI to a server, or to sqlite:///mlflow.db",
            ) from error

    def _begin(self, run: TrackedRun) -> str:
        client, project = self._client, run.project("MLFLOW_EXPERIMENT_NAME")
        known = client.get_experiment_by_name(project)
        experiment = known.experiment_id if known else client.create_experiment(project)
        tags = dict.fromkeys(run.tags, "true")
        made = client.create_run(experiment, run_name=run.name, tags=tags)
        settings = flatten(dict(run.config))
        params = [
            self._mlflow.entities.Param(key, log.shown(value)[:500])
            for key, value in settings.items()
        ]
        for first in range(0, len(params), _BATCH):
            client.log_batch(made.info.run_id, params=params[first : first + _BATCH])
        return str(made.info.run_id)

    def log(self, step: int, kind: str, numbers: Mapping[str, float]) -> None:
        """All numbers of a step at once, as `kind/name`."""
        now = int(time.time() * 1000)
        found = [
            self._mlflow.entities.Metric(f"{kind}/{name}", float(value), now, step)
            for name, value in numbers.items()
        ]
        self._client.log_batch(self._id, metrics=found)

    def close(self) -> None:
        """Say how the run ended."""
        self._client.set_terminated(self._id, status=_outcome())


class Trackio:
    """A run of trackio, on this machine or where its environment says."""

    def __init__(self, run: TrackedRun) -> None:
        trackio = require("trackio", "--log-to trackio", extra="trackio")
        # Names are all that trackio knows runs by, and folders of one name are many.
        name = run.config.get("log_name") or f"{run.name}-{secrets.token_hex(2)}"
        tags = {"tags": run.tags} if run.tags else {}
        self._run: Any = trackio.init(
            project=run.project("TRACKIO_PROJECT"),
            name=run.noted("trackio-run-name", lambda: name),
            config={**flatten(dict(run.config)), **tags},
            resume="allow",
        )

    def log(self, step: int, kind: str, numbers: Mapping[str, float]) -> None:
        """All numbers of a step at once, as `kind/name`."""
        self._run.log({f"{kind}/{name}": value for name, value in numbers.items()}, step=step)

    def close(self) -> None:
        """Write what is left."""
        self._run.finish()


class _Guarded:
    """A tracker whose failures do not end the training: metrics.jsonl has the numbers."""

    def __init__(self, name: str, tracker: Tracker) -> None:
        self._name, self._tracker, self._told = name, tracker, False

    def log(self, step: int, kind: str, numbers: Mapping[str, float]) -> None:
        """Pass the numbers of a step on."""
        self._try(lambda: self._tracker.log(step, kind, numbers))

    def close(self) -> None:
        """Write what is left."""
        self._try(self._tracker.close)

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            if not self._told:
                self._told = True
                text = str(error).partition("\n")[0] or type(error).__name__
                where = "the numbers are in metrics.jsonl, and training goes on"
                log.logger.warning("%s does not take numbers: %s; %s", self._name, text, where)


def _outcome() -> str:
    """How the training that is being closed ended, in MLflow's words."""
    error = sys.exc_info()[1]
    if error is None:
        return "FINISHED"
    return "KILLED" if isinstance(error, (StoppedError, KeyboardInterrupt)) else "FAILED"


TABLE: dict[str, Callable[[TrackedRun], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "mlflow": MLflow,
    "trackio": Trackio,
}


def require_trackers(names: Sequence[str]) -> None:
    """See that the packages of trackers are installed, before a run begins.

    Raises:
        MissingDependencyError: one is not.
    """
    for name in names:
        hint = f"pip install 'bertkit[{name}]', or go without it: --set 'log_to=[]'"
        require(name, f"--log-to {name}", hint=hint)


def make_trackers(
    names: Sequence[str], folder: str, config: Mapping[str, Any], resumed_step: int = 0
) -> list[Tracker]:
    """Trackers by name, each once.

    Args:
        names: of `TABLE`.
        folder: of the run.
        config: the resolved settings, kept beside the numbers.
        resumed_step: the step that the run resumes from; 0 for one that begins.

    Raises:
        MissingDependencyError: its package is not installed.
        BertkitError: its server refuses.
    """
    run = TrackedRun(folder, config, resumed_step)
    return [_Guarded(name, TABLE[name](run)) for name in TABLE if name in names]
