"""Writes the checkpoints of a run, with all facts that a later call needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from bertkit.backends.base import Adapter, Stepper
from bertkit.configuration.record_settings import settings_read
from bertkit.hub.sources import with_names
from bertkit.model.checkpoints.run_state import amend_state
from bertkit.train.checkpoints import checkpoint
from bertkit.train.checkpoints.background_save import BackgroundSaver
from bertkit.train.checkpoints.resume import discard_replaced
from bertkit.train.checkpoints.run_state import RunState
from bertkit.train.task import TrainingTask
from bertkit.train.trainer import Progress


class RunCheckpoints:
    """Writes the checkpoints of a run; see `bertkit.train.trainer.CheckpointWriter`.

    Args:
        task: knows settings, data and vocabulary.
        adapter: of the machine; the main process alone writes.
        stepper: knows the optimizer's state.
        samples: in an epoch.
        copy_to_save: bertkit's model in main memory, filled before every write.
        weights: the weights as they are now.
        history: the fields of `RunState` that tell of the run's past.
    """

    def __init__(
        self,
        task: TrainingTask,
        adapter: Adapter,
        *,
        stepper: Stepper,
        samples: int,
        copy_to_save: nn.Module,
        weights: Callable[[], Mapping[str, Tensor]],
        history: Mapping[str, Any] | None = None,
    ) -> None:
        self._history = history or {}
        self._task = task
        self._config = task.config
        self._process_group = adapter.process_group
        self._stepper = stepper
        self._samples = samples
        self._saver = BackgroundSaver(
            copy_to_save,
            weights,
            self._write,
            background=task.config.background_save,
            check=self._check,
            copies=adapter.caps.copies_out,
        )

    def save(self, progress: Progress) -> Path:
        """Begin to write the checkpoint of where the run stands; returns its folder."""
        # All processes take part where they share the state.
        stepper_state = self._stepper.state()
        topology = self._process_group.topology
        if topology.is_main:
            state = RunState(
                step=progress.step,
                position=progress.position,
                epoch=progress.position / self._samples,
                seed=self._config.seed,
                data_fingerprint=self._task.fingerprint,
                config=with_names(settings_read(self._config)),
                seconds=progress.seconds,
                world=topology.world,
                tokenizer=self._task.tokenizer.as_dict(),
                **_outcome(progress),
                **self._history,
            )
            self._saver.save(stepper_state, state)
        return Path(self._config.output) / checkpoint.folder_name(progress.step)

    def complete(self, progress: Progress) -> None:
        """Add to the last checkpoint what the evaluation of its step has found."""
        if not self._process_group.topology.is_main:
            return
        self._saver.wait()
        place = Path(self._config.output) / checkpoint.folder_name(progress.step)
        amend_state(place, _outcome(progress))

    def wait_for_saves(self) -> None:
        """Block until every checkpoint write has finished."""
        self._saver.wait()

    def _check(self, model: nn.Module, state: RunState) -> None:
        checkpoint.require_finite_run(self._config.output, state.step, model.state_dict())

    def _write(self, model: nn.Module, stepper_state: Mapping[str, Any], state: RunState) -> Path:
        written = checkpoint.save(
            self._config.output,
            model=model,
            stepper_state=stepper_state,
            state=state,
            vocab=self._task.vocab,
            tokenizer=self._task.tokenizer,
            keep_last=self._config.keep_last,
            keep_every=self._config.keep_every,
        )
        # The new run has a checkpoint: now the one that it replaces may go.
        discard_replaced(self._config.output)
        return written


def _outcome(progress: Progress) -> dict[str, Any]:
    """The fields of `RunState` that the evaluation of a step may change."""
    return {
        "finished": progress.finished,
        "evaluation_due": progress.evaluation_due,
        "metrics": {"train": progress.train, "eval": progress.evaluation},
    }
