"""Opens the checkpoint and the vocabulary of a fine-tuning run and checks them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from bertkit.backends.base import Adapter, StepPlan, StepShape
from bertkit.backends.process_group import Topology
from bertkit.backends.sections import options_of
from bertkit.errors import ConfigError, DataError
from bertkit.model.checkpoints import formats
from bertkit.model.checkpoints.loading import head_dropout_of
from bertkit.model.checkpoints.run_state import best_of
from bertkit.model.checkpoints.tokenizer import facts_with
from bertkit.model.config import BertConfig
from bertkit.report.logs.trackers import require_trackers
from bertkit.tasks.finetuning.config import EncoderConfig, FinetuneConfig, RunConfig
from bertkit.tokenization.tokenizer_facts import TokenizerFacts
from bertkit.tokenization.vocabulary import Vocab, find_vocab, load_vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer
from bertkit.train.checkpoints import checkpoint
from bertkit.train.checkpoints.resume import NEVER, settings_before
from bertkit.train.checkpoints.starting_point import StartingPoint, opened
from bertkit.train.checkpoints.starting_weights import require_outside
from bertkit.train.step_settings import chosen_precision, make_step_plan, micro_batch_size

C = TypeVar("C", bound=RunConfig)
F = TypeVar("F", bound=FinetuneConfig)


@dataclass(frozen=True)
class Opened(Generic[C]):
    """A run's settings, its encoder and its vocabulary, which fit each other.

    Attributes:
        config: the settings, with layout, micro-batch, precision and treatment of text settled.
        start: checkpoint to take weights from.
        shape: of its encoder.
        vocab: of its tokens.
        facts: what is known about them.
        backend: name of the machine.
    """

    config: C
    start: Path
    shape: BertConfig
    vocab: Vocab
    facts: TokenizerFacts
    backend: str

    @property
    def tokenizer(self) -> WordPieceTokenizer:
        """Of the vocabulary; a new one, with an empty memory of words."""
        assert self.facts.normalisation is not None
        return WordPieceTokenizer(self.vocab, self.facts.normalisation, self.facts.word_length)

    @property
    def padded_length(self) -> int:
        """Tokens of every row of a batch; 0 where only real tokens are computed."""
        return self.config.max_seq_length if self.config.layout == "padded" else 0

    def step_plan(self) -> StepPlan:
        """What decides one step's numbers."""
        return step_plan_of(self.config, self.shape, self.backend)

    def predicting_plan(self: Opened[F]) -> StepPlan:
        """That of a forward pass which evaluates or predicts."""
        return without_training(self.step_plan(), self.config, self.config.predict_batch_size)


def open_run(config: C, adapter: Adapter, overwrite: bool = False) -> Opened[C]:
    """Open what a run needs beside its examples; writes nothing.

    Args:
        config: the settings.
        adapter: of the machine.
        overwrite: an earlier run in the folder is replaced.

    Raises:
        DataError: missing or broken files.
        ConfigError: the vocabulary or the length does not fit the checkpoint, or the machine
            the batch.
    """
    return open_settled(settled(config, adapter), adapter, overwrite)


def settled(config: C, adapter: Adapter) -> C:
    """The settings with the layout and the micro-batch that the machine and the processes take.

    Raises:
        ConfigError: the batch cannot be divided.
        MissingDependencyError: a tracker's package is not installed.
    """
    config = replace(config, layout=adapter.caps.layout(config.layout))
    if config.trains:
        require_trackers(config.log_to)
        world = Topology.from_environment().world
        size = micro_batch_size(config.global_batch_size, config.micro_batch_size, world)
        config = replace(config, micro_batch_size=size)
    return config


def open_settled(config: C, adapter: Adapter, overwrite: bool = False) -> Opened[C]:
    """As `open_run`, for settings that are `settled`."""
    start = starting_point(config.init_checkpoint, config.output, config.trains)
    if config.trains:
        require_outside(start, config.output)
    place = there_or_begun(start, config.output, config.trains)
    shape, vocab, facts = open_encoder(config, place)
    assert facts.normalisation is not None
    resume = config.resume if config.trains else NEVER
    begun = settings_before(config.output, resume, overwrite)
    precision = chosen_precision(adapter, config.precision, shape.hidden_size, begun)
    config = replace(config, precision=precision, **facts.normalisation.as_dict())
    config = _with_head_dropout(config, place, begun)
    return Opened(config, start, shape, vocab, facts, adapter.caps.name)


def _with_head_dropout(config: C, start: Path, begun: Mapping[str, Any] | None) -> C:
    """The settings with the dropout before the head that the checkpoint's configuration wants.

    A run that an earlier version began without it goes on without it.
    """
    if not (isinstance(config, FinetuneConfig) and config.trains and config.checkpoint_dropout):
        return config
    if config.classifier_dropout is not None:
        return config
    if begun is not None and begun.get("classifier_dropout") is None:
        return config
    return replace(config, classifier_dropout=head_dropout_of(start))


def open_encoder(config: EncoderConfig, start: Path) -> tuple[BertConfig, Vocab, TokenizerFacts]:
    """The shape of a checkpoint, the vocabulary that goes with it, and how text is treated.

    Raises:
        DataError: files are missing, broken, or of another vocabulary.
        ConfigError: vocabulary or lengths do not fit the checkpoint, or a flag contradicts it.
    """
    found = opened(start, config.model_config)
    shape, vocab = found.shape, _vocabulary(config, found)
    facts = facts_with(
        start,
        vocab,
        vars(config),
        positions=shape.max_position_embeddings,
        allow_other=config.allow_other_vocab,
    )
    if config.max_seq_length > shape.max_position_embeddings:
        raise ConfigError(
            f"--max-seq-length {config.max_seq_length} is more than the"
            f" {shape.max_position_embeddings} positions of {start}",
            f"give --max-seq-length {shape.max_position_embeddings} or less",
        )
    return shape, vocab, facts


def step_plan_of(config: RunConfig, shape: BertConfig | None, backend: str) -> StepPlan:
    """What decides one step's numbers."""
    world = Topology.from_environment().world
    step = StepShape(
        micro_batch_size=config.micro_size,
        accumulation=config.global_batch_size // (config.micro_size * world),
        sequence_length=config.max_seq_length,
        world=world,
    )
    plan = make_step_plan(config, step, shape, options_of(config, backend))
    return replace(plan, training=config.trains, masks=config.layout == "padded")


def without_training(plan: StepPlan, config: EncoderConfig, size: int) -> StepPlan:
    """The plan of a forward pass over so many sequences, from that of a run."""
    shape = StepShape(micro_batch_size=size, accumulation=1, sequence_length=config.max_seq_length)
    return replace(plan, shape=shape, training=False)


def starting_point(given: str | None, output: str, trains: bool) -> Path:
    """The checkpoint whose shape and weights a run starts from.

    Args:
        given: `--init-checkpoint`; None for the run's own: its best model, or its last one.
        output: the run's folder.
        trains: the run trains, and so can go on without the checkpoint that it began from.

    Raises:
        DataError: there is none.
    """
    if given is None:
        last = best_of(output) or checkpoint.latest(output)
        if last is None:
            raise DataError(f"no checkpoint in {output}", "give --init-checkpoint, or train first")
        return last
    # Whether it is needed at all, the run's folder tells; see `there_or_begun`.
    if trains and not _exists(Path(given)) and checkpoint.latest(output):
        return Path(given)
    return checkpoint.find_one(given)


def there_or_begun(start: Path, output: str, trains: bool) -> Path:
    """Where shape and vocabulary are: a run that was begun goes on without its start."""
    if trains and not _exists(start):
        last = checkpoint.latest(output)
        if last is not None:
            return last
    return start


def _exists(start: Path) -> bool:
    return formats.detect(start) is not None


def _vocabulary(config: EncoderConfig, start: StartingPoint) -> Vocab:
    """The vocabulary given, or the one beside the checkpoint; must have the model's size."""
    if config.vocab is None and start.vocab_file is None:
        raise ConfigError(
            f"there is no vocab.txt and no tokenizer.json beside {start.path}",
            "give --vocab, the vocabulary of the checkpoint",
        )
    vocab = load_vocab(find_vocab(config.vocab) if config.vocab else str(start.vocab_file))
    start.require_vocab(vocab)
    return vocab
