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
import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bertkit import log
from bertkit.backends.base import Adapter, Stepper
from bertkit.config import as_dict, dump_yaml
from bertkit.data.prefetch import StepRange
from bertkit.data.step_batch import StepBatch
from bertkit.files import write_text
from bertkit.strict_json import json_text
from bertkit.train import checkpoint
from bertkit.train.background_save import BackgroundSaver
from bertkit.train.checkpoint import RunState
from bertkit.train.config import TrainingConfig
from bertkit.train.metrics import MetricsFile, Recorder, Tracker, from_json
from bertkit.train.nonfinite import LeftOut
from bertkit.train.profiling import ProfiledStepper, steps_to_profile
from bertkit.train.run_files import CONFIG, MACHINE, METRICS
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
        overwrite: remove what another run left in the folder.

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
        self._make_trackers = make_trackers
        self._overwrite = overwrite

    def train(self) -> Progress:
        """Train from where the run stands to its end; a finished run is left as it is.

        Raises:
            DataError, ConfigError: the checkpoint is broken or does not fit; or the folder
                belongs to another run.
            StoppedError: stopped by a signal or `steps_this_run`, everything saved.
            CompiledOnly: the settings asked for no more.
        """
        # Before anything is built: is there a checkpoint to resume from?
        resumed = self._resume_point()
        # New weights depend on the seed alone, so all processes draw the same.
        torch.manual_seed(self.config.seed)
        self.model = self.task.make_model()
        self._restore(self.model, resumed)
        # Only now, when the settings are known to fit the checkpoint.
        self._write_facts()
        if self.progress.finished:
            log.logger.info("%s is finished at step %d", self.folder, self.progress.step)
            return self.progress
        data = self.task.training_data(self.adapter)
        # --epochs becomes a number of steps here, once the number of samples is known.
        steps = self.config.steps(data.samples)
        log.logger.info("%s, %s steps, %s", data.summary, f"{steps:,}", self._batch_equation())
        # Checkpoints are written from a copy in main memory, made before the model moves.
        copy_to_save = copy.deepcopy(self.model)
        placed = self.adapter.place(self.model)
        stepper = self._make_stepper(placed, steps)
        # The optimizer exists only now that the model has been placed on its device.
        if resumed:
            stepper.load_state(checkpoint.load_stepper_state(resumed))
        checkpoints = RunCheckpoints(
            self.task,
            self.adapter,
            stepper=stepper,
            samples=data.samples,
            copy_to_save=copy_to_save,
            weights=lambda: self.adapter.weights(placed),
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
            return trainer.run(self.progress)
        finally:
            recorder.close()

    def _resume_point(self) -> Path | None:
        """The checkpoint to resume from, or None; the main process looks first, and cleans up."""
        config = self.config
        found = self.adapter.process_group.in_turn(
            lambda main: checkpoint.resume_point(
                self.folder,
                config.resume,
                overwrite=self._overwrite and main,
                metrics_file=METRICS,
            )
        )
        if found is None:
            log.logger.info("no checkpoint in %s: starting at step 0", self.folder)
        return found

    def _restore(self, model: nn.Module, resumed: Path | None) -> None:
        """Weights and progress of the run's checkpoint, or the weights to start from."""
        if resumed is None:
            if self.task.start:
                self.task.load_weights(model, self.task.start, resuming=False)
                log.logger.info("weights from %s", self.task.start)
            return
        # Fixed settings must match; `changed` lists differences that only alter rounding.
        state = checkpoint.load_state(resumed)
        changed = checkpoint.require_same(
            state, self.config, self.task.fingerprint, self.adapter.caps.name
        )
        world = self.adapter.process_group.topology.world
        # Another number of processes changes the order of sums, and so their rounding.
        if state.world != world:
            changed.append(f"{state.world} processes, now {world}")
        if changed:
            log.logger.warning(
                "resuming, but the results will not be bit-identical: %s", "; ".join(changed)
            )
        self.task.load_weights(model, resumed, resuming=True)
        if not state.finished:
            log.logger.info("resuming from %s at step %d", resumed, state.step)
        self.progress = Progress(
            step=state.step,
            position=state.position,
            seconds=state.seconds,
            finished=state.finished,
            train=(last := from_json(state.metrics.get("train", {}))),
            evaluation=from_json(state.metrics.get("eval", {})),
            checkpoint=resumed,
            left_out=LeftOut(
                overflow_steps=int(last.get("overflow_steps", 0)),
                skipped_steps=int(last.get("skipped_steps", 0)),
            ),
        )
        self.first_step = state.step

    def _write_facts(self) -> None:
        """Settings and machine, by the main process alone."""
        if self.adapter.process_group.topology.is_main:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Partly written checkpoints of a killed run.
            checkpoint.remove_leftovers(self.folder)
            write_text(self.folder / CONFIG, dump_yaml(as_dict(self.config)))
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


class RunCheckpoints:
    """Writes the checkpoints of a run; see `bertkit.train.trainer.CheckpointWriter`.

    Args:
        task: knows settings, data and vocabulary.
        adapter: of the machine; the main process alone writes.
        stepper: knows the optimizer's state.
        samples: in an epoch.
        copy_to_save: bertkit's model in main memory, filled before every write.
        weights: the weights as they are now.
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
    ) -> None:
        self._task = task
        self._config = task.config
        self._process_group = adapter.process_group
        self._stepper = stepper
        self._samples = samples
        background = task.config.background_save
        self._saver = BackgroundSaver(copy_to_save, weights, self._write, background, self._check)

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
                config=as_dict(self._config),
                seconds=progress.seconds,
                finished=progress.finished,
                metrics={"train": progress.train, "eval": progress.evaluation},
                world=topology.world,
            )
            self._saver.save(stepper_state, state)
        return Path(self._config.output) / checkpoint.folder_name(progress.step)

    def wait_for_saves(self) -> None:
        """Block until every checkpoint write has finished."""
        self._saver.wait()

    def _check(self, model: nn.Module, state: RunState) -> None:
        checkpoint.require_finite_run(self._config.output, state.step, model.state_dict())

    def _write(self, model: nn.Module, stepper_state: Mapping[str, Any], state: RunState) -> Path:
        return checkpoint.save(
            self._config.output,
            model=model,
            stepper_state=stepper_state,
            state=state,
            vocab=self._task.vocab,
            keep_last=self._config.keep_last,
            keep_every=self._config.keep_every,
        )


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
