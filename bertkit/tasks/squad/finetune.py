"""Fine-tuning on SQuAD: train, answer and score in any combination."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bertkit import log
from bertkit.backends.base import Adapter, CompiledOnly, Stepper
from bertkit.backends.process_group import Topology
from bertkit.config import as_dict, dump_yaml
from bertkit.data.prefetch import Steps
from bertkit.data.sample_order import Order
from bertkit.data.step_batch import StepBatch
from bertkit.errors import ConfigError, StoppedError
from bertkit.files import open_binary, write_text
from bertkit.model.heads import BertForQuestionAnswering
from bertkit.tasks.squad.answer_files import (
    ANSWERS,
    answer_windows,
    load_span_weights,
    score_folder,
    write_predictions,
)
from bertkit.tasks.squad.config import SquadConfig
from bertkit.tasks.squad.features import Window
from bertkit.tasks.squad.prepare import Ready, answering_plan, prepare
from bertkit.tasks.squad.window_batches import ScoreTask, SpanTask, WindowFeed
from bertkit.train import checkpoint, metrics
from bertkit.train.backend_options import options_of
from bertkit.train.background_save import BackgroundSaver
from bertkit.train.checkpoint import RunState
from bertkit.train.metrics import MetricsFile
from bertkit.train.schedule import make_schedule
from bertkit.train.trackers import make_trackers
from bertkit.train.trainer import LoopSettings, Progress, Trainer

CONFIG = "config.yaml"

# Settings that decide the numbers of a training run, and those that only change last bits.
_DECIDING = {
    "do_lower_case", "version_2_with_negative", "max_seq_length", "doc_stride",
    "max_query_length", "precision", "global_batch_size", "epochs", "max_steps", "optimizer",
    "learning_rate", "schedule", "warmup_proportion", "weight_decay", "max_grad_norm", "limit",
    "seed",
}  # fmt: skip
_LOOSE = ("backend", "layout", "micro_batch_size", "hpu.", "ipu.", "cs.")
_FREE = tuple(item.name for item in fields(SquadConfig) if item.name not in {*_DECIDING, *_LOOSE})


@dataclass
class SquadResult:
    """How a run ended.

    Attributes:
        output: the run's folder.
        checkpoint: the weights that were trained or used.
        step: updates done.
        train_questions: in the training file.
        train_windows: made of them.
        train: numbers of the last log line.
        predict_questions: in the file to answer.
        predict_windows: made of them.
        predictions: file of the answers; empty without.
        scores: EM, F1 and more, percentages.
        seconds: of work, without start-up.
    """

    output: str
    checkpoint: str = ""
    step: int = 0
    train_questions: int = 0
    train_windows: int = 0
    train: dict[str, float] = field(default_factory=dict)
    predict_questions: int = 0
    predict_windows: int = 0
    predictions: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def text(self) -> str:
        """The result for people."""
        shown = {"step": f"{self.step:,}"} if self.step else {}
        shown |= {f"train {name}": f"{self.train[name]:.4f}" for name in ("loss",) if self.train}
        shown |= {
            name: f"{value:,}" if name.endswith("total") else f"{value:.2f}"
            for name, value in self.scores.items()
        }
        places = {"checkpoint": self.checkpoint, "predictions": self.predictions}
        shown |= {name: value for name, value in places.items() if value}
        width = max(map(len, shown), default=0)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in shown.items())


def finetune(config: SquadConfig, adapter: Adapter, overwrite: bool = False) -> SquadResult:
    """Train, answer and score, as the settings say.

    The run's folder gets `config.yaml`, `metrics.jsonl`, checkpoints `step-*/`, and
    `predictions.json`, `nbest_predictions.json`, `null_odds.json` (v2.0), `scores.json`
    and `review.json`. Several processes share every step and the questions; the main one
    writes, and scores come to it alone.
    The same call on the same folder goes on where it stopped.

    Args:
        config: the settings.
        adapter: of the machine.
        overwrite: remove what another run left in the folder.

    Raises:
        DataError, ConfigError: see `prepare`; or the folder belongs to another run.
        StoppedError: stopped by a signal, everything saved.
    """
    computes = config.trains or config.predicts
    if computes:
        adapter.start(options_of(config, adapter.caps.name), distributed=True)
    elif Topology.from_environment().world > 1:
        raise ConfigError("scoring runs in one process", "start it without torchrun")
    ready = prepare(config, adapter)
    begin = time.perf_counter()
    result = SquadResult(config.output, predict_questions=len(ready.asked))
    if computes:
        try:
            _compute(ready, adapter, result, overwrite)
        except CompiledOnly as done:
            log.logger.info("%s; nothing was %s", done, "trained" if config.trains else "answered")
            adapter.close()
            return result
        except StoppedError:
            adapter.close()
            raise
    if ready.scores:
        result.predictions = str(Path(config.output) / ANSWERS)
        if adapter.peers.topology.is_main:
            version_2 = config.version_2_with_negative
            result.scores = score_folder(config.output, ready.asked, version_2)
    adapter.close()
    result.seconds = time.perf_counter() - begin
    return result


def _compute(ready: Ready, adapter: Adapter, result: SquadResult, overwrite: bool) -> None:
    config, run = ready.config, Path(ready.config.output)
    assert ready.shape is not None
    resumed = None
    if config.trains:
        resumed = adapter.peers.in_turn(
            lambda main: checkpoint.point_to_resume(
                run, config.resume, overwrite and main, metrics.NAME
            )
        )
    torch.manual_seed(config.seed)
    model = BertForQuestionAnswering(ready.shape)
    state = _restore(ready, model, resumed, adapter.peers.topology.world)
    run.mkdir(parents=True, exist_ok=True)
    result.checkpoint = str(resumed or ready.start)
    if config.trains:
        progress = _train(ready, adapter, model, state, resumed, result)
        result.checkpoint, result.step = str(progress.checkpoint), progress.step
        result.train = progress.train
    if config.predicts:
        _predict(ready, adapter, model, result)


def _train(
    ready: Ready, adapter: Adapter, model: BertForQuestionAnswering, state: RunState | None,
    resumed: Path | None, result: SquadResult,
) -> Progress:  # fmt: skip
    config, run, peers = ready.config, Path(ready.config.output), adapter.peers
    place = peers.topology
    if place.is_main:
        checkpoint.remove_leftovers(run)
        write_text(run / CONFIG, dump_yaml(as_dict(config)))
    progress = _progress(state, resumed) if state and resumed else Progress()
    if progress.finished:
        log.logger.info("%s is trained already, %d steps", run, progress.step)
        return progress
    windows = _windows(ready, adapter, training=True)
    result.train_questions, result.train_windows = len(ready.training), len(windows)
    steps = config.steps(len(windows))
    log.logger.info(
        "%s questions in %s windows, %s steps of %d",
        f"{len(ready.training):,}", f"{len(windows):,}", f"{steps:,}", config.global_batch_size,
    )  # fmt: skip
    spare = copy.deepcopy(model)
    placed = adapter.place(model)
    stepper = _build(ready, adapter, placed, steps)
    if resumed:
        stepper.load_state(checkpoint.load_stepper_state(resumed))
    order = Order(len(windows), config.seed)
    feed = WindowFeed(
        windows, order, ready.batcher, config.global_batch_size, config.micro_size,
        place.rank, place.world,
    )  # fmt: skip
    vocab = _vocab_bytes(ready)

    def save(progress: Progress) -> Path:
        inner = stepper.state()
        if place.is_main:
            epoch = progress.position / len(windows)
            state = RunState(
                progress.step, progress.position, epoch, config.seed, ready.fingerprint,
                as_dict(config), progress.seconds, progress.finished, {"train": progress.train},
                world=place.world,
            )  # fmt: skip
            saver.save(inner, state)
        return run / checkpoint.folder_name(progress.step)

    def write(model: nn.Module, inner: Mapping[str, Any], state: RunState) -> Path:
        return checkpoint.save(run, model, inner, state, vocab, config.keep_last)

    def batches(position: int, limit: int) -> AbstractContextManager[Iterable[StepBatch]]:
        return adapter.loader(Steps(feed, position, limit))

    saver = BackgroundSaver(spare, partial(adapter.weights, placed), write)
    settings = LoopSettings(steps, config.log_every, config.save_every)
    lines, trackers = None, []
    if place.is_main:
        lines = MetricsFile(run, progress.step)
        trackers = make_trackers(config.log_to, config.output, as_dict(config))
    try:
        trainer = Trainer(
            settings, stepper, batches, save, lines, None, trackers, peers, saver.wait
        )
        return trainer.run(progress)
    finally:
        if lines:
            lines.close()
        for tracker in trackers:
            tracker.close()


def _build(ready: Ready, adapter: Adapter, placed: nn.Module, steps: int) -> Stepper:
    config = ready.config
    schedule = make_schedule(
        config.schedule,
        learning_rate=config.learning_rate,
        max_steps=steps,
        warmup_steps=int(steps * config.warmup_proportion),
    )
    optimizer = adapter.optimizer(placed, ready.optimizer)
    return adapter.build(placed, SpanTask(), ready.plan, optimizer, schedule)


def _progress(state: RunState, folder: Path) -> Progress:
    return Progress(
        state.step, state.position, state.seconds, state.finished,
        dict(state.metrics.get("train", {})), checkpoint=folder,
    )  # fmt: skip


def _windows(ready: Ready, adapter: Adapter, training: bool) -> list[Window]:
    """The windows; where a cache keeps them, one process makes them for all."""
    if ready.config.cache is None:
        return ready.kept_windows(training)
    return adapter.peers.in_turn(lambda main: ready.kept_windows(training))


def _predict(
    ready: Ready, adapter: Adapter, model: BertForQuestionAnswering, result: SquadResult
) -> None:
    config = ready.config
    windows = _windows(ready, adapter, training=False)
    plan = answering_plan(ready.plan, config)
    stepper = adapter.build(adapter.place(model), ScoreTask(), plan)
    predictions = answer_windows(config, adapter, stepper, ready.batcher, ready.tokenizer, windows)
    if adapter.peers.topology.is_main:
        write_predictions(config.output, predictions, config.version_2_with_negative)
    result.predict_windows = len(windows)
    result.predictions = str(Path(config.output) / ANSWERS)


def _restore(
    ready: Ready, model: BertForQuestionAnswering, resumed: Path | None, world: int
) -> RunState | None:
    """Load the weights of the run's checkpoint, or of the one to start from."""
    state = None
    if resumed:
        state = checkpoint.load_state(resumed)
        loose = checkpoint.require_same(
            state, as_dict(ready.config), ready.fingerprint, _FREE, _LOOSE
        )
        if state.world != world:
            loose.append(f"{state.world} processes, now {world}")
        if loose:
            log.logger.warning("going on, but not bit for bit the same run: %s", "; ".join(loose))
    place = resumed or ready.start
    assert place is not None
    load_span_weights(model, place, headless=ready.config.trains and not resumed)
    return state


def _vocab_bytes(ready: Ready) -> bytes:
    assert ready.vocab is not None
    with open_binary(ready.vocab.path) as stream:
        return stream.read()
