"""`bertkit pretrain`: trains an encoder with masked LM and next sentence prediction."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from bertkit import log
from bertkit.backends.base import Adapter, CompiledOnly, Stepper
from bertkit.backends.process_group import Topology
from bertkit.backends.sections import options_of
from bertkit.configuration.record_settings import settings_read
from bertkit.errors import TargetNotReachedError
from bertkit.model.heads import BertForPreTraining
from bertkit.model.model_types import LABEL_HEAD, PAIR_HEAD, POOLER, SPAN_HEAD, WORD_HEAD
from bertkit.report.logs.dllogger import JsonSummary, TrainingSummary
from bertkit.report.logs.mlperf_log import MlperfLog
from bertkit.report.logs.trackers import make_trackers
from bertkit.tasks.pretraining.batches import evaluation_feed, training_feed
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.estimate import Estimate
from bertkit.tasks.pretraining.evaluate import measure_pretraining
from bertkit.tasks.pretraining.objective import PretrainingObjective
from bertkit.tasks.pretraining.prepare import Prepared, prepare
from bertkit.tasks.pretraining.start import facts_kept
from bertkit.train.dry_run import DryRun
from bertkit.train.metrics import Tracker, left_out_text, losses_are_finite
from bertkit.train.run import TrainingRun
from bertkit.train.task import Evaluate, TrainingData, TrainingTask


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
            **left_out_text(self.train),
            "checkpoint": self.checkpoint,
        }
        width = max(map(len, shown))
        return "\n".join(f"{name:<{width}}  {value}" for name, value in shown.items())


class PretrainingTask(TrainingTask):
    """Masked LM, with next sentence prediction or without, on records.

    Args:
        ready: settings and data.
    """

    optional_weights = (PAIR_HEAD, POOLER, WORD_HEAD)
    ignored_weights = (SPAN_HEAD, LABEL_HEAD)
    command = "pretrain"
    # The same data and vocabulary may lie elsewhere on each machine.
    local_settings = (
        "input",
        "text",
        "text_cache",
        "workers",
        "eval_input",
        "vocab",
        "model_config",
        "mlperf_log",
        "json_summary",
    )

    def __init__(self, ready: Prepared) -> None:
        self.ready = ready
        self.config: PretrainConfig = ready.config
        self.shape = ready.config.model
        self.objective = PretrainingObjective(nsp=ready.config.nsp)
        self.step_plan = ready.step_plan
        self.fingerprint = ready.source.fingerprint
        self.eval_fingerprint = ready.eval_source.fingerprint if ready.eval_source else ""
        self.vocab = ready.vocab
        self.tokenizer = ready.tokenizer
        start = ready.config.init_checkpoint
        self.start = Path(start) if start else None

    def make_model(self) -> nn.Module:
        """A model for pretraining, with new weights."""
        model = BertForPreTraining(self.shape)
        model.facts = facts_kept(self.config)
        return model

    def training_data(self, adapter: Adapter) -> TrainingData:
        """This process's part of every step."""
        source = self.ready.source
        return TrainingData(
            feed=training_feed(self.ready, adapter),
            samples=len(source),
            summary=f"{log.counted(len(source), 'record')} of {source.max_seq_length} tokens",
        )

    def evaluator(self, model: nn.Module, stepper: Stepper, adapter: Adapter) -> Evaluate | None:
        """Losses and accuracies on `eval_input`, where it is given."""
        source, config = self.ready.eval_source, self.config
        if source is None:
            return None
        feed = evaluation_feed(source, config.micro_size, config, self.ready.tokens, adapter)
        total = feed.parts()
        return lambda: measure_pretraining(stepper, adapter, feed.once, total)

    def trackers(self, first_step: int) -> list[Tracker]:
        """The logs for benchmark tools that the settings ask for."""
        config, made = self.config, list[Tracker]()
        if config.mlperf_log:
            evaluated = len(self.ready.eval_source) if self.ready.eval_source else 0
            length = self.ready.source.max_seq_length
            world = Topology.from_environment().world
            lines_of_run = MlperfLog(
                config.mlperf_log, config, length, first_step, eval_records=evaluated, world=world
            )
            made.append(lines_of_run)
        if config.json_summary:
            lines = JsonSummary(config.json_summary, settings_read(config))
            world = Topology.from_environment().world
            samples = len(self.ready.source)
            summary = TrainingSummary(
                lines, config, samples=samples, world=world, first_step=first_step
            )
            made.append(summary)
        return made


def pretrain(
    config: PretrainConfig,
    adapter: Adapter,
    origins: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> PretrainResult:
    """Start or resume a pretraining run; for its folder see `bertkit.train.run`.

    Args:
        config: the settings.
        adapter: of the machine.
        origins: where settings came from.
        overwrite: replace what another run left in the folder.

    Raises:
        DataError, ConfigError: see `prepare`; or the folder belongs to another run.
        StoppedError: stopped by a signal or `steps_this_run`, everything saved.
        TargetNotReachedError: no evaluation reached `target_mlm_accuracy`.
    """
    result = trained(config, adapter, origins, overwrite)
    require_target(config, result)
    return result


def trained(
    config: PretrainConfig,
    adapter: Adapter,
    origins: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> PretrainResult:
    """As `pretrain`, but a missed target is the caller's to tell, see `require_target`."""
    adapter.start(
        options_of(config, adapter.caps.name),
        distributed=True,
        process_timeout=config.process_timeout,
    )
    ready = prepare(config, adapter, origins, overwrite=overwrite)
    run = TrainingRun(
        PretrainingTask(ready), adapter, make_trackers=make_trackers, overwrite=overwrite
    )
    begin = time.perf_counter()
    try:
        run.train()
    except CompiledOnly as done:
        log.logger.info("%s; nothing was trained", done)
    return PretrainResult(
        output=str(run.folder),
        checkpoint=str(run.progress.checkpoint or "none"),
        step=run.progress.step,
        resumed_from=run.first_step,
        train=run.progress.train,
        evaluation=run.progress.evaluation,
        plan=ready.estimate,
        seconds=time.perf_counter() - begin,
    )


def rehearse(ready: Prepared, adapter: Adapter, overwrite: bool) -> None:
    """Check the checkpoint that a run would start or resume from; writes nothing.

    Raises:
        DataError, ConfigError: as `pretrain`, before its first step.
    """
    DryRun(PretrainingTask(ready), adapter, overwrite).check()


def require_target(config: PretrainConfig, result: PretrainResult) -> None:
    """Check the accuracy of the last evaluation of a run that has ended.

    One that was only compiled has not.

    Raises:
        TargetNotReachedError: it is below `target_mlm_accuracy`.
    """
    target = config.target_mlm_accuracy
    found = result.evaluation if losses_are_finite(result.evaluation) else {}
    reached = found.get("mlm_accuracy", -math.inf)
    if target is None or reached >= target or result.step < result.plan.steps:
        return
    raise TargetNotReachedError(
        f"masked LM accuracy {reached:.4f} at step {result.step} is below"
        f" --target-mlm-accuracy {target}; the run is saved in {result.checkpoint}"
    )
