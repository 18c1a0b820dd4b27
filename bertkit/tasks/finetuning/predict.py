"""`bertkit predict` for the tasks of `bertkit finetune`: JSON lines in, an object per line out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bertkit import log
from bertkit.backends.base import Adapter, CompiledOnly, OptimizerSpec
from bertkit.backends.sections import options_of
from bertkit.codecs.json_lines import json_objects
from bertkit.errors import DataError
from bertkit.model.checkpoints.loading import config_beside, refuse_other_models
from bertkit.model.config import read_config
from bertkit.model.model_types import class_of_config
from bertkit.tasks.finetuning.config import FinetuneConfig, settings_of_run
from bertkit.tasks.finetuning.open import open_run, starting_point
from bertkit.tasks.finetuning.samples import outputs_of
from bertkit.tasks.finetuning.task import FinetuneTask, Line
from bertkit.tasks.registry import FINETUNING, finetuning_row
from bertkit.train.step_settings import refuse

LONGEST = 512  # positions of BERT
_LINES = (
    'one JSON object per line, such as {"text": "..."}; tables are predicted by'
    " `bertkit finetune --output RUN --predict-file FILE`"
)


@dataclass
class PredictResult:
    """What a model predicted.

    Attributes:
        task: that it was fine-tuned for; `squad` for answers to questions.
        checkpoint: the model.
        answers: an object per line; with the line's `id`, where it has one. Empty where the
            settings asked to compile only.
        seconds: of work, without start-up.
    """

    task: str
    checkpoint: str
    answers: list[dict[str, Any]]
    seconds: float


def settings_of_model(place: str) -> dict[str, Any]:
    """`task` and `max_seq_length` of a fine-tuned model; nothing where no task is told.

    Those of the run that trained it; of another program's model what its config.json says.

    Args:
        place: a run, or a checkpoint in any format.

    Raises:
        DataError: there is none.
        ConfigError: it is no BERT.
    """
    for layer in settings_of_run(place, ("task", "max_seq_length")):
        return dict(layer.values) if "task" in layer.values else {}
    checkpoint = starting_point(place, place, trains=False)
    refuse_other_models(checkpoint)
    beside = config_beside(checkpoint)
    facts = read_config(beside) if beside else {}
    names = [row.name for row in FINETUNING if row.model and row.model == class_of_config(facts)]
    if not names:
        return {}
    # One output is a score to transformers, too, where it is not told otherwise.
    labels = facts.get("id2label")
    score = len(labels if isinstance(labels, dict) else ("0", "1")) == 1
    regresses = score or facts.get("problem_type") == "regression"
    name = "regress" if "regress" in names and regresses else names[0]
    return {"task": name, "max_seq_length": facts.get("max_position_embeddings", LONGEST)}


def read_lines(lines: Iterable[str], source: str) -> list[Line]:
    """(place, object) of JSON lines; blank ones are passed over.

    Raises:
        DataError: a line is no object, or there is none; names the line.
    """
    found: list[Line] = [
        (f"{source}:{number}", entry) for number, entry in json_objects(lines, source, _LINES)
    ]
    if not found:
        raise DataError(f"{source}: holds nothing to predict", _LINES)
    return found


def predict(config: FinetuneConfig, lines: Sequence[Line], adapter: Adapter) -> PredictResult:
    """Predict with a fine-tuned model.

    Args:
        config: the settings; `init_checkpoint` is a checkpoint or a run, whose best model is
            taken, or its last one.
        lines: what is to be predicted, in the task's own form, with its place for messages.
        adapter: of the machine.

    Raises:
        DataError: missing or broken files, or lines of another form.
        ConfigError: a model of another task, or settings that the machine cannot do.
    """
    begin = time.perf_counter()
    task: FinetuneTask[Any, Any] = finetuning_row(config.task).task_class()(
        open_run(config, adapter)
    )
    config = task.config
    task.settle()
    _require_single(task, lines)
    examples = task.predict_lines(lines)
    plan = task.opened.predicting_plan()
    refuse(adapter.validate(plan, OptimizerSpec()))
    adapter.start(options_of(config, adapter.caps.name))
    model = task.load_trained(task.start)
    stepper = adapter.build(adapter.place(model), task.objective, plan)
    samples = task.encode(examples)
    answers: list[dict[str, Any]] = []
    try:
        size = config.predict_batch_size
        outputs = outputs_of(adapter, stepper, task.batcher, samples, size)
        found = task.answers(examples, samples, outputs)
        answers = [
            {**({"id": line["id"]} if "id" in line else {}), **answer}
            for (_, line), answer in zip(lines, found, strict=True)
        ]
    except CompiledOnly as done:
        log.logger.info("%s; nothing was predicted", done)
    return PredictResult(task.name, str(task.start), answers, round(time.perf_counter() - begin, 3))


def _require_single(task: FinetuneTask[Any, Any], lines: Sequence[Line]) -> None:
    """Refuse the second text of a pair where the task has no use for it."""
    for place, line in () if task.takes_pairs else lines:
        if "text" in line and line.get("pair") is not None:
            raise DataError(
                f"{place}: 'pair' is given, but a model of --task {task.name} takes single texts",
                "leave the pair out",
            )
