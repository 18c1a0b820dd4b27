"""Runs a training in its folder: restores, trains, saves, resumes and closes it.

The same for every task: what differs comes as a `TrainingTask`. The folder gets

    config.yaml      the resolved settings
    machine.json     the hardware and software of the last call
    metrics.jsonl    the numbers of log lines and evaluations
    step-0001000/    checkpoints, see `bertkit.train.checkpoints.checkpoint`

The same call on the same folder resumes: bit for bit on CPUs, and on GPUs where all kernels are
deterministic (`--deterministic`).
"""

from __future__ import annotations

import copy
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bertkit import log
from bertkit.backends.base import Adapter, Stepper
from bertkit.codecs.strict_json import json_text
from bertkit.configuration.config import dump_whole_yaml
from bertkit.configuration.record_settings import settings_read
from bertkit.data.prefetch import StepRange
from bertkit.data.step_batch import StepBatch
from bertkit.hub.sources import with_names
from bertkit.model.bert import recompute_layers
from bertkit.storage.files import write_text
from bertkit.system.processes import core_count
from bertkit.train.agreement import held_by_main, together
from bertkit.train.beginning import Beginning
from bertkit.train.checkpoints import checkpoint
from bertkit.train.checkpoints.resume import ResumePoint, make_way
from bertkit.train.checkpoints.run_checkpoints import RunCheckpoints
from bertkit.train.config import TrainingConfig
from bertkit.train.metrics import MetricsFile, Recorder, Tracker
from bertkit.train.nonfinite import warn_of_no_update
from bertkit.train.profiling import ProfiledStepper, steps_to_profile
from bertkit.train.run_files import CONFIG, MACHINE
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
            `bertkit.report.logs.trackers.make_trackers`.
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
        self.folder = Path(task.config.output)
        self.model: nn.Module | None = None
        self.progress = Progress()
        self.first_step = 0
        self._make_trackers = make_trackers
        self._overwrite = overwrite

    @property
    def config(self) -> TrainingConfig:
        """The settings, as the run remembers them."""
        return self.task.config

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
        group = self.adapter.process_group
        # Before anything is built: is there a checkpoint to resume from?
        beginning = Beginning(self.task, self.adapter, self._overwrite)
        point = beginning.look()
        # New weights depend on the seed alone, so all processes draw the same.
        torch.manual_seed(self.config.seed)
        self.model = model = self.task.make_model()
        recompute_layers(model, self.config.recompute)
        self.progress = together(group, lambda: beginning.restore(model))
        self.first_step = self.progress.step
        beginning.require_agreement(self.progress)
        # Only now, when the settings are known to fit the checkpoint.
        self._write_facts(point)
        if self.progress.finished:
            log.logger.info("%s is finished at step %d", self.folder, self.progress.step)
            if group.topology.is_main and beginning.state:
                # A run that was killed right at its end has not done this.
                keeping = self.config.keep_last, self.config.keep_every
                checkpoint.remove_oldest(self.folder, beginning.state, *keeping)
            return self.progress
        data = self.task.training_data(self.adapter)
        # --epochs becomes a number of steps here, once the number of samples is known.
        steps = self.config.steps(data.samples)
        counted = log.counted(steps, "step")
        computed = f"{self.config.precision} on {self.adapter.caps.name}"
        log.logger.info(
            "%s, %s, %s, in %s", data.summary, counted, self._batch_equation(), computed
        )
        beginning.say_what_is_longer(data.samples)
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
            history=beginning.history(),
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
            eval_first=config.eval_first,
            eval_every_samples=config.eval_samples,
            samples_per_step=config.global_batch_size,
            steps_this_run=config.steps_this_run,
            target=config.target,
            on_nonfinite=config.on_nonfinite,
            check_every_step=self.adapter.caps.scalar_reads == "free",
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
            progress = trainer.run(self.progress)
        finally:
            recorder.close()
        warn_of_no_update(progress.left_out, progress.step)
        return progress

    def _write_facts(self, point: ResumePoint) -> None:
        """Settings and machine, by the main process alone, which makes way for them."""
        if self.adapter.process_group.topology.is_main:
            make_way(self.folder, point, self.task.outputs)
            settings = with_names(settings_read(self.config))
            write_text(self.folder / CONFIG, dump_whole_yaml(settings))
            facts = json_text(machine_facts(self.adapter), indent=1)
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
        lines = MetricsFile(self.folder, self.first_step, self.progress.evaluation_due)
        settings = with_names(settings_read(self.config))
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
        "cores": core_count(),
        "software": f"{probe.version}, Python {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
    }
