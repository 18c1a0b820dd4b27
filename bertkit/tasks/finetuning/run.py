"""`bertkit finetune`: trains, scores and predicts, in any combination."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from bertkit import log
from bertkit.backends.base import Adapter, CompiledOnly, Problem, Stepper
from bertkit.backends.process_group import Topology
from bertkit.backends.sections import options_of
from bertkit.codecs.strict_json import json_text
from bertkit.errors import ConfigError
from bertkit.hub.sources import name_of
from bertkit.model.checkpoints.run_state import BEST, STATE, read_best
from bertkit.report.logs.trackers import make_trackers
from bertkit.report.measures import scores_as_text
from bertkit.storage.files import write_text
from bertkit.tables.files import local_digest
from bertkit.tasks.comparison.scored_facts import begun_from
from bertkit.tasks.comparison.scored_run import scores_prefixes
from bertkit.tasks.finetuning.config import FinetuneConfig, settings_of_run
from bertkit.tasks.finetuning.open import open_run
from bertkit.tasks.finetuning.review import Tables, write_review
from bertkit.tasks.finetuning.samples import outputs_of
from bertkit.tasks.finetuning.task import SCORES, FinetuneTask
from bertkit.tasks.registry import finetuning_row
from bertkit.train.agreement import held_by_main
from bertkit.train.checkpoints.run_state import load_state
from bertkit.train.dry_run import DryRun
from bertkit.train.metrics import left_out_text
from bertkit.train.run import TrainingRun
from bertkit.train.step_settings import optimizer_spec, refuse


@dataclass(kw_only=True)
class FinetuneResult:
    """How a run ended.

    Attributes:
        task: what was learnt.
        output: the run's folder.
        checkpoint: the weights that were scored and used to predict.
        step: updates behind these weights; 0 where nothing was trained.
        train_examples: in the training file.
        train: numbers of the last log line.
        scores: of the first file to score on; of further files as `NAME/score`.
        metric: the score that decides.
        predictions: files that were written.
        seconds: of work, without start-up.
    """

    task: str
    output: str
    checkpoint: str = ""
    step: int = 0
    train_examples: int = 0
    train: dict[str, float] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    metric: str = ""
    predictions: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def text(self) -> str:
        """The result for people."""
        shown = {"step": f"{self.step:,}"} if self.step else {}
        shown |= {f"train {name}": f"{self.train[name]:.4f}" for name in ("loss",) if self.train}
        shown |= scores_as_text(self.task, self.scores)
        shown |= left_out_text(self.train)
        places = {"checkpoint": self.checkpoint, "predictions": ", ".join(self.predictions)}
        shown |= {name: value for name, value in places.items() if value}
        width = max(map(len, shown), default=0)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in shown.items())


def prepare(
    config: FinetuneConfig, adapter: Adapter, overwrite: bool = False
) -> FinetuneTask[Any, Any]:
    """Open the encoder and the examples, and check all settings against them; writes nothing.

    Args:
        config: the settings, of the class of their task.
        adapter: of the machine.
        overwrite: an earlier run in the folder is replaced.

    Raises:
        DataError, ConfigError: see `open_run` and the task's `read`; or settings that the
            machine cannot do.
    """
    kind = finetuning_row(config.task).task_class()
    task: FinetuneTask[Any, Any] = kind(open_run(config, adapter, overwrite))
    task.open_examples()
    config = task.config
    predicting = task.opened.predicting_plan()
    plans = [task.step_plan] if config.trains else [predicting]
    if config.trains and adapter.caps.scalar_reads == "closure":
        plans.append(predicting)  # such an engine cuts whole steps, and so these batches too
    spec = optimizer_spec(config)
    problems: list[Problem | str] = [p for plan in plans for p in adapter.validate(plan, spec)]
    if config.evaluates and adapter.caps.step_owner != "loop":
        problems.append(f"--eval-every does not work on {adapter.caps.name}; leave it out")
    refuse(problems)
    # What is wrong in a file is told before any work.
    for path in config.eval_file if config.scores else ():
        task.examples(path, "eval")
    for path in config.predict_file if config.predicts else ():
        task.examples(path, "predict")
    return task


def finetune(config: FinetuneConfig, adapter: Adapter, overwrite: bool = False) -> FinetuneResult:
    """Train, score and predict, as the settings say.

    Beside the files of `bertkit.train.run`, the run's folder gets `scores.json`, `review.json`,
    `predictions.*` and, with `--eval-every`, `best/`. Several processes share every step and
    the examples; the main one writes. The same call on the same folder resumes.

    Args:
        config: the settings, of the class of their task.
        adapter: of the machine.
        overwrite: replace what another run left in the folder.

    Raises:
        DataError, ConfigError: see `prepare`; or the folder belongs to another run.
        StoppedError: stopped by a signal or `steps_this_run`, everything saved.
    """
    found = finetuning_row(config.task).task_class().scores_of_predictions(config)
    if found is not None:  # which needs no device
        return _score_predictions(config, found)
    adapter.start(
        options_of(config, adapter.caps.name),
        distributed=True,
        process_timeout=config.process_timeout,
    )
    task = prepare(config, adapter, overwrite)
    begin = time.perf_counter()
    result = FinetuneResult(task=task.name, output=config.output, metric=task.deciding_metric)
    with held_by_main(adapter.process_group, config.output, task.command):
        try:
            model = (
                _train(task, adapter, result, overwrite) if config.trains else _load(task, result)
            )
            _use(task, adapter, model, result)
        except CompiledOnly as done:
            # Some backends can stop after compilation; there is nothing to score then.
            log.logger.info("%s; nothing was %s", done, "trained" if config.trains else "predicted")
    result.seconds = time.perf_counter() - begin
    return result


def _score_predictions(config: FinetuneConfig, scores: dict[str, float]) -> FinetuneResult:
    """Keep the scores of what others predicted.

    Raises:
        ConfigError: several processes are at it.
    """
    if Topology.from_environment().world > 1:
        raise ConfigError("scoring runs in one process", "start it without torchrun")
    metric = config.metric or next(name for name in ("f1", *scores) if name in scores)
    result = FinetuneResult(task=config.task, output=config.output, scores=scores, metric=metric)
    Path(config.output).mkdir(parents=True, exist_ok=True)
    _write_scores(config, result, {"predictions": getattr(config, "predictions", None)})
    return result


def planned(
    config: FinetuneConfig, adapter: Adapter, overwrite: bool
) -> tuple[FinetuneConfig, dict[str, Any]]:
    """Check everything that a run needs, and write nothing.

    Returns:
        The settings, all of them settled, and the run in numbers.

    Raises:
        DataError, ConfigError: as `finetune`, before its first step.
    """
    if finetuning_row(config.task).task_class().scores_of_predictions(config) is not None:
        return config, {"task": config.task, "scores": getattr(config, "predictions", "")}
    task = prepare(config, adapter, overwrite)
    return task.config, rehearse(task, adapter, overwrite)


def rehearse(task: FinetuneTask[Any, Any], adapter: Adapter, overwrite: bool) -> dict[str, Any]:
    """Check the checkpoint that a run would start, resume or predict from; writes nothing.

    Returns:
        The run in numbers, for a dry run.

    Raises:
        DataError, ConfigError: as `finetune`, before its first step.
    """
    if task.config.trains:
        DryRun(task, adapter, overwrite).check()
    else:
        task.load_trained(task.start)
    plan: dict[str, Any] = {"task": task.name, "parameters": task.shape.parameter_count()}
    if task.config.trains:
        samples = task.encode(task.train_examples)
        plan |= {
            "training_examples": len(task.train_examples),
            "training_samples": len(samples),
            "tokens_per_sample": round(sum(s.length for s in samples) / max(1, len(samples)), 1),
            "steps": task.config.steps(len(samples)),
            # Weights and two moments in float32.
            "checkpoint_bytes_about": 12 * task.shape.parameter_count(),
        }
    return plan | task.plan()


def _train(
    task: FinetuneTask[Any, Any], adapter: Adapter, result: FinetuneResult, overwrite: bool
) -> nn.Module:
    """The trained model, or the best of the evaluated ones; a finished run is only loaded."""
    run = TrainingRun(task, adapter, make_trackers=make_trackers, overwrite=overwrite)
    task.step, task.goes_on = lambda: run.progress.step, lambda: run.first_step > 0
    progress = run.train()
    result.checkpoint, result.step = str(progress.checkpoint), progress.step
    result.train, result.train_examples = progress.train, len(task.train_examples)
    config = task.config
    best = read_best(config.output) if config.evaluates and config.keep_best else None
    if best is not None:
        result.checkpoint, result.step = str(Path(config.output) / BEST), int(best["step"])
        return task.load_trained(Path(result.checkpoint))
    assert run.model is not None
    return run.model


def _load(task: FinetuneTask[Any, Any], result: FinetuneResult) -> nn.Module:
    """The model to use, where nothing is trained."""
    model = task.load_trained(task.start)
    Path(task.config.output).mkdir(parents=True, exist_ok=True)
    result.checkpoint = str(task.start)
    result.step = step_of(task.start)
    return model


def step_of(place: Path) -> int:
    """The updates behind a checkpoint, or behind a run's best model; 0 where it is not told."""
    best = read_best(place.parent) if place.name == BEST else None
    if best is not None:
        return int(best["step"])
    return load_state(place).step if (place / STATE).is_file() else 0


def _use(
    task: FinetuneTask[Any, Any], adapter: Adapter, model: nn.Module, result: FinetuneResult
) -> None:
    """Score and predict, as far as the settings say so."""
    config = task.config
    if not (config.scores or config.predicts):
        return
    # A new stepper without an optimizer, for inference.
    plan = task.opened.predicting_plan()
    stepper = adapter.build(adapter.place(model), task.objective, plan)
    if config.scores:
        _score(task, adapter, stepper, result)
    for path in config.predict_file if config.predicts else ():
        examples = task.examples(path, "predict")
        samples = task.encode(examples)
        size = config.predict_batch_size
        outputs = outputs_of(adapter, stepper, task.batcher, samples, size)
        if adapter.process_group.topology.is_main:
            written = task.write_predictions(path, examples, samples, outputs)
            result.predictions += map(str, written)


def _score(
    task: FinetuneTask[Any, Any], adapter: Adapter, stepper: Stepper, result: FinetuneResult
) -> None:
    """Score every file, and write `scores.json` and `review.json`."""
    config, counts = task.config, []
    main = adapter.process_group.topology.is_main
    reviews: dict[str, Tables] = {}
    for prefix, path in zip(scores_prefixes(config.eval_file), config.eval_file, strict=True):
        examples = task.examples(path, "eval")
        counts.append(len(examples))
        samples = task.encode(examples)
        found, outputs = task.scores_of(examples, samples, stepper, adapter)
        if main:
            reviews[path] = task.review(examples, samples, outputs)
        result.scores |= {prefix + score: value for score, value in found.items()}
    if main:
        write_review(config.output, task.name, reviews)
        more = {"examples": counts[0] if len(counts) == 1 else counts}
        _write_scores(config, result, more, task.start)


def _write_scores(
    config: FinetuneConfig,
    result: FinetuneResult,
    more: dict[str, Any],
    start: Path | None = None,
) -> None:
    """Write `scores.json`: the scores, and what they are of; `start` is the model's checkpoint."""
    shas = [local_digest(path) for path in config.eval_file]
    # Of the run that trained the model, where this call did not.
    trained = {"encoder": name_of(config.init_checkpoint or "") or None, "seed": config.seed}
    if not config.trains and start is not None:
        for layer in settings_of_run(str(start), ("init_checkpoint", "seed")):
            values = layer.values
            trained = {"encoder": values.get("init_checkpoint"), "seed": values.get("seed")}
    facts = {
        "task": result.task,
        "metric": result.metric,
        "eval_file": config.eval_file[0] if len(config.eval_file) == 1 else config.eval_file,
        **more,
        "scores": result.scores,
        **trained,
        "checkpoint": result.checkpoint,
        "step": result.step,
        "eval_sha256": shas[0] if len(shas) == 1 else shas,
        **(begun_from(result.checkpoint) if result.checkpoint else {}),
    }
    write_text(Path(config.output) / SCORES, json_text(facts, indent=1) + "\n")
