"""Public functions that pretrain an encoder and measure its checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bertkit.api.arguments import Config, Inputs, Place, path, paths, resolved
from bertkit.configuration.config import Layer

if TYPE_CHECKING:
    from bertkit.tasks.pretraining.evaluate import EvalResult
    from bertkit.tasks.pretraining.pretrain import PretrainResult

# Text is planned by this process alone unless more are asked for: a script without
# `if __name__ == "__main__":` cannot start processes.
ONE_PROCESS = Layer("default of the function", {"workers": 1})


def pretrain(
    inputs: Inputs,
    output: Place,
    config: Config = None,
    *,
    from_text: bool = False,
    preset: str | None = None,
    overwrite: bool = False,
    **settings: Any,
) -> PretrainResult:
    """Pretrain a BERT encoder with masked LM and next sentence prediction.

    The same call on the same folder resumes: on CPUs bit for bit, on GPUs with
    `cuda={"deterministic": True}`. SIGTERM saves and stops.

    Args:
        inputs: Training records: files, globs, folders or `@list.txt`; with `from_text`, sentence
            files.
        output: The run's folder: settings, metrics and checkpoints `step-…/`, which
            transformers can load.
        config: Settings: a mapping, a YAML file, another system's file, or a `PretrainConfig`.
        from_text: Train on sentence files without record files; needs the setting `vocab`.
        preset: A shipped recipe to start from, see `presets`.
        overwrite: Replace what another run left in the folder.
        **settings: Single settings by name, such as `max_steps=100`.

    Returns:
        The last checkpoint, the numbers of the last log line and evaluation, and the plan.

    Raises:
        DataError: Missing or broken data, or the folder belongs to another run.
        ConfigError: A wrong, unknown or contradicting setting, or one that the machine cannot do.
        StoppedError: Stopped by a signal or `steps_this_run`; everything is saved.
        TargetNotReachedError: No evaluation reached `target_mlm_accuracy`.

    Example:
        >>> result = bertkit.pretrain(
        ...     "data/records", "runs/tiny", preset="tiny", vocab="vocab.txt",
        ...     max_steps=20, global_batch_size=16, micro_batch_size=16,
        ... )
        >>> result.step, result.checkpoint
        (20, 'runs/tiny/step-0000020')
        >>> bertkit.pretrain("data/records", "runs/tiny", "runs/tiny/config.yaml").resumed_from
        20
    """
    from bertkit.backends import registry
    from bertkit.external_configs.detect import translate_file
    from bertkit.model.checkpoints.places import with_local_checkpoint
    from bertkit.tasks.pretraining.config import PretrainConfig
    from bertkit.tasks.pretraining.pretrain import pretrain as work

    own = {**samples_of(inputs, from_text), "output": path(output)}
    found = resolved(
        PretrainConfig,
        config,
        settings,
        own,
        preset=preset,
        below=[ONE_PROCESS],
        translate_file=translate_file,
    )
    found = with_local_checkpoint(found)
    with registry.get(found.config.backend) as adapter:
        return work(found.config, adapter, found.origins, overwrite)


def evaluate(
    inputs: Inputs,
    checkpoints: Inputs,
    config: Config = None,
    *,
    baseline: Inputs = (),
    **settings: Any,
) -> EvalResult:
    """Measure the masked LM and next sentence accuracy of checkpoints on held-out records.

    Args:
        inputs: Evaluation records: files, globs, folders or `@list.txt`.
        checkpoints: A checkpoint, a run (all its checkpoints), a glob, or several of these.
        config: Settings: a mapping, a YAML file or an `EvalConfig`.
        baseline: Training records: also report the accuracy of guessing by word frequency.
        **settings: Single settings by name, such as `batch_size=64`.

    Returns:
        The numbers of each checkpoint.

    Raises:
        DataError: Missing or broken data or checkpoints, or of another vocabulary.
        ConfigError: A wrong or unknown setting, or records that do not fit the model.
        TargetNotReachedError: The last checkpoint is below `min_mlm_accuracy`.

    Example:
        >>> found = bertkit.evaluate("data/records", "runs/tiny", limit=100)
        >>> [quality.step for quality in found.checkpoints], found.records
        ([20], 100)
    """
    from bertkit.backends import registry
    from bertkit.model.checkpoints.places import local_checkpoints
    from bertkit.tasks.pretraining.config import EvalConfig
    from bertkit.tasks.pretraining.evaluate import evaluate_checkpoints, require_target

    found = resolved(EvalConfig, config, settings).config
    places = local_checkpoints(paths(checkpoints))
    with registry.get(found.backend) as adapter:
        result = evaluate_checkpoints(
            found, paths(inputs), places, adapter, baseline_inputs=paths(baseline)
        )
    require_target(result, found.min_mlm_accuracy)
    return result


def samples_of(inputs: Inputs, from_text: bool) -> dict[str, list[str]]:
    """The settings that say what is trained on: records, or sentence files."""
    found = paths(inputs)
    return {"input": [] if from_text else found, "text": found if from_text else []}
