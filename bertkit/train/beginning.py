"""Brings a run to where it begins or resumes, and checks that it is the run of before."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from bertkit import log
from bertkit.backends.base import Adapter
from bertkit.configuration.config import is_of_a_run
from bertkit.errors import BertkitError, ConfigError, DataError
from bertkit.hub.sources import moved, name_of, source_of
from bertkit.manifests.manifest import read_manifest
from bertkit.model.checkpoints import formats
from bertkit.model.checkpoints.loading import place_of
from bertkit.train.agreement import require_agreement, settings_to_compare, told_by_main
from bertkit.train.checkpoints import checkpoint
from bertkit.train.checkpoints.resume import AUTO, NEVER, ResumePoint, find_resume_point, recover
from bertkit.train.checkpoints.run_state import (
    RunState,
    length_before,
    load_state,
    require_same,
    versions,
)
from bertkit.train.checkpoints.starting_weights import digest_of, require_same_start
from bertkit.train.metrics import from_json
from bertkit.train.nonfinite import LeftOut
from bertkit.train.run_files import CONFIG, MACHINE, METRICS
from bertkit.train.step_settings import learning_rates
from bertkit.train.task import TrainingTask
from bertkit.train.trainer import Progress

# What a run of any version has beside its settings, though it has no checkpoint.
_BESIDE = (MACHINE, METRICS, "predictions.json", "scores.json")


class Beginning:
    """The first part of a call, in which nothing but what a killed process left is changed.

    Args:
        task: what is trained; its settings get the name of the starting weights where this
            call does not give it.
        adapter: of the machine, started.
        overwrite: replace what another run left in the folder.

    Attributes:
        point: where the run goes on; known after `look`.
        state: of the checkpoint; None before `restore` and for a fresh start.
    """

    def __init__(self, task: TrainingTask, adapter: Adapter, overwrite: bool) -> None:
        self.point = ResumePoint()
        self.state: RunState | None = None
        self._task = task
        self._adapter = adapter
        self._overwrite = overwrite
        self._folder = Path(task.config.output)
        # Path, digest and place on the hub of the weights the run began from; None where that is
        # not recorded.
        self._start: dict[str, Any] | None = None
        self._newest: Path | None = None

    def look(self) -> ResumePoint:
        """Where the run goes on; the main process looks, and mends what a killed one left.

        Raises:
            DataError, ConfigError: see `find_resume_point`.
        """
        config, group = self._task.config, self._adapter.process_group

        def by_main() -> ResumePoint:
            require_own_folder(self._folder)
            checkpoint.clean(self._folder)
            recover(self._folder, self._overwrite)
            return self._find()

        point = told_by_main(group, by_main)
        # What this process itself has in its folder; compared before anything is moved.
        self._newest = checkpoint.latest(self._folder)
        if point.checkpoint is None:
            log.logger.info("no checkpoint in %s: starting at step 0", self._folder)
        elif not group.topology.is_main:
            # On machines with disks of their own the same name need not be the same place.
            named = point.named is not None and config.resume not in (AUTO, NEVER)
            own = Path(config.resume) if named else self._folder / point.checkpoint.name
            point = replace(point, checkpoint=own if own.is_dir() else None)
        self.point = point
        return point

    def _find(self) -> ResumePoint:
        """Where the run goes on; changes nothing."""
        resume = self._task.config.resume
        return find_resume_point(
            self._folder, resume, overwrite=self._overwrite, same_run=self._same_run
        )

    def _require_same(self, state: RunState) -> list[str]:
        task = self._task
        backend = self._adapter.caps.name
        return require_same(state, task.config, task.fingerprint, backend, task.tokenizer)

    def _same_run(self, state: RunState) -> bool:
        try:
            self._require_same(state)
        except BertkitError:
            return False
        return True

    def restore(self, model: nn.Module) -> Progress:
        """Give the model the weights of the run's checkpoint, or those to start from.

        Raises:
            DataError, ConfigError: the checkpoint is broken, or was made with other settings,
                data or starting weights.
        """
        resumed = self.point.checkpoint
        if resumed is None:
            self._load_start(model)
            return Progress()
        # Fixed settings must match; `changed` lists differences that only alter rounding.
        state = load_state(resumed)
        self._say_moved(state)
        changed = self._require_same(state)
        world = self._adapter.process_group.topology.world
        # Another number of processes changes the order of sums, and so their rounding.
        if state.world != world:
            changed.append(f"{state.world} processes, now {world}")
        if changed:
            log.logger.warning(
                "resuming, but the results will not be bit-identical: %s", "; ".join(changed)
            )
        self._compare_start(model, state)
        self._task.load_weights(model, resumed, resuming=True)
        finished = state.finished and length_before(state, self._task.config) is None
        if finished and self.point.elsewhere:
            raise ConfigError(
                f"--resume {resumed}: that run is finished at step {state.step}, so {self._folder}"
                " would hold no checkpoint",
                "name an earlier checkpoint, or give more --max-steps",
            )
        if not finished:
            log.logger.info("resuming from %s at step %d", resumed, state.step)
        self.state = state
        return Progress(
            step=state.step,
            position=state.position,
            seconds=state.seconds,
            finished=finished,
            evaluation_due=state.evaluation_due,
            train=(last := from_json(state.metrics.get("train", {}))),
            evaluation=from_json(state.metrics.get("eval", {})),
            checkpoint=resumed,
            saved=-1 if self.point.elsewhere else state.step,
            left_out=LeftOut(
                overflow_steps=int(last.get("overflow_steps", 0)),
                skipped_steps=int(last.get("skipped_steps", 0)),
            ),
        )

    def _load_start(self, model: nn.Module) -> None:
        """The weights to start from, where there are any; they are not a run's in `output`."""
        start = self._task.start
        self._start = {"path": None, "digest": None}
        if start is None:
            return
        report = self._task.load_weights(model, start, resuming=False)
        self._task.warn_of_missing(report, start)
        digest = digest_of(model.state_dict(), report.loaded)
        self._start = {"path": name_of(start), "digest": digest}
        if (source := source_of(start)) is not None:
            self._start["hub"] = source.facts()
        log.logger.info("weights from %s", name_of(place_of(start)))

    def _say_moved(self, state: RunState) -> None:
        """Say that the branch of the hub's model is another commit than when the run began."""
        start = self._task.start
        text = moved((state.start or {}).get("hub"), source_of(start) if start else None)
        if text:
            log.logger.warning("--init-checkpoint: %s", text)

    def _compare_start(self, model: nn.Module, state: RunState) -> None:
        """Refuse other starting weights than the run's; they need not be there any more."""
        self._start = state.start
        start = self._task.start
        before = (state.start or {}).get("path") or state.config.get("init_checkpoint")
        if start is None:
            # The settings say what the run began from, also where this call does not.
            if state.start:
                self._task.config = replace(self._task.config, init_checkpoint=before)
            return
        if name_of(start) == before and formats.detect(start) is None:
            log.logger.info("%s, which the run began from, is not needed any more", start)
            return
        report = self._task.load_weights(model, start, resuming=False)
        require_same_start(state, start, digest_of(model.state_dict(), report.loaded))

    def require_agreement(self, progress: Progress) -> None:
        """All processes must stand at the same step of the same run.

        Raises:
            ConfigError: they do not; in all of them.
        """
        task, newest = self._task, self._newest
        own = versions()
        facts = {
            **settings_to_compare(self._task.config, task.local_settings),
            "step": progress.step,
            "position": progress.position,
            "evaluation": "still to come" if progress.evaluation_due else None,
            "newest checkpoint": newest.name if newest else None,
            "training data": task.fingerprint[:12],
            "evaluation data": task.eval_fingerprint[:12] or None,
            "vocabulary": hashlib.sha256(task.vocab).hexdigest()[:12] if task.vocab else None,
            "starting weights": ((self._start or {}).get("digest") or "")[:12] or None,
            "bertkit": own["bertkit"],
            "torch": own["torch"],
        }
        require_agreement(self._adapter.process_group, facts)

    def history(self) -> dict[str, Any]:
        """What every further checkpoint of the run says of its past, see `RunState`."""
        point, state = self.point, self.state
        return {
            "start": self._start,
            "resumed_from": point.named or (state.resumed_from if state else None),
            "overwrote": point.replaces or (state is not None and state.overwrote),
            "damaged": len(point.damaged) + (state.damaged if state else 0),
        }

    def say_what_is_longer(self, samples: int) -> None:
        """How the schedule changes where a run is prolonged.

        Args:
            samples: in an epoch.
        """
        state = self.state
        before = length_before(state, self._task.config) if state else None
        if state is None or before is None:
            return
        old, new = before.steps(samples), self._task.config.steps(samples)
        rate_before = learning_rates(before, old)(state.step)
        rate_now = learning_rates(self._task.config, new)(state.step)
        log.logger.warning(
            f"the run is prolonged from {old:,} to {new:,} steps: the learning rate at step"
            f" {state.step:,} was {rate_before:.3g} and is now {rate_now:.3g}"
        )


def require_own_folder(folder: Path) -> None:
    """Refuse a folder that another command filled, or with settings that somebody wrote.

    The run's file of settings would replace theirs, and a later `--overwrite` of the other command
    would not know the run. What an older bertkit wrote has the run's other files beside it.

    Raises:
        DataError: says what is there.
    """
    if checkpoint.latest(folder) or any((folder / name).is_file() for name in _BESIDE):
        return
    made = read_manifest(folder)
    if made is not None:
        raise DataError(
            f"{folder} holds what `bertkit {made.command}` made",
            "give the run an --output of its own",
        )
    path = folder / CONFIG
    if path.is_file() and not is_of_a_run(path.read_bytes()):
        raise DataError(
            f"{path} is not of a run, which writes its own settings under this name",
            "give another --output, or another name to the file",
        )
