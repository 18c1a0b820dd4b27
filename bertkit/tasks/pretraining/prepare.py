"""Opens a run's data and checks all settings against it, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.backends.base import Adapter, Caps, StepPlan, StepShape
from bertkit.backends.process_group import Topology
from bertkit.backends.run_size import RunSize
from bertkit.backends.sections import options_of
from bertkit.configuration.config import is_preset
from bertkit.data.dynamic_masking import DynamicMasking
from bertkit.data.record_source import RecordSource, SampleSource
from bertkit.errors import ConfigError
from bertkit.model.config import BertConfig
from bertkit.records.files.packs.formats import HABANA, PackShape, pack_shape
from bertkit.report.logs.trackers import require_trackers
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.estimate import (
    Estimate,
    UsualRecords,
    estimate,
    fitting_size,
    held_passes,
    recorded_memory,
    usual_step,
)
from bertkit.tasks.pretraining.sample_checks import check_samples, require_predictions
from bertkit.tasks.pretraining.samples import check_unread, masking_of, open_samples
from bertkit.tasks.pretraining.start import require_known_words, shaped, starting_point
from bertkit.tasks.pretraining.vocabulary import (
    fit_vocabulary,
    rows_for_start,
)
from bertkit.tokenization.tokenizer_facts import TokenizerFacts
from bertkit.train.checkpoints.resume import settings_before
from bertkit.train.checkpoints.starting_weights import require_outside
from bertkit.train.step_settings import (
    check_steps,
    chosen_precision,
    make_step_plan,
    micro_batch_size,
    optimizer_spec,
    refuse,
)

_PHASE_2 = "-phase2"  # ends the names of presets for long sequences
_PHASE_2_LENGTH = 512
_STEPS_OF_WINDOW = 64


@dataclass(frozen=True)
class Prepared:
    """A run's settings and data, checked against each other.

    Attributes:
        config: with steps, warm-up, backend and vocabulary size filled in.
        source: training records.
        eval_source: evaluation records, or None.
        vocab: bytes of the vocabulary file, or None.
        tokenizer: what is known about the tokens.
        step_plan: what one step computes.
        masking: new masks for every epoch, or None.
        tokens: numbers of tokens that may occur; rows of the word embedding beyond them are
            padding.
        device_memory: bytes of the device that the micro-batch was chosen for; 0: for none.
        caps: of the machine; None where only the data are of interest.
    """

    config: PretrainConfig
    source: SampleSource
    eval_source: RecordSource | None
    vocab: bytes | None
    tokenizer: TokenizerFacts
    step_plan: StepPlan
    masking: DynamicMasking | None = None
    tokens: int = 0
    device_memory: int = 0
    caps: Caps | None = None

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
            device_memory=self.device_memory,
            caps=self.caps,
        )


def prepare(
    config: PretrainConfig,
    adapter: Adapter,
    origins: Mapping[str, str] | None = None,
    dry_run: bool = False,
    overwrite: bool = False,
) -> Prepared:
    """Open the data, fill in what follows from it, and check everything.

    Nothing is written but the cache of `text`.

    Args:
        config: as resolved by the command line.
        adapter: of the machine.
        origins: where settings came from; a vocabulary size that nobody gave is taken
            from `--vocab` or from the records' manifest.
        dry_run: plan `text` in a temporary folder.
        overwrite: replace what another run left in the folder.

    Raises:
        DataError: missing or broken records, vocabulary or checkpoint.
        ConfigError: settings that do not fit the data, the model or the machine.
    """
    origins = origins or {}
    require_outside(config.init_checkpoint, config.output)
    require_trackers(config.log_to)
    start = starting_point(config, origins)
    if start:
        config = rows_for_start(config, origins, start.shape.vocab_size)
    config = shaped(config, origins, start)
    _warn_of_two_lengths(config, origins)
    config, source, eval_source = _opened(config, origins, dry_run)
    sources: list[SampleSource] = [source, eval_source] if eval_source else [source]
    rows = require_known_words(config, start, sources)
    if start:  # the checkpoint decides how many rows there are
        origins = {"model.vocab_size": str(start.path), **origins}
    vocabulary = fit_vocabulary(config, origins, sources)
    config = vocabulary.config
    for records in sources:
        check_lengths(records, config.model)
    if config.nsp:
        check_objectives(sources)
    _warn_of_phase_2(config, origins, source)
    usual = UsualRecords(source)
    check_samples(usual, config, vocabulary.words)
    if eval_source:
        require_predictions(UsualRecords(eval_source))
    begun = settings_before(config.output, config.resume, overwrite)
    config = _settled(config, adapter, config.steps(len(source)), origins, begun)
    config, step_plan, memory = _fitted(config, adapter, usual, sources, origins, begun, dry_run)
    ready = Prepared(
        config=config,
        source=source,
        eval_source=eval_source,
        vocab=vocabulary.content,
        tokenizer=vocabulary.facts,
        step_plan=step_plan,
        masking=masking_of(config),
        tokens=min(rows.trained if rows else config.model.vocab_size, config.model.vocab_size),
        device_memory=memory,
        caps=adapter.caps,
    )
    if log.rank() == 0:
        ready.estimate.warn_of_shortage(config.output)
    return ready


def _opened(
    config: PretrainConfig, origins: Mapping[str, str], dry_run: bool
) -> tuple[PretrainConfig, SampleSource, RecordSource | None]:
    """The samples to train on and those to evaluate on, and the settings that follow from them."""
    cache = config.text_cache or str(Path(config.output) / "text-cache")
    config, source = open_samples(
        config,
        cache=None if dry_run else cache,
        leave_out=[config.output, *([cache] if config.text else [])],
        fetch=not dry_run,
    )
    check_unread(config, origins, source)
    if not config.eval_input:
        return config, source, None
    evaluated = RecordSource(config.eval_input, leave_out=[config.output], fetch=not dry_run)
    return config, source, evaluated


def _fitted(
    config: PretrainConfig,
    adapter: Adapter,
    usual: UsualRecords,
    sources: list[SampleSource],
    origins: Mapping[str, str],
    begun: Mapping[str, Any] | None,
    dry_run: bool,
) -> tuple[PretrainConfig, StepPlan, int]:
    """The settings that fit the machine, and what one step computes.

    Returns:
        (the configuration, the plan, bytes of the device that decided the micro-batch or 0).
    """
    before = None if begun is None else begun.get(adapter.caps.name) or {}
    held = held_passes(config, adapter.caps, before)
    steps = config.max_steps
    config, memory = _with_micro_batch(config, adapter, usual, origins, held, begun)
    check_steps(config, steps)
    shape = step_shape(config, sources, Topology.from_environment().world)
    # What is refused anyway need not be tried for minutes.
    plan = _valid_plan(config, shape, adapter)
    chosen = _with_chosen_options(config, adapter, usual, plan, before, dry_run)
    if chosen is config:
        return config, plan, memory
    return chosen, _valid_plan(chosen, shape, adapter), memory


def _warn_of_two_lengths(config: PretrainConfig, origins: Mapping[str, str]) -> None:
    """Say which one counts, where somebody gave epochs and steps."""
    given = origins.get("max_steps", "default")
    if config.epochs is not None and given != "default" and not is_preset(given):
        text = "--epochs %g counts, --max-steps %d does not"
        log.logger.warning(text, config.epochs, config.max_steps)


def _warn_of_phase_2(
    config: PretrainConfig, origins: Mapping[str, str], source: SampleSource
) -> None:
    """Say where a preset for the second phase is used like one for the first."""
    presets = {origin for origin in origins.values() if is_preset(origin)}
    if not any(_PHASE_2 in origin for origin in presets):
        return
    if not config.init_checkpoint:
        log.logger.warning(
            "the preset of phase 2 goes on from phase 1; without --init-checkpoint this run"
            " starts from random weights, with phase 2's low learning rate and short warm-up"
        )
    if source.max_seq_length < _PHASE_2_LENGTH:
        log.logger.warning(
            "the preset of phase 2 is for records of %d tokens, these have %d",
            _PHASE_2_LENGTH,
            source.max_seq_length,
        )


def _with_micro_batch(
    config: PretrainConfig,
    adapter: Adapter,
    records: UsualRecords,
    origins: Mapping[str, str],
    held: int,
    begun: Mapping[str, Any] | None,
) -> tuple[PretrainConfig, int]:
    """The configuration with a micro-batch that fits memory, batch and processes.

    A preset's size is for devices whose memory is not known. Where it is, as many sequences
    as it holds are computed at once; the means of the recipe are still those of its groups.
    Passes are recorded by default where they fit as they are, and make them no smaller.
    A run that goes on keeps the groups of its means, also with another memory.

    Returns:
        (the configuration, bytes of the device that decided; 0: none did).
    """
    world, whole = Topology.from_environment().world, config.global_batch_size
    wanted, yields = config.micro_batch_size, is_preset(origins.get("micro_batch_size"))
    memory = adapter.device_memory() if yields or not wanted else 0
    wanted = fitting_size(config, records, world, memory, held) or wanted
    size = micro_batch_size(whole, wanted, world, yields)
    group = 0
    if config.mlm_normalisation == "micro_batch":
        yields = is_preset(origins.get("mlm_group"))
        before = (begun or {}).get("mlm_group") if memory else 0
        wanted = config.mlm_group or before or size
        group = micro_batch_size(whole, wanted, world, yields, "--mlm-group")
    return replace(config, micro_batch_size=size, mlm_group=group), memory


def _settled(
    config: PretrainConfig,
    adapter: Adapter,
    steps: int,
    origins: Mapping[str, str],
    begun: Mapping[str, Any] | None,
) -> PretrainConfig:
    """The configuration with what follows from the machine and the number of steps."""
    hidden_size = config.model.hidden_size
    layout = adapter.caps.layout(config.layout)
    window = config.bucket_window
    if adapter.caps.one_batch and origins.get("bucket_window", "default") == "default":
        window = _STEPS_OF_WINDOW
    return replace(
        config,
        max_steps=steps,
        # Stages say themselves how the rate rises.
        warmup_steps=config.warmup_steps if config.stage else config.warmup(steps),
        epochs=None,
        backend=adapter.caps.name,
        layout=layout,
        bucket_window=window if layout == "bucketed" else 0,
        precision=chosen_precision(adapter, config.precision, hidden_size, begun),
    )


def _valid_plan(config: PretrainConfig, shape: StepShape, adapter: Adapter) -> StepPlan:
    """What one step computes.

    Raises:
        ConfigError: the machine cannot.
    """
    plan = make_step_plan(config, shape, config.model, options_of(config, config.backend))
    refuse(adapter.validate(plan, optimizer_spec(config)))
    return plan


def _with_chosen_options(
    config: PretrainConfig,
    adapter: Adapter,
    records: UsualRecords,
    plan: StepPlan,
    before: Mapping[str, Any] | None,
    dry_run: bool,
) -> PretrainConfig:
    """The configuration with what the machine chooses for a run of this size."""
    name, settle = adapter.caps.name, getattr(adapter, "settled_options", None)
    if settle is None:
        return config
    step = usual_step(config, records)
    share = config.micro_size / config.global_batch_size
    operations = config.max_steps * step.operations / Topology.from_environment().world
    size = RunSize(
        steps=config.max_steps,
        operations=operations,
        rows=round(step.rows * share),
        predictions=step.predictions * share,
        longest=records.longest,
        precision=config.precision,
        model=config.model,
        before=before,
        planned_only=dry_run,
        plan=plan,
        optimizer=optimizer_spec(config),
        memory_recorded=recorded_memory(config, records),
    )
    return replace(config, **{name: settle(options_of(config, name), size)})


def check_lengths(source: SampleSource, shape: BertConfig) -> None:
    """Records must not be longer than the model's positions.

    Raises:
        ConfigError: they are; names both.
    """
    if source.max_seq_length > shape.max_position_embeddings:
        raise ConfigError(
            f"the records have max_seq_length {source.max_seq_length}, the model's"
            f" max_position_embeddings is {shape.max_position_embeddings}",
            "make shorter records (`bertkit make-records --max-seq-length N`), or take a model with"
            " more positions",
        )


def check_objectives(sources: Sequence[SampleSource]) -> None:
    """The labels of all pairs must mean the same.

    Raises:
        ConfigError: some tell of next sentences, others of the order of two.
    """
    if len(frozenset[str]().union(*(source.pair_objectives for source in sources))) > 1:
        raise ConfigError(
            "some of the records were made with --objective nsp, others with --objective sop: one"
            " head cannot learn both, nor be measured on the other",
            "give records of one kind, or --no-nsp to train masked LM alone",
        )


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
