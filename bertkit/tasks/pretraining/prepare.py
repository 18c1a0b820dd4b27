"""Opens a run's data and checks all settings against it, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bertkit.backends.base import Adapter, StepPlan, StepShape
from bertkit.backends.process_group import Topology
from bertkit.backends.sections import options_of
from bertkit.data.dynamic_masking import DynamicMasking
from bertkit.data.record_source import RecordSource, SampleSource
from bertkit.errors import ConfigError, DataError
from bertkit.files import open_binary
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.records.files.pack_formats import HABANA, PackShape, pack_shape
from bertkit.report.trackers import require_trackers
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.estimate import Estimate, estimate, fitting_size
from bertkit.tokenization.vocabulary import find_vocab, load_vocab
from bertkit.train.step_settings import (
    check_steps,
    chosen_precision,
    make_step_plan,
    micro_batch_size,
    optimizer_spec,
    refuse,
)


@dataclass(frozen=True)
class Prepared:
    """A run's settings and data, checked against each other.

    Attributes:
        config: with steps, warm-up, backend and vocabulary size filled in.
        source: training records.
        eval_source: evaluation records, or None.
        vocab: bytes of the vocabulary file, or None.
        step_plan: what one step computes.
        masking: new masks for every epoch, or None.
    """

    config: PretrainConfig
    source: SampleSource
    eval_source: RecordSource | None
    vocab: bytes | None
    step_plan: StepPlan
    masking: DynamicMasking | None = None

    @property
    def estimate(self) -> Estimate:
        """What the run will need: steps, memory, disk."""
        shape = self.step_plan.shape
        assert shape is not None
        return estimate(
            self.config,
            records=len(self.source),
            max_seq_length=self.source.max_seq_length,
            world=shape.world,
        )


def prepare(
    config: PretrainConfig,
    adapter: Adapter,
    origins: Mapping[str, str] | None = None,
    dry_run: bool = False,
) -> Prepared:
    """Open the data, fill in what follows from it, and check everything.

    Nothing is written but the cache of `text`.

    Args:
        config: as resolved by the command line.
        adapter: of the machine.
        origins: where settings came from; a vocabulary size that nobody gave is taken
            from `--vocab` or from the records' manifest.
        dry_run: plan `text` in a temporary folder.

    Raises:
        DataError: missing or broken records, vocabulary or checkpoint.
        ConfigError: settings that do not fit the data, the model or the machine.
    """
    require_trackers(config.log_to)
    world = Topology.from_environment().world
    source = _open_source(config, dry_run)
    eval_source = RecordSource(config.eval_input) if config.eval_input else None
    sources: list[SampleSource] = [source, eval_source] if eval_source else [source]
    config, vocab = _fit_vocabulary(config, origins or {}, sources)
    for records in sources:
        check_lengths(records, config.model)
    steps = config.steps(len(source))
    config = replace(
        config,
        max_steps=steps,
        warmup_steps=config.warmup(steps),
        epochs=None,
        backend=adapter.caps.name,
        layout=adapter.caps.layout(config.layout),
        precision=chosen_precision(adapter, config.precision, config.model.hidden_size),
    )
    config = _settled(config, adapter, steps)
    wanted = config.micro_batch_size
    if not wanted:
        wanted = fitting_size(config, source, world, adapter.device_memory())
    size = micro_batch_size(config.global_batch_size, wanted, world)
    config = replace(config, micro_batch_size=size)
    check_steps(config, steps)
    step_plan = make_step_plan(
        config, step_shape(config, sources, world), config.model, options_of(config, config.backend)
    )
    refuse(adapter.validate(step_plan, optimizer_spec(config)))
    return Prepared(
        config=config,
        source=source,
        eval_source=eval_source,
        vocab=vocab,
        step_plan=step_plan,
        masking=_masking(config),
    )


def _settled(config: PretrainConfig, adapter: Adapter, steps: int) -> PretrainConfig:
    """The configuration with what the backend derives of its own section for so many steps."""
    name, settle = adapter.caps.name, getattr(adapter, "settled_options", None)
    if settle is None:
        return config
    return replace(config, **{name: settle(options_of(config, name), steps)})


def make_model(config: PretrainConfig) -> BertForPreTraining:
    """A model with new weights, drawn from PyTorch's generator."""
    model = BertForPreTraining(config.model)
    model.bert.encoder.recompute = config.recompute
    return model


def check_lengths(source: SampleSource, shape: BertConfig) -> None:
    """Records must not be longer than the model's positions.

    Raises:
        ConfigError: they are; names both.
    """
    if source.max_seq_length > shape.max_position_embeddings:
        raise ConfigError(
            f"the records have max_seq_length {source.max_seq_length}, the model's"
            f" max_position_embeddings is {shape.max_position_embeddings}",
            "make records with a smaller --max-seq-length, or a model with more positions",
        )


def _open_source(config: PretrainConfig, dry_run: bool) -> SampleSource:
    if not config.text:
        return RecordSource(config.input)
    from bertkit.data.text_source import TextSource  # loads the record kernels

    assert config.vocab is not None
    cache = config.text_cache or str(Path(config.output) / "text-cache")
    place = None if dry_run else cache
    return TextSource(config.text, config.records, config.vocab, place, config.new_pairs)


def _masking(config: PretrainConfig) -> DynamicMasking | None:
    if config.mask == "static":
        return None
    assert config.vocab is not None
    rules = config.records
    vocab = load_vocab(find_vocab(config.vocab), rules.duplicates)
    return DynamicMasking(vocab, rules.masked_lm_prob, config.seed, rules.whole_word_mask)


def step_shape(config: PretrainConfig, sources: Sequence[SampleSource], world: int) -> StepShape:
    """The sizes of a step; records for training and evaluation must fit the same ones."""
    length = max(source.max_seq_length for source in sources)
    predictions = max(source.max_predictions_per_seq for source in sources)
    row = PackShape(length, predictions, 1)
    if config.layout == "packed":
        row = pack_shape(HABANA, length, predictions, config.sequences_per_pack)
    return StepShape(
        micro_batch_size=config.micro_size,
        accumulation=config.global_batch_size // (config.micro_size * world),
        sequence_length=length,
        predictions=row.predictions,
        sequences_per_row=row.sequences,
        world=world,
    )


def _fit_vocabulary(
    config: PretrainConfig, origins: Mapping[str, str], sources: Sequence[SampleSource]
) -> tuple[PretrainConfig, bytes | None]:
    """Check the vocabularies against each other; a size nobody gave follows from them."""
    known = {sha: size for source in sources for sha, size in source.vocabularies.items()}
    if len(known) > 1:
        names = ", ".join(f"{sha[:12]} ({size:,} tokens)" for sha, size in known.items())
        raise DataError(
            f"the records were made with different vocabularies: {names}",
            "make all records with one --vocab; `bertkit inspect FOLDER` shows each one's",
        )
    content = None
    if config.vocab is not None:
        place = find_vocab(config.vocab)
        vocab = load_vocab(place, config.records.duplicates)
        if known and vocab.sha256 not in known:
            made = next(iter(known))
            raise DataError(
                f"the records were made with vocabulary {made[:12]},"
                f" --vocab {config.vocab} is {vocab.sha256[:12]}",
                "give the vocabulary of make-records",
            )
        known = {vocab.sha256: len(vocab)}
        with open_binary(place) as stream:
            content = stream.read()
    for size in known.values():
        if "model.vocab_size" not in origins:
            config = replace(config, model=replace(config.model, vocab_size=size))
        elif size > config.model.vocab_size:
            raise ConfigError(
                f"the vocabulary has {size} entries, model.vocab_size is {config.model.vocab_size}"
            )
    return config, content
