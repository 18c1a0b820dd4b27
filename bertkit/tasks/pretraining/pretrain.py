"""Pretraining from settings to checkpoints: what a run is made of, and how it goes on."""

from __future__ import annotations

import copy
import functools
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bertkit import log
from bertkit.backends.base import Adapter, CompiledOnly, Stepper
from bertkit.config import as_dict, dump_yaml
from bertkit.data.prefetch import Steps
from bertkit.data.record_source import Source
from bertkit.data.step_batch import StepBatch
from bertkit.errors import StoppedError, TargetNotReachedError
from bertkit.files import write_text
from bertkit.model.checkpoints.loading import load_into, load_weights
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.report.page import CONFIG, MACHINE
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.evaluate import measure
from bertkit.tasks.pretraining.feeds import eval_feed, training_feed
from bertkit.tasks.pretraining.prepare import Prepared, make_model, optimizer_spec, prepare
from bertkit.tasks.pretraining.resources import Estimate
from bertkit.tasks.pretraining.run_facts import benchmark_logs, eval_samples, machine, peak_share
from bertkit.tasks.pretraining.task import PretrainTask
from bertkit.train import checkpoint, metrics
from bertkit.train.backend_options import options_of
from bertkit.train.background_save import BackgroundSaver
from bertkit.train.checkpoint import RunState
from bertkit.train.metrics import MetricsFile
from bertkit.train.profiling import ProfiledStepper, steps_to_profile
from bertkit.train.schedule import Schedule, make_schedule, staged
from bertkit.train.trackers import make_trackers
from bertkit.train.trainer import LoopSettings, Progress, Trainer

# Settings that may change between the calls of a run: they decide no number of it.
FREE = (
    "input", "text", "text_cache", "output", "eval_input", "vocab", "init_checkpoint", "resume",
    "save_every", "keep_last", "keep_every", "background_save", "eval_every", "eval_every_samples",
    "mlperf_log", "json_summary", "measure_peak", "log_every", "log_to", "target_mlm_accuracy",
    "steps_this_run", "epochs", "warmup_proportion", "shard_optimizer", "recompute",
    "profile_steps",
)  # fmt: skip
# These keep the mathematics and change only the last bits.
LOOSE = (
    "backend", "layout", "micro_batch_size", "bucket_boundaries", "sequences_per_pack",
    "cuda.", "hpu.", "ipu.", "cs.",
)  # fmt: skip


@dataclass(frozen=True)
class PretrainResult:
    """How a run ended.

    Attributes:
        output: the run's folder.
        checkpoint: the last one.
        step: updates done.
        resumed_from: the step this call started from.
        train: numbers of the last log line.
        evaluation: numbers of the last evaluation; empty without one.
        plan: the run in numbers.
        seconds: of this call, without start-up.
    """

    output: str
    checkpoint: str
    step: int
    resumed_from: int
    train: dict[str, float]
    evaluation: dict[str, float]
    plan: Estimate
    seconds: float

    def text(self) -> str:
        """The result for people."""
        shown = {
            "step": f"{self.step:,}",
            **{
                f"{kind} {name}": f"{numbers[name]:.4f}"
                for kind, numbers in (("train", self.train), ("eval", self.evaluation))
                for name in ("mlm_loss", "mlm_accuracy", "nsp_accuracy")
                if name in numbers
            },
            "checkpoint": self.checkpoint,
        }
        width = max(map(len, shown))
        return "\n".join(f"{name:<{width}}  {value}" for name, value in shown.items())


def pretrain(
    config: PretrainConfig,
    adapter: Adapter,
    origins: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> PretrainResult:
    """Run, or go on with, a pretraining run.

    The run's folder gets `config.yaml` (the resolved settings), `metrics.jsonl` and
    checkpoints `step-*/`. The same call on the same folder goes on bit for bit.

    Args:
        config: the settings.
        adapter: of the machine.
        origins: where settings came from.
        overwrite: remove what another run left in the folder.

    Raises:
        DataError, ConfigError: see `prepare`; or the folder belongs to another run.
        StoppedError: stopped by a signal or `steps_this_run`, everything saved.
        TargetNotReachedError: no evaluation reached `target_mlm_accuracy`.
    """
    adapter.start(options_of(config, adapter.caps.name), distributed=True)
    peers = adapter.peers
    ready = prepare(config, adapter, origins)
    config = ready.config
    run = Path(config.output)
    resumed = peers.in_turn(lambda main: _resume_point(config, overwrite and main))
    torch.manual_seed(config.seed)
    model = make_model(config)
    state = _restore_weights(model, config, ready.source, resumed, peers.topology.world)
    if peers.topology.is_main:
        run.mkdir(parents=True, exist_ok=True)
        checkpoint.remove_leftovers(run)
        write_text(run / CONFIG, dump_yaml(as_dict(config)))
        write_text(run / MACHINE, json.dumps(machine(adapter), indent=1) + "\n")
    spare = copy.deepcopy(model)
    placed = adapter.place(model)
    stepper = _build(placed, adapter, ready, run)
    progress = Progress()
    if state and resumed:
        stepper.load_state(checkpoint.load_stepper_state(resumed))
        progress = _progress(state, resumed)
    begin, first = time.perf_counter(), progress.step
    try:
        if progress.finished:
            log.logger.info("%s is finished at step %d", run, progress.step)
        else:
            saver = _saver(ready, spare, functools.partial(adapter.weights, placed))
            _train(ready, saver, stepper, progress, adapter)
        _require_target(config, progress)
    except (StoppedError, TargetNotReachedError):
        adapter.close()
        raise
    except CompiledOnly as done:
        log.logger.info("%s; nothing was trained", done)
    adapter.close()
    return PretrainResult(
        output=str(run),
        checkpoint=str(progress.checkpoint or "none"),
        step=progress.step,
        resumed_from=first,
        train=progress.train,
        evaluation=progress.evaluation,
        plan=ready.plan,
        seconds=time.perf_counter() - begin,
    )


def _train(
    ready: Prepared,
    saver: BackgroundSaver,
    stepper: Stepper,
    progress: Progress,
    adapter: Adapter,
) -> None:
    config, peers = ready.config, adapter.peers
    share = peak_share(ready, adapter)
    feed = training_feed(ready, adapter)

    def batches(position: int, limit: int) -> AbstractContextManager[Iterable[StepBatch]]:
        return adapter.loader(Steps(feed, position, limit))

    log.logger.info(
        "%s records of %d tokens, %s steps, %s",
        f"{len(ready.source):,}", ready.source.max_seq_length,
        f"{config.max_steps:,}", ready.plan.batch_equation,
    )  # fmt: skip

    def save(progress: Progress) -> Path:
        inner = stepper.state()
        place = Path(config.output) / checkpoint.folder_name(progress.step)
        if not peers.topology.is_main:
            return place
        state = RunState(
            step=progress.step,
            position=progress.position,
            epoch=progress.position / len(ready.source),
            seed=config.seed,
            data_fingerprint=ready.source.fingerprint,
            config=as_dict(config),
            seconds=progress.seconds,
            finished=progress.finished,
            metrics={"train": progress.train, "eval": progress.evaluation},
            world=peers.topology.world,
        )
        saver.save(inner, state)
        return place

    lines, trackers = None, []
    if peers.topology.is_main:
        lines = MetricsFile(config.output, progress.step)
        trackers = make_trackers(config.log_to, config.output, as_dict(config))
        trackers += benchmark_logs(ready, progress.step)
    settings = LoopSettings(
        steps=config.max_steps,
        log_every=config.log_every,
        save_every=config.save_every,
        eval_every=config.eval_every,
        eval_every_samples=eval_samples(config),
        samples_per_step=config.global_batch_size,
        steps_this_run=config.steps_this_run,
        target=config.target_mlm_accuracy,
    )
    try:
        evaluate = _evaluator(ready, stepper, adapter)
        Trainer(
            settings, stepper, batches, save, lines, evaluate, trackers, peers, saver.wait, share
        ).run(progress)
    finally:
        if lines:
            lines.close()
        for tracker in trackers:
            tracker.close()


def _saver(
    ready: Prepared, spare: nn.Module, weights: Callable[[], Mapping[str, Tensor]]
) -> BackgroundSaver:
    """Writes checkpoints of the weights into the run's folder."""
    config = ready.config

    def write(model: nn.Module, inner: Mapping[str, Any], state: RunState) -> Path:
        return checkpoint.save(
            config.output, model, inner, state, ready.vocab, config.keep_last, config.keep_every
        )

    return BackgroundSaver(spare, weights, write, config.background_save)


def _evaluator(ready: Prepared, stepper: Stepper, adapter: Adapter) -> Any:
    """A function that evaluates the model as it stands, or None."""
    source, config = ready.eval_source, ready.config
    if source is None:
        return None
    feed = eval_feed(source, config.micro_size, config, config.model.vocab_size, adapter)
    total = feed.parts()
    return lambda: measure(stepper, adapter, feed.once, total)


def _build(placed: nn.Module, adapter: Adapter, ready: Prepared, run: Path) -> Stepper:
    config = ready.config
    optimizer = adapter.optimizer(placed, optimizer_spec(config))
    task = PretrainTask(nsp=config.nsp)
    stepper = adapter.build(placed, task, ready.step, optimizer, _schedule(config))
    if config.profile_steps and adapter.peers.topology.is_main:
        steps = steps_to_profile(config.profile_steps, config.max_steps)
        return ProfiledStepper(stepper, steps, run, adapter.caps.name)
    return stepper


def _schedule(config: PretrainConfig) -> Schedule:
    if config.stage:
        return staged(config.stage, config.max_steps)
    return make_schedule(
        config.schedule,
        learning_rate=config.learning_rate,
        max_steps=config.max_steps,
        warmup_steps=config.warmup(config.max_steps),
        start_warmup_step=config.start_warmup_step,
        power=config.power,
        end_learning_rate=config.end_learning_rate,
    )


def _resume_point(config: PretrainConfig, overwrite: bool) -> Path | None:
    """The checkpoint to go on from, or None for a fresh start."""
    if config.resume not in ("auto", "never"):
        return Path(config.resume)
    last = checkpoint.point_to_resume(config.output, config.resume, overwrite, metrics.NAME)
    if last is None:
        log.logger.info("no checkpoint in %s: starting at step 0", config.output)
    return last


def _restore_weights(
    model: BertForPreTraining,
    config: PretrainConfig,
    source: Source,
    resumed: Path | None,
    world: int,
) -> RunState | None:
    """Load the weights of the checkpoint to resume or to start from."""
    if resumed is None:
        if config.init_checkpoint:
            _load(model, Path(config.init_checkpoint), config.model)
            log.logger.info("weights from %s", config.init_checkpoint)
        return None
    state = checkpoint.load_state(resumed)
    loose = checkpoint.require_same(state, as_dict(config), source.fingerprint, FREE, LOOSE)
    if state.world != world:
        loose.append(f"{state.world} processes, now {world}")
    if loose:
        log.logger.warning("going on, but not bit for bit the same run: %s", "; ".join(loose))
    _load(model, resumed, config.model)
    log.logger.info("going on from %s at step %d", resumed, state.step)
    return state


def _load(model: BertForPreTraining, place: Path, shape: BertConfig) -> None:
    report = load_into(
        model,
        load_weights(place, shape.vocab_size),
        allow_missing=("cls.seq_relationship.", "bert.pooler.", "cls.predictions."),
        allow_unexpected=("qa_outputs.", "classifier."),
        source=str(place),
    )
    if report.missing:
        log.logger.warning("%s lacks %s: newly drawn", place, ", ".join(report.missing))


def _progress(state: RunState, folder: Path) -> Progress:
    return Progress(
        step=state.step,
        position=state.position,
        seconds=state.seconds,
        finished=state.finished,
        train=dict(state.metrics.get("train", {})),
        evaluation=dict(state.metrics.get("eval", {})),
        checkpoint=folder,
    )


def _require_target(config: PretrainConfig, progress: Progress) -> None:
    target = config.target_mlm_accuracy
    reached = progress.evaluation.get("mlm_accuracy", -math.inf)
    if target is not None and not reached >= target:
        raise TargetNotReachedError(
            f"masked LM accuracy {reached:.4f} at step {progress.step} is below"
            f" --target-mlm-accuracy {target}; the run is saved in {progress.checkpoint}"
        )
