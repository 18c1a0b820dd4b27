"""Defines the interface between a task package and the training loop.

To add a task, write in a package of its own

1. a configuration that inherits `bertkit.train.config.TrainingConfig`,
2. a model: the encoder with a head, and an objective that computes its loss
   (`bertkit.backends.base.Task`),
3. a subclass of `TrainingTask`, which opens the data and makes batches of them,

and hand an instance of it to `bertkit.train.run.TrainingRun`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from bertkit import log
from bertkit.backends.base import Adapter, Stepper, StepPlan, Task
from bertkit.data.prefetch import Feed
from bertkit.model.checkpoints.loading import LoadReport, load_into, load_own_weights, load_weights
from bertkit.model.config import BertConfig
from bertkit.tokenization.tokenizer_facts import NOT_RECORDED, TokenizerFacts
from bertkit.train.config import TrainingConfig
from bertkit.train.metrics import Tracker

Evaluate = Callable[[], dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """What a run trains on.

    Attributes:
        feed: the steps, from any position of the order on.
        samples: in an epoch.
        summary: the data in a few words, for the log.
    """

    feed: Feed
    samples: int
    summary: str


class TrainingTask(ABC):
    """Settings, model, data, loss and evaluation of one training task.

    Attributes:
        config: the settings as the run remembers them, layout and micro-batch set.
        shape: of the encoder.
        objective: the loss, and the sums to report.
        step_plan: what decides one step's numbers.
        fingerprint: digest of the training data; a run does not resume with other data.
        start: the checkpoint that a new run takes its weights from; None for new weights.
        vocab: content of the vocabulary file that goes into every checkpoint.
        tokenizer: what is known about the tokens; it goes into every checkpoint.
        new_weights: prefixes of parameters that `start` need not have: the task's own head.
        optional_weights: the same for those whose absence is worth a warning.
        ignored_weights: prefixes of tensors of `start` that are left out: other heads.
        command: name of the command that runs the task.
        eval_fingerprint: digest of the data it evaluates on; empty without.
        local_settings: names of settings that each of several processes may have for itself:
            its paths to the same data.
        outputs: names of files that the task writes beside those of the run.
    """

    config: TrainingConfig
    shape: BertConfig
    objective: Task
    step_plan: StepPlan
    fingerprint: str
    start: Path | None = None
    vocab: bytes | None = None
    tokenizer: TokenizerFacts = NOT_RECORDED
    new_weights: Sequence[str] = ()
    optional_weights: Sequence[str] = ()
    ignored_weights: Sequence[str] = ()
    command: str = "training"
    eval_fingerprint: str = ""
    local_settings: Sequence[str] = ()
    outputs: Sequence[str] = ()

    @abstractmethod
    def make_model(self) -> nn.Module:
        """The model with new weights, drawn from PyTorch's generator."""

    @abstractmethod
    def training_data(self, adapter: Adapter) -> TrainingData:
        """The data of this process; asked for only where there is something to train."""

    def evaluator(self, model: nn.Module, stepper: Stepper, adapter: Adapter) -> Evaluate | None:
        """A function that evaluates the model as it stands; None where there is nothing to.

        Args:
            model: on its device.
            stepper: of the objective.
            adapter: of the machine.
        """
        return None

    def trackers(self, first_step: int) -> list[Tracker]:
        """Further places for the run's numbers, after `first_step` updates; main process only."""
        return []

    def flops(self, sums: Mapping[str, float]) -> float:
        """Floating point operations of the matrix products behind a log line's sums."""
        return self.shape.training_flops(
            tokens=sums["tokens"],
            token_pairs=sums["token_pairs"],
            masked=sums.get("mlm_count", 0.0),
            sequences=sums["sequences"],
        )

    def load_weights(self, model: nn.Module, checkpoint: Path, resuming: bool) -> LoadReport:
        """Fill the model with the weights of a checkpoint; reports which.

        Args:
            model: from `make_model`.
            checkpoint: of any form that bertkit reads.
            resuming: it is the run's own, and so must have every weight; the model need not
                be BERT.

        Raises:
            DataError: missing or broken files.
            ConfigError: it does not fit the model; lists the tensors.
        """
        if resuming:
            own = load_own_weights(checkpoint, self.shape.vocab_size)
            return load_into(model, own, source=str(checkpoint))
        return load_into(
            model,
            load_weights(checkpoint, self.shape.vocab_size),
            allow_missing=(*self.new_weights, *self.optional_weights),
            allow_unexpected=self.ignored_weights,
            source=str(checkpoint),
        )

    def warn_of_missing(self, report: LoadReport, checkpoint: Path) -> None:
        """Say which weights a new run lacks that are not the task's own."""
        own = tuple(self.new_weights)
        missing = [name for name in report.missing if not name.startswith(own)]
        if missing:
            log.logger.warning("%s lacks %s: initialised at random", checkpoint, ", ".join(missing))
