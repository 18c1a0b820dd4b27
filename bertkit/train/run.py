"""Runs a training in its folder: restores, trains, saves, resumes and closes it.

The same for every task: what differs comes as a `TrainingTask`. The folder gets

    config.yaml      the resolved settings
    machine.json     the hardware and software of the last call
    metrics.jsonl    the numbers of log lines and evaluations
    step-0001000/    checkpoints, see `bertkit.train.checkpoint`

The same call on the same folder resumes bit for bit, on GPUs where kernels are deterministic.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bertkit import log
from bertkit.backends.base import Adapter, Stepper
from bertkit.config import as_dict, dump_yaml
from bertkit.data.prefetch import StepRange
from bertkit.data.step_batch import StepBatch
from bertkit.errors import BertkitError
from bertkit.files import write_text
from bertkit.model.checkpoints import formats
from bertkit.train import checkpoint
from bertkit.train.agreement import (
    held_by_main,
    require_agreement,
    settings_to_compare,
    together,
    told_by_main,
)
from bertkit.train.config import TrainingConfig
from bertkit.train.metrics import MetricsFile, Recorder, Tracker
from bertkit.train.profiling import ProfiledStepper, steps_to_profile
from bertkit.train.resume import (
    AUTO,
    NEVER,
    ResumePoint,
    find_resume_point,
    make_way,
    recover,
)
from bertkit.train.run_checkpoints import RunCheckpoints
from bertkit.train.run_files import CONFIG, MACHINE
from bertkit.train.run_state import RunState, length_before, load_state, require_same, versions
from bertkit.train.starting_weights import digest_of, require_same_start
from bertkit.train.step_settings import learning_rates, optimizer_spec
from bertkit.train.task import TrainingData, TrainingTask
from bertkit.train.trainer import LoopSettings, Progress, Trainer

MakeTrackers = Callable[[Sequence[str], str, Mapping[str, Any], int], list[Tracker]]


class TrainingRun:
    """One call of a training run.

    Args:
        task: what is trained, and on what.
        adapter: of the machine, started.
        make_trackers: (names, folder, settings, resumed step) → trackers, such as
            `bertkit.report.trackers.make_trackers`.
        overwrite: replace what another run left in the folder.

    Attributes:
        model: with the weights of the checkpoint resumed from, later the trained ones;
            None before `train`.
        progress: where the run stands.
        first_step: updates done before this call.
    """

    def __init__(
        self,
        task: TrainingTask,
        adapter: Adapter,
        *,
        make_trackers: MakeTrackers = lambda names, folder, settings, step: [],
        overwrite: bool = False,
    ) -> None:
        self.task = task
        self.adapter = adapter
        self.config: TrainingConfig = task.config
        self.folder = Path(task.config.output)
        self.model: nn.Module | None = None
        self.progress = Progress()
        self.first_step = 0
        # Path and digest of the weights the run began from; None where that is not recorded.
        self._start: dict[str, str | None] | None = None
        self._newest: Path | None = None
        self._make_trackers = make_trackers
        self._overwrite = overwrite

    def train(self) -> Progress:
        """Train from where the run stands to its end; a finished run is left as it is.

        Raises:
            DataError, ConfigError: the checkpoint is broken or does not fit; the folder
                belongs to another run; or the processes do not agree.
            BertkitError: another process works in the folder.
            StoppedError: stopped by a signal or `steps_this_run`, everything saved.
            CompiledOnly: the settings asked for no more.
        """
        group = self.adapter.process_group
        with held_by_main(group, self.folder, self.task.command):
            return self._train()

    def _train(self) -> Progress:
        # Before anything is built: is there a checkpoint to resume from?
        point = self._resume_point()
        # New weights depend on the seed alone, so all processes draw the same.
        torch.manual_seed(self.config.seed)
        self.model = model = self.task.make_model()
        state = together(self.adapter.process_group, lambda: self._restore(model, point))
        self._require_agreement()
        # Only now, when the settings are known to fit the checkpoint.
        self._write_facts(point)
        if self.progress.finished:
            log.logger.info("%s is finished at step %d", self.folder, self.progress.step)
            return self.progress
        data = self.task.training_data(self.adapter)
        # --epochs becomes a number of steps here, once the number of samples is known.
        steps = self.config.steps(data.samples)
        log.logger.info("%s, %s steps, %s", data.summary, f"{steps:,}", self._batch_equation())
        if state is not None:
            self._say_what_is_longer(state, data.samples)
        # Checkpoints are written from a copy in main memory, made before the model moves.
        copy_to_save = copy.deepcopy(model)
        placed = self.adapter.place(model)
        stepper = self._make_stepper(placed, steps)
        # The optimizer exists only now that the model has been placed on its device.
        if point.checkpoint:
            stepper.load_state(checkpoint.load_stepper_state(point.checkpoint))
        checkpoints = RunCheckpoints(
            self.task,
            self.adapter,
            stepper=stepper,
            samples=data.samples,
            copy_to_save=copy_to_save,
            weights=lambda: self.adapter.weights(placed),
            history=self._history(point, state),
        )
        return self._loop(data, steps, placed, stepper, checkpoints)

    def _loop(
        self,
        data: TrainingData,
        steps: int,
        placed: nn.Module,
        stepper: Stepper,
        checkpoints: RunCheckpoints,
    ) -> Progress:
        config = self.config

        # The trainer opens a loader per interval between evaluations.
        def batches(position: int, limit: int) -> AbstractContextManager[Iterable[StepBatch]]:
            return self.adapter.loader(StepRange(data.feed, position, limit))

        settings = LoopSettings(
            steps=steps,
            log_every=config.log_every,
            save_every=config.save_every,
            eval_every=config.eval_every,
            eval_every_samples=config.eval_samples,
            samples_per_step=config.global_batch_size,
            steps_this_run=config.steps_this_run,
            target=config.target,
        )
        # Measured before the first step, while the device is idle.
        peak_share = self._peak_share()
        recorder = self._recorder()
        try:
            trainer = Trainer(
                settings,
                stepper=stepper,
                batches=batches,
                checkpoints=checkpoints,
                recorder=recorder,
                evaluate=self.task.evaluator(placed, stepper, self.adapter),
                process_group=self.adapter.process_group,
                peak_share=peak_share,
            )
            return trainer.run(self.progress)
        finally:
            recorder.close()

    def _resume_point(self) -> ResumePoint:
        """Where the run goes on; the main process looks, and mends what a killed one left."""
        config, group = self.config, self.adapter.process_group

        def look() -> ResumePoint:
            checkpoint.clean(self.folder)
            recover(self.folder, self._overwrite)
            return find_resume_point(
                self.folder, config.resume, overwrite=self._overwrite, same_run=self._same_run
            )

        point = told_by_main(group, look)
        # What this process itself has in its folder; compared before anything is moved.
        self._newest = checkpoint.latest(self.folder)
        if point.checkpoint is None:
            log.logger.info("no checkpoint in %s: starting at step 0", self.folder)
        elif not group.topology.is_main:
            # On machines with disks of their own the same name need not be the same place.
            named = point.named is not None and config.resume not in (AUTO, NEVER)
            own = Path(config.resume) if named else self.folder / point.checkpoint.name
            point = replace(point, checkpoint=own if own.is_dir() else None)
        return point

    def _same_run(self, state: RunState) -> bool:
        try:
            require_same(state, self.config, self.task.fingerprint, self.adapter.caps.name)
        except BertkitError:
            return False
        return True

    def _restore(self, model: nn.Module, point: ResumePoint) -> RunState | None:
        """Weights and progress of the run's checkpoint, or the weights to start from."""
        resumed = point.checkpoint
        if resumed is None:
            self._load_start(model)
            return None
        # Fixed settings must match; `changed` lists differences that only alter rounding.
        state = load_state(resumed)
        changed = require_same(state, self.config, self.task.fingerprint, self.adapter.caps.name)
        world = self.adapter.process_group.topology.world
        # Another number of processes changes the order of sums, and so their rounding.
        if state.world != world:
            changed.append(f"{state.world} processes, now {world}")
        if changed:
            log.logger.warning(
                "resuming, but the results will not be bit-identical: %s", "; ".join(changed)
            )
        self._compare_start(model, state)
        self.task.load_weights(model, resumed, resuming=True)
        finished = state.finished and length_before(state, self.config) is None
        if not finished:
            log.logger.info("resuming from %s at step %d", resumed, state.step)
        self.progress = Progress(
            step=state.step,
            position=state.position,
            seconds=state.seconds,
            finished=finished,
            train=dict(state.metrics.get("train", {})),
            evaluation=dict(state.metrics.get("eval", {})),
            checkpoint=resumed,
        )
        self.first_step = state.step
        return state

    def _load_start(self, model: nn.Module) -> None:
        """The weights to start from, where there are any; they are not a run's in `output`."""
        start = self.task.start
        self._start = {"path": None, "digest": None}
        if start is None:
            return
        report = self.task.load_weights(model, start, resuming=False)
        self.task.warn_of_missing(report, start)
        digest = digest_of(model.state_dict(), report.loaded)
        self._start = {"path": str(start), "digest": digest}
        log.logger.info("weights from %s", start)

    def _compare_start(self, model: nn.Module, state: RunState) -> None:
        """Refuse other starting weights than the run's; they need not be there any more."""
        self._start = state.start
        start = self.task.start
        before = (state.start or {}).get("path") or state.config.get("init_checkpoint")
        if start is None:
            # The settings say what the run began from, also where this call does not.
            if state.start:
                self.config = self.task.config = replace(self.config, init_checkpoint=before)
            return
        if str(start) == before and formats.detect(start) is None:
            log.logger.info("%s, which the run began from, is not needed any more", start)
            return
        report = self.task.load_weights(model, start, resuming=False)
        require_same_start(state, start, digest_of(model.state_dict(), report.loaded))

    def _require_agreement(self) -> None:
        """All processes must stand at the same step of the same run."""
        task, newest = self.task, self._newest
        own = versions()
        facts = {
            **settings_to_compare(self.config, task.local_settings),
            "step": self.progress.step,
            "position": self.progress.position,
            "newest checkpoint": newest.name if newest else None,
            "training data": task.fingerprint[:12],
            "evaluation data": task.eval_fingerprint[:12] or None,
            "vocabulary": hashlib.sha256(task.vocab).hexdigest()[:12] if task.vocab else None,
            "starting weights": ((self._start or {}).get("digest") or "")[:12] or None,
            "bertkit": own["bertkit"],
            "torch": own["torch"],
        }
        require_agreement(self.adapter.process_group, facts)

    def _history(self, point: ResumePoint, state: RunState | None) -> dict[str, Any]:
        """What every further checkpoint of the run says of its past."""
        return {
            "start": self._start,
            "resumed_from": point.named or (state.resumed_from if state else None),
            "overwrote": point.replaces or (state is not None and state.overwrote),
            "damaged": len(point.damaged) + (state.damaged if state else 0),
        }

    def _say_what_is_longer(self, state: RunState, samples: int) -> None:
        """How the schedule changes where a run is prolonged."""
        before = length_before(state, self.config)
        if before is None:
            return
        old, new = before.steps(samples), self.config.steps(samples)
        rates = [learning_rates(one, length)(state.step) for one, length in
                 ((before, old), (self.config, new))]  # fmt: skip
        log.logger.warning(
            "the run is prolonged from %s to %s steps: the learning rate at step %s was %.3g and"
            " is now %.3g",
            f"{old:,}", f"{new:,}", f"{state.step:,}", *rates,
        )  # fmt: skip

    def _write_facts(self, point: ResumePoint) -> None:
        """Settings and machine, by the main process alone, which makes way for them."""
        if self.adapter.process_group.topology.is_main:
            make_way(self.folder, point, self.task.outputs)
            write_text(self.folder / CONFIG, dump_yaml(as_dict(self.config)))
            facts = json.dumps(machine_facts(self.adapter), indent=1)
            write_text(self.folder / MACHINE, facts + "\n")

    def _make_stepper(self, placed: nn.Module, steps: int) -> Stepper:
        stepper = self.adapter.build(
            placed,
            self.task.objective,
            self.task.step_plan,
            self.adapter.optimizer(placed, optimizer_spec(self.config)),
            learning_rates(self.config, steps),
        )
        # Only the main process writes a trace.
        if self.config.profile_steps and self.adapter.process_group.topology.is_main:
            chosen = steps_to_profile(self.config.profile_steps, steps)
            return ProfiledStepper(stepper, chosen, self.folder, self.adapter.caps.name)
        return stepper

    def _recorder(self) -> Recorder:
        # Other processes keep a recorder that writes nothing.
        if not self.adapter.process_group.topology.is_main:
            return Recorder()
        lines = MetricsFile(self.folder, self.first_step)
        settings = as_dict(self.config)
        trackers = self._make_trackers(
            self.config.log_to, self.config.output, settings, self.first_step
        )
        return Recorder(lines, [*trackers, *self.task.trackers(self.first_step)])

    def _peak_share(self) -> Callable[[Mapping[str, float], float], float] | None:
        """(sums, seconds) of a log line → share of all processes' measured peak; or None."""
        if not self.config.measure_peak:
            return None
        own = self.adapter.peak_flops(self.config.precision)
        # The sum over processes, because throughput is counted over all of them too.
        (peak,) = self.adapter.process_group.sum([own])
        log.logger.info("matrix products in %s: %.3g operations/s", self.config.precision, peak)
        return lambda sums, seconds: self.task.flops(sums) / seconds / peak

    def _batch_equation(self) -> str:
        return self.config.batch_equation(self.adapter.process_group.topology.world)


def machine_facts(adapter: Adapter) -> dict[str, str | int]:
    """What a run is computed on, for reports."""
    probe = adapter.probe()
    return {
        "backend": probe.name,
        "devices": ", ".join(probe.devices),
        "found": probe.reason,
        "processes": adapter.process_group.topology.world,
        "cores": os.cpu_count() or 0,
        "software": f"{probe.version}, Python {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
    }
