"""`bertkit eval`: measures the masked LM and next sentence quality of checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bertkit import log
from bertkit.backends.base import (
    Adapter,
    CompiledOnly,
    OptimizerSpec,
    Stepper,
    StepPlan,
    StepShape,
)
from bertkit.backends.process_group import Topology
from bertkit.backends.sections import options_of
from bertkit.data.record_source import RecordSource
from bertkit.data.step_batch import StepBatch
from bertkit.errors import ConfigError, DataError, TargetNotReachedError
from bertkit.model.bert import without_new_weights
from bertkit.model.checkpoints.loading import (
    load_config,
    load_into,
    load_weights,
)
from bertkit.model.checkpoints.run_state import STATE, read_state
from bertkit.model.checkpoints.tokenizer import tokenizer_facts
from bertkit.model.checkpoints.vocabulary_padding import require_rows
from bertkit.model.heads import BertForPreTraining
from bertkit.model.model_types import PAIR_HEAD, POOLER
from bertkit.tasks.pretraining.batches import evaluation_feed
from bertkit.tasks.pretraining.checkpoint_queue import named_checkpoints, new_checkpoints
from bertkit.tasks.pretraining.config import EvalConfig
from bertkit.tasks.pretraining.objective import PretrainingObjective
from bertkit.tasks.pretraining.prepare import check_lengths
from bertkit.tasks.pretraining.published import published_beside
from bertkit.tokenization import tokenizer_files
from bertkit.tokenization.tokenizer_facts import require_fitting
from bertkit.tokenization.vocabulary import find_vocab, load_vocab
from bertkit.train import metrics
from bertkit.train.checkpoints.starting_point import opened
from bertkit.train.evaluation import measure
from bertkit.train.step_settings import chosen_precision, refuse


@dataclass(frozen=True)
class CheckpointQuality:
    """One checkpoint's numbers.

    Attributes:
        checkpoint: its folder.
        step: of its run; None where its name tells none.
        mlm_accuracy: share of masked tokens predicted right.
        mlm_loss: mean over masked tokens, nats.
        perplexity: e to the masked LM loss, the mean over all masked tokens. Hugging Face's
            Trainer takes e to the mean of the batches' means, which differs a little.
        nsp_accuracy: share of pairs judged right; None for a model without that head.
        nsp_loss: mean over pairs, nats.
    """

    checkpoint: str
    step: int | None
    mlm_accuracy: float
    mlm_loss: float
    perplexity: float
    nsp_accuracy: float | None = None
    nsp_loss: float | None = None


@dataclass(frozen=True)
class Baseline:
    """What knowing word frequencies alone would reach on the same masked tokens.

    Attributes:
        accuracy: of always saying the training records' most frequent masked token.
        loss: cross entropy, nats, of the training records' unigram frequencies, each
            token counted once more than seen.
        token: number of the most frequent token.
    """

    accuracy: float
    loss: float
    token: int


@dataclass(frozen=True)
class EvalResult:
    """An evaluation.

    Attributes:
        checkpoints: in the order asked for; none where the settings asked to compile only.
        records: evaluated on.
        fingerprint: of the records.
        baseline: where one was asked for.
        published: lines on checkpoints of which others have published the quality.
        seconds: of work.
    """

    checkpoints: list[CheckpointQuality]
    records: int
    fingerprint: str
    baseline: Baseline | None = None
    published: tuple[str, ...] = ()
    seconds: float = 0.0

    def text(self) -> str:
        """A table of the checkpoints, and the baseline below it."""
        names = ("mlm_accuracy", "mlm_loss", "perplexity", "nsp_accuracy", "nsp_loss")
        places = [Path(item.checkpoint) for item in self.checkpoints]
        several = len({place.parent for place in places}) > 1
        rows = [
            (
                str(place) if several else place.name,
                *(_shown(getattr(item, name)) for name in names),
            )
            for place, item in zip(places, self.checkpoints, strict=True)
        ]
        if self.baseline:
            known = self.baseline
            ghost = (known.accuracy, known.loss, metrics.perplexity(known.loss), None, None)
            rows.append(("word frequencies", *map(_shown, ghost)))
        return "\n".join([log.table(("checkpoint", *names), rows), *self.published])


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def measure_pretraining(
    stepper: Stepper,
    adapter: Adapter,
    batches: Callable[[], Iterator[StepBatch]],
    total: int | None = None,
) -> dict[str, float]:
    """Losses and accuracies over batches, and `perplexity` of the masked LM loss.

    For the arguments see `bertkit.train.evaluation.measure`.
    """
    numbers = measure(stepper, adapter, batches, total)
    if "mlm_loss" in numbers:
        numbers["perplexity"] = metrics.perplexity(numbers["mlm_loss"])
    return numbers


def evaluate_checkpoints(
    config: EvalConfig,
    inputs: Sequence[str],
    checkpoints: Sequence[str],
    adapter: Adapter,
    baseline_inputs: Sequence[str] = (),
) -> EvalResult:
    """Evaluate checkpoints on the same records, in the order asked for, runs by step.

    Args:
        config: batch size, layout, precision, limit.
        inputs: record files or folders.
        checkpoints: folders of checkpoints or runs, or globs.
        adapter: of the machine.
        baseline_inputs: training records for `unigram_baseline`; none for no baseline.

    Raises:
        DataError: a checkpoint or record file is missing or broken, or of another vocabulary.
        ConfigError: the records do not fit the model, or the machine the settings.
    """
    config = replace(config, layout=adapter.caps.layout(config.layout))
    options = options_of(config, adapter.caps.name)
    if config.wait and Topology.from_environment().world > 1:
        raise ConfigError("--wait works in one process", "start it without torchrun")
    found = named_checkpoints(checkpoints, config.wait)
    source = RecordSource(inputs)
    _require_vocabulary(config, source, [place for _, place in found])
    plan = _plan(config, adapter, source, found[-1][1])
    # Refuse unsupported settings before the device is started.
    refuse(adapter.validate(plan, OptimizerSpec()))
    adapter.start(options, distributed=True, process_timeout=config.process_timeout)
    begin = time.perf_counter()
    qualities: list[CheckpointQuality] = []
    try:
        while found:
            for step, place in found:
                qualities.append(_evaluate_one(config, plan, adapter, source, step, place))
            done = {Path(item.checkpoint) for item in qualities}
            found = new_checkpoints(checkpoints, done, config.wait)
    except CompiledOnly as compiled:
        # Some backends can stop after compilation; then there are no numbers.
        log.logger.info("%s; nothing was evaluated", compiled)
    baseline = None
    if baseline_inputs:
        baseline = unigram_baseline(RecordSource(baseline_inputs), source, config.limit)
    return EvalResult(
        checkpoints=qualities,
        records=min(config.limit, len(source)) if config.limit else len(source),
        fingerprint=source.fingerprint,
        baseline=baseline,
        published=_published(qualities, source, config),
        seconds=time.perf_counter() - begin,
    )


def check_evaluation(config: EvalConfig, inputs: Sequence[str], checkpoints: Sequence[str]) -> None:
    """Look for the checkpoints, and compare their vocabulary with the records'; for a dry run.

    Args: as for `evaluate_checkpoints`; all on this machine.

    Raises:
        DataError: as the evaluation, before it begins.
    """
    places = [place for _, place in named_checkpoints(checkpoints)]
    _require_vocabulary(config, RecordSource(inputs), places)


def _plan(config: EvalConfig, adapter: Adapter, source: RecordSource, place: Path) -> StepPlan:
    """What a step computes; the precision may depend on the size of the model."""
    model = load_config(place, config.model_config)
    shape = StepShape(
        micro_batch_size=config.batch_size,
        accumulation=1,
        sequence_length=source.max_seq_length,
        predictions=source.max_predictions_per_seq,
        world=Topology.from_environment().world,
    )
    return StepPlan(
        precision=chosen_precision(adapter, config.precision, model.hidden_size),
        layout=config.layout,
        shape=shape,
        model=model,
        options=options_of(config, adapter.caps.name),
        training=False,
    )


def _require_vocabulary(
    config: EvalConfig, source: RecordSource, checkpoints: Sequence[Path]
) -> None:
    """Refuse checkpoints of another vocabulary than the records'."""
    if not source.tokenizers:
        log.logger.info("the records do not say which vocabulary they were made with")
    tokens, allow = [*source.tokenizers], config.allow_other_vocab
    if config.vocab:
        vocab = tokenizer_files.of_vocabulary(load_vocab(find_vocab(config.vocab), "last"))
        tokens = [replace(vocab, source=f"--vocab {config.vocab}"), *tokens]
    for facts in tokens[1:] if config.vocab else ():
        require_fitting(tokens[0], facts, allow_other=allow)
    for place in checkpoints if tokens else ():
        own = tokenizer_facts(place)
        for facts in tokens:
            require_fitting(own, facts, allow_other=allow)


def _published(
    qualities: Sequence[CheckpointQuality], source: RecordSource, config: EvalConfig
) -> tuple[str, ...]:
    lines = (
        published_beside(Path(item.checkpoint), item.mlm_accuracy, source, config.limit)
        for item in qualities
    )
    return tuple(line for line in lines if line)


def _trained_on_pairs(place: Path) -> bool:
    """False, with a line of the log, for checkpoints of runs with --no-nsp."""
    state = read_state(place) if (place / STATE).is_file() else {}
    left_out = state.get("config", {}).get("nsp") is False
    if left_out:
        log.logger.info(
            "%s: its run trained masked LM alone (--no-nsp), so no next sentence is judged", place
        )
    return not left_out


def require_target(result: EvalResult, least: float | None) -> None:
    """Check the masked LM accuracy of the latest checkpoint, in whatever order they came.

    Raises:
        TargetNotReachedError: it is below `least`.
    """
    if least is None or not result.checkpoints:
        return
    steps = [-1 if item.step is None else item.step for item in result.checkpoints]
    last = result.checkpoints[len(steps) - 1 - steps[::-1].index(max(steps))]
    if not math.isfinite(last.mlm_loss):
        raise TargetNotReachedError(
            f"the masked LM loss of {last.checkpoint} is {last.mlm_loss}, so"
            f" --min-mlm-accuracy {least} is not reached"
        )
    if not last.mlm_accuracy >= least:
        raise TargetNotReachedError(
            f"masked LM accuracy {last.mlm_accuracy:.4f} of {last.checkpoint} is below"
            f" --min-mlm-accuracy {least}"
        )


def _evaluate_one(
    config: EvalConfig,
    plan: StepPlan,
    adapter: Adapter,
    source: RecordSource,
    step: int | None,
    place: Path,
) -> CheckpointQuality:
    start = opened(place, config.model_config)
    shape, known = start.shape, max((facts.vocab_size for facts in source.tokenizers), default=0)
    check_lengths(source, shape)
    vocab = load_vocab(find_vocab(config.vocab), "last") if config.vocab else None
    rows = start.rows(len(vocab) if vocab else known, vocab)
    require_rows(rows, shape.vocab_size)
    with without_new_weights():
        model = BertForPreTraining(shape)
    report = load_into(
        model,
        load_weights(place, shape.vocab_size),
        # Models without next sentence prediction lack these two.
        allow_missing=(PAIR_HEAD, POOLER),
        source=str(place),
    )
    # Missing weights are 0: do not report the accuracy of such a head, nor of one left as it was.
    has_nsp = not config.mlm_only and not any(name.startswith(PAIR_HEAD) for name in report.missing)
    has_nsp = has_nsp and _trained_on_pairs(place)
    plan = replace(plan, model=shape)
    stepper = adapter.build(adapter.place(model), PretrainingObjective(nsp=has_nsp), plan)
    feed = evaluation_feed(source, config.batch_size, config, rows.trained, adapter)
    total = feed.parts(config.limit)
    numbers = measure_pretraining(stepper, adapter, partial(feed.once, config.limit), total)
    if "mlm_loss" not in numbers:
        raise DataError("the records predict no token, so there is nothing to measure")
    return CheckpointQuality(
        checkpoint=str(place),
        step=step,
        mlm_accuracy=numbers["mlm_accuracy"],
        mlm_loss=numbers["mlm_loss"],
        perplexity=numbers["perplexity"],
        nsp_accuracy=numbers.get("nsp_accuracy"),
        nsp_loss=numbers.get("nsp_loss"),
    )


def unigram_baseline(
    training: RecordSource, evaluation: RecordSource, limit: int = 0, most: int = 100_000
) -> Baseline:
    """What a model that ignores the context reaches; a trained one must be above it.

    Args:
        training: frequencies are counted over its masked tokens.
        evaluation: measured on its masked tokens.
        limit: use the first records of `evaluation` only; 0 for all.
        most: training records to count over, evenly spaced.
    """
    # Count the masked tokens by number, in training and in evaluation records.
    spread = np.linspace(0, len(training) - 1, min(most, len(training))).astype(np.int64)
    seen = _masked_counts(training, spread)
    count = min(limit, len(evaluation)) if limit else len(evaluation)
    asked = _masked_counts(evaluation, np.arange(count))
    # Pad both arrays to the highest token number of either.
    size = max(len(seen), len(asked))
    seen = np.pad(seen, (0, size - len(seen)))
    asked = np.pad(asked, (0, size - len(asked)))
    best = int(seen.argmax())
    # Laplace smoothing: a token that training never masked still has a probability.
    logs = np.log((seen + 1) / (seen.sum() + size))
    total = max(1, int(asked.sum()))
    return Baseline(float(asked[best] / total), float(-(asked * logs).sum() / total), best)


def _masked_counts(source: RecordSource, numbers: np.ndarray) -> np.ndarray:
    counts: Any = np.zeros(1, np.int64)
    for start in range(0, len(numbers), 4096):
        records = source.batch(numbers[start : start + 4096])
        tokens = records["masked_lm_ids"][records["masked_lm_weights"] > 0]
        part = np.bincount(tokens, minlength=len(counts))
        # `part` is at least as long as the counts so far.
        part[: len(counts)] += counts
        counts = part
    return np.asarray(counts)
