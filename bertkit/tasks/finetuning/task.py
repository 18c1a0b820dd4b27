"""Defines the interface between a fine-tuning task and the room that all of them share.

To add a task, write in a package of its own

1. settings that inherit `bertkit.tasks.finetuning.config.FinetuneConfig`,
2. a model of `bertkit.model`, a `Batcher` with the targets, and an objective: it gives the loss
   of a batch with targets, and `OUTPUTS` of one without,
3. a subclass of `FinetuneTask`: how files are read, encoded, scored and written,

and a row in `bertkit.tasks.registry.FINETUNING`.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import nn

from bertkit import log
from bertkit.backends.base import Adapter, Stepper
from bertkit.data.sample_feed import SampleFeed
from bertkit.data.sample_order import SampleOrder
from bertkit.errors import ConfigError
from bertkit.model.bert import without_new_weights
from bertkit.model.checkpoints.loading import LoadReport, config_beside, load_into, load_weights
from bertkit.model.checkpoints.run_state import BEST
from bertkit.model.config import read_config
from bertkit.model.model_types import LABEL_HEAD, POOLER, PRETRAINING_HEADS
from bertkit.tables.files import digest_of_table, stems_of
from bertkit.tasks.finetuning.best import BestModel
from bertkit.tasks.finetuning.config import FinetuneConfig, used_with
from bertkit.tasks.finetuning.filling import filling_of
from bertkit.tasks.finetuning.open import Opened
from bertkit.tasks.finetuning.review import Tables
from bertkit.tasks.finetuning.samples import Batcher, Sample, outputs_of
from bertkit.tokenization.vocabulary import vocabulary_bytes
from bertkit.train.task import Evaluate, TrainingData, TrainingTask

SCORES = "scores.json"
WEIGHTS = "label_weights"  # the array of every sample's factor in the loss

C = TypeVar("C", bound=FinetuneConfig)
E = TypeVar("E")  # an example
Line = tuple[str, Mapping[str, Any]]  # the place of a JSON line, for messages, and its object


class FinetuneTask(TrainingTask, Generic[C, E]):
    """What is learnt of examples, scored and predicted.

    Args:
        opened: settings, encoder and vocabulary.

    Attributes:
        name: of `--task`.
        metric: name of the score that decides what is best, where `--metric` does not say.
        metrics: names of all scores, once they are known; empty where only `score` knows.
        head: prefixes of the parameters that an encoder alone lacks.
        takes_pairs: `predict` may be given two texts.
        batcher: makes batches, in the run's layout.
        train_examples: read from `train_file`.
        step: gives the updates done so far.
    """

    name: ClassVar[str] = ""
    metric: str = ""
    metrics: Sequence[str] = ()
    head: ClassVar[Sequence[str]] = (LABEL_HEAD,)
    takes_pairs: ClassVar[bool] = False
    optional_weights = (POOLER,)
    command = "finetune"
    # The same files may lie elsewhere on each machine.
    local_settings: Sequence[str] = (
        "train_file",
        "eval_file",
        "predict_file",
        "vocab",
        "model_config",
    )
    outputs = (SCORES, BEST)
    config: C
    batcher: Batcher

    def __init__(self, opened: Opened[C]) -> None:
        self.opened = opened
        self.config = opened.config
        self.shape = opened.shape
        self.start: Path = opened.start
        self.vocab: bytes = vocabulary_bytes(opened.vocab.path)
        self.tokenizer = opened.facts
        self.new_weights = self.head
        self.step_plan = opened.step_plan()
        self.train_examples: list[E] = []
        self._examples: dict[tuple[str, str], list[E]] = {}
        self.step: Callable[[], int] = lambda: 0
        self.goes_on: Callable[[], bool] = lambda: False

    # What a task supplies.

    @abstractmethod
    def read(self, path: str, use: str) -> list[E]:
        """The examples of a file, at most `config.limit` of them.

        Args:
            path: of the file.
            use: `train`, `eval` or `predict`; what is to be predicted need not have labels.

        Raises:
            DataError: names file and line.
        """

    @abstractmethod
    def settle(self) -> None:
        """Settle what the model's shape needs, such as labels, and set `batcher` and `objective`.

        Called once `train_examples` are read, and before other files are; without training,
        the facts beside the checkpoint (`facts_of_start`) tell.

        Raises:
            DataError, ConfigError: it is not known, or of another task.
        """

    @abstractmethod
    def encode(self, examples: Sequence[E]) -> list[Sample]:
        """Tokens and targets; an example may become several samples, in their order."""

    @abstractmethod
    def make_model(self) -> nn.Module:
        """The model with new weights; its `facts`, with `facts_of_use`, go into config.json."""

    @abstractmethod
    def score(
        self, examples: Sequence[E], samples: Sequence[Sample], outputs: Sequence[np.ndarray]
    ) -> dict[str, float]:
        """The scores of a file.

        Args:
            examples: of the file, with labels.
            samples: made of them.
            outputs: of each sample, see `outputs_of`.
        """

    def review(
        self, examples: Sequence[E], samples: Sequence[Sample], outputs: Sequence[np.ndarray]
    ) -> Tables:
        """What is wrong in the predictions for a file, as tables to look at; see `review`.

        Args:
            examples: of the file, with labels.
            samples: made of them.
            outputs: of each sample.
        """
        return {}

    @abstractmethod
    def write_predictions(
        self,
        path: str,
        examples: Sequence[E],
        samples: Sequence[Sample],
        outputs: Sequence[np.ndarray],
    ) -> list[Path]:
        """Write what is predicted for a file into the run's folder; returns the files written.

        Args:
            path: the file that was predicted, see `predictions_file`.
            examples: of the file.
            samples: made of them.
            outputs: of each sample.
        """

    def plan(self) -> dict[str, Any]:
        """More of the run in numbers, for a dry run: labels and what else was settled."""
        return {}

    def cases(self, sample: Sample) -> float:
        """How often a sample counts in the mean loss of a step: its labels."""
        return 1.0

    @classmethod
    def scores_of_predictions(cls, config: C) -> dict[str, float] | None:
        """Scores of what some system has predicted, which needs no model; None: not asked for."""
        return None

    def predict_lines(self, lines: Sequence[Line]) -> list[E]:
        """Examples of JSON lines, for `bertkit predict`.

        Raises:
            DataError: names the line.
        """
        raise ConfigError(f"bertkit predict does not know --task {self.name}")

    def answers(
        self, examples: Sequence[E], samples: Sequence[Sample], outputs: Sequence[np.ndarray]
    ) -> list[dict[str, Any]]:
        """What is predicted, an object per example, for `bertkit predict`."""
        raise ConfigError(f"bertkit predict does not know --task {self.name}")

    # What the room does with it.

    @property
    def deciding_metric(self) -> str:
        """Name of the score by which models are compared."""
        return self.config.metric or self.metric

    def predictions_file(self, path: str, ending: str) -> Path:
        """Where the predictions for a file go: `predictions.jsonl`, or one file for each."""
        files = list(self.config.predict_file)
        names = dict(zip(files, stems_of(files), strict=True))
        name = f"predictions-{names[path]}" if len(files) > 1 else "predictions"
        return Path(self.config.output) / f"{name}{ending}"

    def facts_of_start(self) -> dict[str, Any]:
        """`config.json` beside the checkpoint that the run starts from; empty without one."""
        beside = config_beside(self.start)
        return read_config(beside) if beside else {}

    def examples(self, path: str, use: str) -> list[E]:
        """What `read` gives, which is read once."""
        key = (path, use)
        if key not in self._examples:
            self._examples[key] = self.read(path, use)
        return self._examples[key]

    def open_examples(self) -> None:
        """Read what is trained on and settle what follows from it."""
        if self.config.trains:
            self.train_examples = self.read(str(self.config.train_file), "train")
        self.settle()
        if self.metrics:
            self.require_metric(self.metrics)
        if self.config.trains:
            parts = (self.digest_of(str(self.config.train_file)), self.opened.vocab.sha256)
            self.fingerprint = hashlib.sha256(" ".join(parts).encode()).hexdigest()
        if self.config.evaluates:
            self.eval_fingerprint = self.digest_of(self.config.eval_file[0])

    def facts_of_use(self) -> dict[str, Any]:
        """The entry of config.json with the settings that the model is used with."""
        return used_with(self.config, self.config.of_the_run)

    def digest_of(self, path: str) -> str:
        """Digest of what a file of examples, or several of them as one, holds."""
        return digest_of_table(path)

    def training_data(self, adapter: Adapter) -> TrainingData:
        """The training samples, of which this process takes its part of every step."""
        topology = adapter.process_group.topology
        samples = self.encode(self.train_examples)
        feed = SampleFeed(
            samples=samples,
            order=SampleOrder(len(samples), self.config.seed),
            make_batch=self.batcher.batch,
            global_batch_size=self.config.global_batch_size,
            micro_batch_size=self.config.micro_size,
            rank=topology.rank,
            world=topology.world,
            weights=WEIGHTS,
            cases=[self.cases(sample) for sample in samples],
            filling=filling_of(
                self.config,
                adapter,
                lengths=[sample.length for sample in samples],
                fills=self.batcher.fills,
                looked_at=self.batcher.rows(samples) if self.batcher.fills else None,
            ),
        )
        count = len(self.train_examples)
        summary = log.counted(count, "example")
        if len(samples) != count:
            summary += f" in {log.counted(len(samples), 'sample')}"
        return TrainingData(feed=feed, samples=len(samples), summary=summary)

    def evaluator(self, model: nn.Module, stepper: Stepper, adapter: Adapter) -> Evaluate | None:
        """The scores on the first `eval_file`, where evaluations are asked for."""
        config = self.config
        if not config.evaluates:
            return None
        examples = self.examples(config.eval_file[0], "eval")
        samples = self.encode(examples)
        main = adapter.process_group.topology.is_main
        keeps = config.keep_best and main
        best = BestModel(config.output, self.deciding_metric, self.goes_on()) if keeps else None
        if best:
            with torch.device("meta"):
                copy = self.make_model()

        def evaluate() -> dict[str, float]:
            scores, _ = self.scores_of(examples, samples, stepper, adapter)
            if best and best.is_better(scores):
                best.keep(
                    copy,
                    adapter.weights(model),
                    step=self.step(),
                    scores=scores,
                    vocab=self.vocab,
                    tokenizer=self.tokenizer,
                )
            return scores

        return evaluate

    def scores_of(
        self,
        examples: Sequence[E],
        samples: Sequence[Sample],
        stepper: Stepper,
        adapter: Adapter,
    ) -> tuple[dict[str, float], Sequence[np.ndarray]]:
        """The scores of a model on some examples, the same in all processes; and its outputs.

        Returns:
            Scores; and outputs of each sample, none in the processes beside the main one.
        """
        size = self.config.predict_batch_size
        outputs = outputs_of(adapter, stepper, self.batcher, samples, size)
        scores: dict[str, float] = {}
        if adapter.process_group.topology.is_main:
            scores = self.score(examples, samples, outputs)
            self.require_metric(scores)
        # The main process comes first: all others take over its scores.
        first, *_ = adapter.process_group.gather(scores)
        return dict(first), outputs

    def require_metric(self, scores: Iterable[str]) -> None:
        """Refuse a `--metric` that the task does not compute.

        Raises:
            ConfigError: lists those it does.
        """
        known = list(scores)
        if self.deciding_metric not in known:
            asked = self.deciding_metric.lower().replace("-", "_")
            near = [name for name in known if name.startswith(asked)]
            near = near or get_close_matches(asked, known, n=1)
            raise ConfigError(
                f"--metric {self.deciding_metric}: there are {', '.join(known)}",
                f"did you mean {near[0]}?" if near else "",
            )

    def load_weights(self, model: nn.Module, checkpoint: Path, resuming: bool) -> LoadReport:
        """Fill the model; a new run takes the head of a checkpoint only where it fits."""
        if resuming or not self.config.trains:
            return super().load_weights(model, checkpoint, resuming)
        weights = load_weights(checkpoint, self.shape.vocab_size)
        own = model.state_dict()
        # Other heads, and the task's own head for other labels, are left out.
        kept = {
            name: value
            for name, value in weights.items()
            if name in own and (not name.startswith(tuple(self.head)) or self.has_same_head())
        }
        missing = (*self.new_weights, *self.optional_weights)
        return load_into(model, kept, allow_missing=missing, source=str(checkpoint))

    def has_same_head(self) -> bool:
        """Whether the head of the checkpoint that the run starts from is of the same labels."""
        facts = self.facts_of_start()
        name = type(self.make_on_meta()).__name__
        return name in (facts.get("architectures") or ()) and self.fits_facts(facts)

    def fits_facts(self, facts: Mapping[str, Any]) -> bool:
        """Whether a config.json is of a head with the same meaning, so that it may go on."""
        return False

    def make_on_meta(self) -> nn.Module:
        """The model without memory for its weights."""
        with torch.device("meta"):
            return self.make_model()

    def load_trained(self, place: Path) -> nn.Module:
        """The model of a checkpoint that was fine-tuned for this task.

        Raises:
            DataError: broken or other files.
            ConfigError: it has no such head.
        """
        with without_new_weights():
            model = self.make_model()
        weights = load_weights(place, self.shape.vocab_size)
        own = model.state_dict()
        absent = [name for name in own if name.startswith(tuple(self.head)) and name not in weights]
        if absent:
            raise ConfigError(
                f"{place} has no {absent[0]}: it was not fine-tuned for --task {self.name}",
                f"fine-tune it first: bertkit finetune --task {self.name} --train-file FILE",
            )
        load_into(model, weights, allow_unexpected=(PRETRAINING_HEADS, POOLER), source=str(place))
        log.logger.info("weights from %s", place)
        return model
