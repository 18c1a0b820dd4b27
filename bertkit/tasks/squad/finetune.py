"""`bertkit finetune-squad`: trains, answers and scores, in any combination."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import nn

from bertkit import log
from bertkit.backends.base import Adapter, CompiledOnly, Stepper
from bertkit.backends.process_group import Topology
from bertkit.backends.sections import options_of
from bertkit.configuration.config import as_dict
from bertkit.data.sample_feed import SampleFeed
from bertkit.data.sample_order import SampleOrder
from bertkit.errors import ConfigError
from bertkit.model.bert import without_new_weights
from bertkit.model.heads import BertForQuestionAnswering
from bertkit.model.model_types import SPAN_HEAD
from bertkit.report.logs.dllogger import JsonSummary, TrainingSummary, log_answers
from bertkit.report.logs.trackers import make_trackers
from bertkit.report.measures import scores_as_text
from bertkit.tables.files import digest_of_table
from bertkit.tasks.comparison.scored_facts import write_scored
from bertkit.tasks.comparison.scored_run import SCORED
from bertkit.tasks.comparison.units import SQUAD
from bertkit.tasks.finetuning.config import used_with
from bertkit.tasks.finetuning.filling import filling_of
from bertkit.tasks.finetuning.review import NAME as REVIEW
from bertkit.tasks.squad.answer_files import (
    ANSWERS,
    NBEST,
    NULL_ODDS,
    OTHER_HEADS,
    SCORES,
    answer_windows,
    load_span_weights,
    score_folder,
    write_predictions,
)
from bertkit.tasks.squad.config import OF_THE_RUN, SquadConfig
from bertkit.tasks.squad.decode import Predictions
from bertkit.tasks.squad.features import Window
from bertkit.tasks.squad.objective import SpanObjective
from bertkit.tasks.squad.prepare import Prepared, answering_plan, prepare
from bertkit.tasks.squad.review import PICTURE
from bertkit.tasks.squad.score import score
from bertkit.tokenization.vocabulary import vocabulary_bytes
from bertkit.train.agreement import held_by_main
from bertkit.train.checkpoints import checkpoint
from bertkit.train.dry_run import DryRun
from bertkit.train.metrics import Tracker, left_out_text
from bertkit.train.run import TrainingRun
from bertkit.train.task import Evaluate, TrainingData, TrainingTask


@dataclass(kw_only=True)
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
        predict_seconds: that answering took, without making the windows.
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
    predict_seconds: float = 0.0
    predictions: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def text(self) -> str:
        """The result for people."""
        shown = {"step": f"{self.step:,}"} if self.step else {}
        shown |= {f"train {name}": f"{self.train[name]:.4f}" for name in ("loss",) if self.train}
        shown |= scores_as_text(SQUAD, self.scores)
        shown |= left_out_text(self.train)
        places = {"checkpoint": self.checkpoint, "predictions": self.predictions}
        shown |= {name: value for name, value in places.items() if value}
        width = max(map(len, shown), default=0)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in shown.items())


class SquadTask(TrainingTask):
    """Where the answer starts and ends, on windows of questions and passages.

    Args:
        ready: settings and files, opened to train.

    Attributes:
        train_windows: number of training windows, once they have been made.
    """

    new_weights = (SPAN_HEAD,)
    ignored_weights = OTHER_HEADS
    command = "finetune-squad"
    # The same files may lie elsewhere on each machine.
    local_settings = (
        "train_file",
        "predict_file",
        "cache",
        "vocab",
        "model_config",
        "json_summary",
    )
    outputs = (ANSWERS, NBEST, NULL_ODDS, SCORES, SCORED, REVIEW, PICTURE)

    def __init__(self, ready: Prepared) -> None:
        assert ready.shape is not None and ready.vocab is not None
        self.ready = ready
        self.config: SquadConfig = ready.config
        self.shape = ready.shape
        self.objective = SpanObjective()
        self.step_plan = ready.step_plan
        self.fingerprint = ready.fingerprint
        self.start = ready.start
        if ready.config.evaluates:
            self.eval_fingerprint = digest_of_table(str(ready.config.predict_file))
        self.train_windows = 0
        self.vocab = vocabulary_bytes(ready.vocab.path)
        self.tokenizer = ready.facts

    def make_model(self) -> nn.Module:
        """The encoder with a new span head."""
        return BertForQuestionAnswering(self.shape, used_with(self.config, OF_THE_RUN))

    def training_data(self, adapter: Adapter) -> TrainingData:
        """The training windows, of which this process takes its part of every step."""
        ready, config, topology = self.ready, self.config, adapter.process_group.topology
        windows = make_windows(ready, adapter, training=True)
        self.train_windows = len(windows)
        # Every process has all windows and takes its part of each step by rank.
        feed = SampleFeed(
            samples=windows,
            order=SampleOrder(len(windows), config.seed),
            make_batch=ready.batcher.batch,
            global_batch_size=config.global_batch_size,
            micro_batch_size=config.micro_size,
            rank=topology.rank,
            world=topology.world,
            weights="span_weights",
            filling=filling_of(config, adapter, [window.length for window in windows]),
        )
        questions = log.counted(len(ready.train_questions), "question")
        return TrainingData(
            feed=feed,
            samples=len(windows),
            summary=f"{questions} in {log.counted(len(windows), 'window')}",
        )

    def evaluator(self, model: nn.Module, stepper: Stepper, adapter: Adapter) -> Evaluate | None:
        """The scores of answers to `predict_file`, where evaluations are asked for."""
        if not self.config.evaluates:
            return None
        windows = make_windows(self.ready, adapter, training=False)
        return partial(_evaluate, self.ready, adapter, stepper, windows)

    def trackers(self, first_step: int) -> list[Tracker]:
        """The log for benchmark tools that the settings ask for."""
        config = self.config
        if not config.json_summary:
            return []
        lines = JsonSummary(config.json_summary, as_dict(config))
        lines.parameters(training_samples=len(self.ready.train_questions))
        lines.parameters(training_features=self.train_windows)
        summary = TrainingSummary(
            lines,
            config,
            samples=self.train_windows,
            world=Topology.from_environment().world,
            first_step=first_step,
        )
        return [summary]


def finetune(config: SquadConfig, adapter: Adapter, overwrite: bool = False) -> SquadResult:
    """Train, answer and score, as the settings say.

    Beside the files of `bertkit.train.run`, the run's folder gets `predictions.json`,
    `nbest_predictions.json`, `null_odds.json` (v2.0), `scores.json`, `scored.json` (what the
    scores belong to) and `review.json`.
    Several processes share every step and the questions; the main one writes, and scores
    come to it alone. The same call on the same folder resumes.

    Args:
        config: the settings.
        adapter: of the machine.
        overwrite: replace what another run left in the folder.

    Raises:
        DataError, ConfigError: see `prepare`; or the folder belongs to another run.
        StoppedError: stopped by a signal or `steps_this_run`, everything saved.
    """
    # Scoring alone needs no device and starts no process group.
    computes = config.trains or config.predicts
    if computes:
        adapter.start(
            options_of(config, adapter.caps.name),
            distributed=True,
            process_timeout=config.process_timeout,
        )
    elif Topology.from_environment().world > 1:
        raise ConfigError("scoring runs in one process", "start it without torchrun")
    # Check all settings and files before any work.
    ready = prepare(config, adapter, overwrite)
    begin = time.perf_counter()
    result = SquadResult(output=config.output, predict_questions=len(ready.predict_questions))
    with held_by_main(adapter.process_group, config.output, SquadTask.command):
        _work(ready, adapter, result, overwrite)
    result.seconds = time.perf_counter() - begin
    return result


def _work(ready: Prepared, adapter: Adapter, result: SquadResult, overwrite: bool) -> None:
    """Train, answer and score, as far as the settings say so."""
    config = ready.config
    if config.trains or config.predicts:
        try:
            if config.trains:
                model = _train(ready, adapter, result, overwrite)
            else:
                model = _load(ready, result)
            if config.predicts:
                _predict(ready, adapter, model, result)
        except CompiledOnly as done:
            # Some backends can stop after compilation; there is nothing to score then.
            log.logger.info("%s; nothing was %s", done, "trained" if config.trains else "answered")
            return
    if ready.scores:
        result.predictions = str(Path(config.output) / ANSWERS)
        # Answers were gathered by the main process, which scores them alone.
        if adapter.process_group.topology.is_main:
            version_2 = config.version_2_with_negative
            result.scores = score_folder(config.output, ready.predict_questions, version_2)
            write_scored(
                config.output,
                result.checkpoint or checkpoint.latest(config.output),
                str(config.predict_file),
                task=SQUAD,
                metric="f1",
                examples=len(ready.predict_questions),
            )
    if config.json_summary and adapter.process_group.topology.is_main:
        log_answers(
            config.json_summary,
            as_dict(config),
            trained=result.train_windows > 0,
            questions=result.predict_questions,
            windows=result.predict_windows,
            seconds=result.predict_seconds,
            scores=result.scores,
        )


def rehearse(ready: Prepared, adapter: Adapter, overwrite: bool) -> None:
    """Check the checkpoint that a run would start, resume or answer from; writes nothing.

    Raises:
        DataError, ConfigError: as `finetune`, before its first step.
    """
    if ready.config.trains:
        DryRun(SquadTask(ready), adapter, overwrite).check()
    elif ready.start is not None and ready.shape is not None:
        with torch.device("meta"):
            model = BertForQuestionAnswering(ready.shape)
        load_span_weights(model, ready.start)


def _train(ready: Prepared, adapter: Adapter, result: SquadResult, overwrite: bool) -> nn.Module:
    """The trained model; a finished run is only loaded."""
    task = SquadTask(ready)
    run = TrainingRun(task, adapter, make_trackers=make_trackers, overwrite=overwrite)
    progress = run.train()
    result.checkpoint, result.step = str(progress.checkpoint), progress.step
    result.train = progress.train
    # 0 where the run was finished already and no windows were made.
    if task.train_windows:
        result.train_questions = len(ready.train_questions)
        result.train_windows = task.train_windows
    assert run.model is not None
    return run.model


def _load(ready: Prepared, result: SquadResult) -> nn.Module:
    """The model to answer with, where nothing is trained."""
    assert ready.shape is not None and ready.start is not None
    with without_new_weights():
        model = BertForQuestionAnswering(ready.shape)
    load_span_weights(model, ready.start)
    Path(ready.config.output).mkdir(parents=True, exist_ok=True)
    result.checkpoint = str(ready.start)
    return model


def _predict(ready: Prepared, adapter: Adapter, model: nn.Module, result: SquadResult) -> None:
    config = ready.config
    windows = make_windows(ready, adapter, training=False)
    plan = answering_plan(ready.step_plan, config)
    # A new stepper without an optimizer, for inference.
    stepper = adapter.build(adapter.place(model), SpanObjective(), plan)
    begin = time.perf_counter()
    predictions = _answers(ready, adapter, stepper, windows)
    result.predict_seconds = time.perf_counter() - begin
    if adapter.process_group.topology.is_main:
        write_predictions(config.output, predictions, config.version_2_with_negative)
    result.predict_windows = len(windows)
    result.predictions = str(Path(config.output) / ANSWERS)


def _evaluate(
    ready: Prepared, adapter: Adapter, stepper: Stepper, windows: list[Window]
) -> dict[str, float]:
    """The scores of the model as it stands; the same in all processes."""
    found = _answers(ready, adapter, stepper, windows)
    scores: dict[str, float] = {}
    if adapter.process_group.topology.is_main:
        version_2 = ready.config.version_2_with_negative
        odds = found.null_odds if version_2 else None
        scores = score(ready.predict_questions, found.answers, version_2, odds)
    # The main process comes first: all others take over its scores.
    first, *_ = adapter.process_group.gather(scores)
    return dict(first)


def _answers(
    ready: Prepared, adapter: Adapter, stepper: Stepper, windows: list[Window]
) -> Predictions:
    return answer_windows(
        ready.config,
        adapter=adapter,
        stepper=stepper,
        batcher=ready.batcher,
        tokenizer=ready.tokenizer,
        questions=ready.predict_questions,
        windows=windows,
    )


def make_windows(ready: Prepared, adapter: Adapter, training: bool) -> list[Window]:
    """The windows; where a cache keeps them, one process makes them for all."""
    if ready.config.cache is None:
        return ready.kept_windows(training)
    return adapter.process_group.in_turn(lambda main: ready.kept_windows(training))
