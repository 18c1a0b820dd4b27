"""Defines the settings that the fine-tuning tasks share. Imports no torch."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from bertkit.backends import registry
from bertkit.backends.sections import BackendSections
from bertkit.configuration.config import Layer, as_dict, load_yaml, setting
from bertkit.configuration.option_groups import (
    CHECKPOINTS,
    DATA,
    EVALUATION,
    MACHINE,
    MODEL,
    TASK,
    TEXT,
)
from bertkit.configuration.settings import FREE, override
from bertkit.errors import BertkitError
from bertkit.model.config import USED_WITH, read_config
from bertkit.model.model_types import QUESTION_ANSWERING, class_of_config
from bertkit.tasks.comparison.seeds_file import seeds_setting
from bertkit.tasks.registry import FINETUNING, finetuning_names
from bertkit.train.config import ComputeConfig, TrainingConfig, allow_other_vocab
from bertkit.train.run_files import CONFIG


@dataclass(frozen=True)
class EncoderConfig(ComputeConfig, BackendSections):
    """Which encoder is taken, and how the text for it is treated."""

    init_checkpoint: str | None = setting(
        None,
        help="Model to start from: a run, a checkpoint in any format that convert reads, or "
        "NAME@REVISION on the model hub.",
        on_resume=FREE,
        group=MODEL,
        first=True,
        metavar="RUN",
    )
    vocab: str | None = setting(
        None,
        help="WordPiece vocabulary; by default the one beside the checkpoint.",
        on_resume=FREE,
        group=TEXT,
        metavar="VOCAB",
    )
    model_config: str | None = setting(
        None,
        help="config.json with the shape of the model, where none lies beside the checkpoint.",
        group=MODEL,
        metavar="FILE",
    )
    allow_other_vocab: bool = allow_other_vocab()
    do_lower_case: bool | None = setting(
        None,
        help="Lower-case the text, and strip its accents unless --keep-accents is given; by "
        "default as the checkpoint's was.",
        off="--cased",
        on_resume=FREE,
        group=TEXT,
    )
    strip_accents: bool | None = setting(
        None,
        help="Strip accents; by default as of the checkpoint's text.",
        off="--keep-accents",
        on_resume=FREE,
        group=TEXT,
    )
    tokenize_chinese_chars: bool | None = setting(
        None,
        help="Make every CJK ideograph a word of its own; by default as in the checkpoint's text.",
        on_resume=FREE,
        group=TEXT,
    )
    max_seq_length: int = setting(
        128,
        help="Tokens per sequence; what is longer is cut off.",
        flags=("--msl",),
        minimum=8,
        group=TEXT,
        first=True,
    )
    backend: str = override(ComputeConfig, "backend", choices=registry.choices())


@dataclass(frozen=True)
class RunConfig(EncoderConfig, TrainingConfig):
    """Settings of an encoder's run that may train; `finetune` and `finetune-squad` have these."""

    @property
    def trains(self) -> bool:
        """Whether to train."""
        raise NotImplementedError


@dataclass(frozen=True)
class FinetuneConfig(RunConfig):
    """What every task of `bertkit finetune` depends on; a task inherits it and adds its own.

    Attributes:
        of_the_run: settings that a model is used with as it was trained, where a call only
            evaluates or predicts.
        checkpoint_dropout: the head has the dropout that the starting checkpoint names for it.
    """

    of_the_run: ClassVar[Sequence[str]] = ("task", "max_seq_length")
    checkpoint_dropout: ClassVar[bool] = True

    task: str = setting(
        "", help="What is learnt.", choices=finetuning_names(), group=TASK, first=True
    )
    train_file: str | None = setting(
        None, help="Examples to train on.", on_resume=FREE, group=DATA, first=True, metavar="FILE"
    )
    eval_file: list[str] = setting(
        factory=list,
        help="Examples to score the model on; repeatable: the first one decides which checkpoint"
        " is the best.",
        on_resume=FREE,
        group=DATA,
        first=True,
        metavar="FILE",
    )
    predict_file: list[str] = setting(
        factory=list,
        help="Examples to predict; repeatable.",
        on_resume=FREE,
        group=DATA,
        first=True,
        metavar="FILE",
    )
    do_train: bool | None = setting(
        None, help="Train; by default if there is a file to train on.", on_resume=FREE, group=TASK
    )
    do_eval: bool | None = setting(
        None, help="Score; by default if there is a file to score on.", on_resume=FREE, group=TASK
    )
    do_predict: bool | None = setting(
        None, help="Predict; by default if there is a file to predict.", on_resume=FREE, group=TASK
    )
    limit: int = setting(
        0, help="Use only the first N examples of each file; 0: all.", minimum=0, group=DATA
    )
    seeds: str = seeds_setting()
    metric: str | None = setting(
        None,
        help="Score that tells which evaluation of the training is the best; by default the"
        " task's own. With --eval-every the model of that evaluation is kept in best/, and the"
        " final scores and predictions are its.",
        on_resume=FREE,
        group=EVALUATION,
        metavar="NAME",
        example="accuracy",
    )
    keep_best: bool = setting(
        True,
        help="Keep the model of the best evaluation in best/.",
        on_resume=FREE,
        group=CHECKPOINTS,
    )
    classifier_dropout: float | None = setting(
        None,
        help="Dropout before the head; by default what the checkpoint's configuration says, or "
        "that of the encoder.",
        minimum=0.0,
        maximum=0.9,
        group=MODEL,
    )
    predict_batch_size: int = setting(
        64,
        help="Sequences per forward pass in evaluation and prediction.",
        minimum=1,
        on_resume=FREE,
        group=MACHINE,
    )
    global_batch_size: int = override(
        TrainingConfig, "global_batch_size", flags=("--gbs", "--train-batch-size"), first=False
    )
    micro_batch_size: int = override(
        TrainingConfig,
        "micro_batch_size",
        help="Sequences per forward pass; reduce it if memory runs out. 0: the global batch.",
    )
    epochs: float | None = override(
        TrainingConfig, "epochs", flags=("--num-train-epochs",), first=True
    )
    learning_rate: float = override(TrainingConfig, "learning_rate", 5e-5)
    save_every: int = override(TrainingConfig, "save_every", 1000, first=False)
    keep_last: int = override(TrainingConfig, "keep_last", 1)
    eval_every: int = override(
        TrainingConfig,
        "eval_every",
        first=True,
        help="Steps between evaluations on the first --eval-file; 0: none during training.",
    )

    @property
    def trains(self) -> bool:
        """Whether to train."""
        return self.train_file is not None if self.do_train is None else self.do_train

    @property
    def scores(self) -> bool:
        """Whether to score the model."""
        return bool(self.eval_file) if self.do_eval is None else self.do_eval

    @property
    def predicts(self) -> bool:
        """Whether to predict."""
        return bool(self.predict_file) if self.do_predict is None else self.do_predict

    @property
    def evaluates(self) -> bool:
        """Whether to evaluate during training."""
        asked = self.eval_every or self.eval_every_samples or self.eval_first
        return self.trains and self.scores and bool(asked)

    def problems(self) -> list[str]:
        """Settings that contradict each other, each naming its flags."""
        found = TrainingConfig.problems(self)
        if not (self.trains or self.scores or self.predicts):
            found.append("nothing to do: give --train-file, --eval-file, --predict-file")
        if self.trains and not self.train_file:
            found.append("--do-train needs --train-file")
        if self.scores and not self.eval_file:
            found.append("--do-eval needs --eval-file")
        if self.predicts and not self.predict_file:
            found.append("--do-predict needs --predict-file")
        if self.trains and not self.init_checkpoint:
            found.append("--train-file needs --init-checkpoint, the encoder to start from")
        if (self.eval_every or self.eval_every_samples) and self.trains and not self.scores:
            found.append("--eval-every needs --eval-file")
        return found


def settings_of_run(checkpoint: str | None, names: Sequence[str]) -> list[Layer]:
    """Some settings of the fine-tuning run that a checkpoint belongs to; nothing without one.

    Args:
        checkpoint: a run's folder, or a checkpoint in it.
        names: of the settings.
    """
    for folder in (Path(checkpoint), Path(checkpoint).parent) if checkpoint else ():
        path = folder / CONFIG
        if path.is_file():
            values = load_yaml(path)
            known = {name: values[name] for name in names if name in values}
            return [Layer(str(path), known)]
    return _settings_of_model(checkpoint, names) if checkpoint else []


def _settings_of_model(checkpoint: str, names: Sequence[str]) -> list[Layer]:
    """Some settings that a model without its run is used with, as its config.json has them.

    Where another program trained the model on, with a head of another class, they are of no use.
    """
    from bertkit.model.checkpoints.loading import config_beside  # which needs torch

    # What is wrong with a checkpoint is told where it is opened.
    with contextlib.suppress(BertkitError):
        path = config_beside(checkpoint) if Path(checkpoint).exists() else None
        values = read_config(path) if path else {}
        kept = values.get(USED_WITH)
        if not isinstance(kept, dict):
            return []
        if _class_of(kept.get("task")) not in ("", class_of_config(values)):
            return []
        known = {name: kept[name] for name in names if name in kept}
        return [Layer(str(path), known)] if known else []
    return []


def _class_of(task: object) -> str | None:
    """The class of a task's models, empty where it names none; None: there is no such task.

    Without a task they answer questions.
    """
    if task is None:
        return QUESTION_ANSWERING
    return next((row.model for row in FINETUNING if row.name == task), None)


def used_with(config: object, names: Sequence[str]) -> dict[str, Any]:
    """The entry of a model's config.json with the settings that it is used with.

    Args:
        config: of its run.
        names: of the settings; those without a value are left out.
    """
    values = as_dict(config)
    return {USED_WITH: {name: values[name] for name in names if values[name] is not None}}
