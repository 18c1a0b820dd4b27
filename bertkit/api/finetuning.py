"""Public functions that fine-tune an encoder and predict with it."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from bertkit.api.arguments import (
    Config,
    Place,
    layers_of,
    path,
    refuse_seeds,
    resolved,
    values_of,
)

if TYPE_CHECKING:
    from bertkit.configuration.config import Resolved
    from bertkit.tasks.comparison.seeds import SeedsResult
    from bertkit.tasks.finetuning.predict import PredictResult
    from bertkit.tasks.finetuning.run import FinetuneResult
    from bertkit.tasks.squad.finetune import SquadResult

SQUAD = "squad"  # what `finetune_seeds` calls question answering
# A text, a pair of texts, or an object in the form of the task.
Example = str | tuple[str, str] | Mapping[str, Any]


def finetune(
    inputs: Place | None,
    output: Place,
    config: Config = None,
    *,
    task: str | None = None,
    preset: str | None = None,
    overwrite: bool = False,
    **settings: Any,
) -> FinetuneResult:
    """Fine-tune an encoder on your own examples; score it, predict with it.

    The same call on the same folder resumes.

    Args:
        inputs: File of examples to train on; None: only score or predict, with the model that
            was trained in `output` or that the setting `init_checkpoint` names.
        output: The run's folder: settings, metrics, checkpoints, scores and predictions.
        config: Settings: a mapping, a YAML file, or the dataclass of the task, such as
            `ClassifyConfig`.
        task: `classify`, `regress`, `tag` or `summarise`; not needed where `config`, the preset
            or the model says it.
        preset: A shipped recipe to start from, see `presets("finetune")`.
        overwrite: Replace what another run left in the folder.
        **settings: Single settings by name: `init_checkpoint`, `eval_file`, `predict_file`,
            `text_column`, `epochs` and so on.

    Returns:
        The scores, and the files that were written.

    Raises:
        DataError: Missing or broken files, or the folder belongs to another run.
        ConfigError: A wrong, unknown or contradicting setting.
        UsageError: No task is named, or there is no such one.
        StoppedError: Stopped by a signal or `steps_this_run`; everything is saved.

    Example:
        >>> result = bertkit.finetune(
        ...     "data/raw/topics/train.tsv", "runs/topics", task="classify",
        ...     init_checkpoint="runs/tiny", eval_file="data/raw/topics/dev.tsv",
        ...     max_seq_length=32, epochs=0.2,
        ... )
        >>> sorted(result.scores)[0], result.output
        ('accuracy', 'runs/topics')
    """
    from bertkit.backends import registry
    from bertkit.errors import UsageError
    from bertkit.tasks.finetuning.run import finetune as work

    if task == SQUAD:
        raise UsageError(
            "questions are learnt by a function of their own", "bertkit.finetune_squad"
        )
    found = _settings(inputs, output, config, task=task, preset=preset, settings=settings)
    refuse_seeds(found.config)
    with registry.get(found.config.backend) as adapter:
        return work(found.config, adapter, overwrite)


def finetune_squad(
    inputs: Place | None,
    output: Place,
    config: Config = None,
    *,
    preset: str | None = None,
    overwrite: bool = False,
    **settings: Any,
) -> SquadResult:
    """Train, predict and score question answering on SQuAD files.

    The same call on the same folder resumes.

    Args:
        inputs: Questions to train on, SQuAD JSON; None: only answer, with the model that was
            trained in `output` or that the setting `init_checkpoint` names.
        output: The run's folder: settings, metrics, checkpoints, answers and scores.
        config: Settings: a mapping, a YAML file, another system's file, or a `SquadConfig`.
        preset: A shipped recipe to start from, see `presets("finetune-squad")`.
        overwrite: Replace what another run left in the folder.
        **settings: Single settings by name: `init_checkpoint`, `predict_file`, `epochs` and so
            on.

    Returns:
        The scores, and the files that were written.

    Raises:
        DataError: Missing or broken files, or the folder belongs to another run.
        ConfigError: A wrong, unknown or contradicting setting.
        StoppedError: Stopped by a signal or `steps_this_run`; everything is saved.

    Example:
        >>> result = bertkit.finetune_squad(
        ...     "data/raw/squad/train.json", "runs/squad", init_checkpoint="runs/tiny",
        ...     predict_file="data/raw/squad/dev.json", max_seq_length=128, max_query_length=24,
        ...     epochs=1,
        ... )
        >>> sorted(result.scores)[:2]
        ['exact_match', 'f1']
    """
    from bertkit.backends import registry
    from bertkit.tasks.squad.finetune import finetune as work

    found = _settings(inputs, output, config, task=SQUAD, preset=preset, settings=settings)
    refuse_seeds(found.config)
    with registry.get(found.config.backend) as adapter:
        return work(found.config, adapter, overwrite)


def finetune_seeds(
    inputs: Place,
    output: Place,
    config: Config = None,
    *,
    seeds: int | Iterable[int] = 5,
    task: str | None = None,
    preset: str | None = None,
    overwrite: bool = False,
    **settings: Any,
) -> SeedsResult:
    """Fine-tune and score once per seed, and sum the scores up.

    The same call on the same folder goes on with the seeds that are missing.

    Args:
        inputs: File of examples to train on.
        output: Folder with one run per seed, `seed-N`, and `seeds.json`.
        config: Settings: a mapping, a YAML file, or the dataclass of the task.
        seeds: How many, 1, 2, 3, ...; or the seeds themselves.
        task: As of `finetune`; or `squad`, which learns as `finetune_squad` does.
        preset: A shipped recipe to start from, see `presets("finetune")`.
        overwrite: Replace what another run left in the folder.
        **settings: Single settings by name; a file to score on is needed: `eval_file`, or
            `predict_file` of questions.

    Returns:
        The result of each run, None for those that were scored before; and in `comparison`
        mean, deviation, median, best and worst of each score.

    Raises:
        DataError: Missing or broken files, or a folder belongs to another run.
        ConfigError: A wrong, unknown or contradicting setting, or the folder holds a single run.
        UsageError: No seed is named, or nothing to score on.
        StoppedError: Stopped by a signal or `steps_this_run`; everything is saved.

    Example:
        >>> found = bertkit.finetune_seeds(
        ...     "data/raw/topics/train.tsv", "runs/seeds", seeds=[3, 4], task="classify",
        ...     init_checkpoint="runs/tiny", eval_file="data/raw/topics/dev.tsv",
        ...     max_seq_length=32, max_steps=2,
        ... )
        >>> found.seeds, found.comparison.rows[0].cells[0].n
        ([3, 4], 2)
    """
    from bertkit.backends import registry
    from bertkit.tasks.comparison.seeds import run_seeds
    from bertkit.tasks.finetuning.run import finetune as learn
    from bertkit.tasks.squad.finetune import finetune as learn_answers

    given = {**settings, "seeds": _seeds(seeds)}
    found = _settings(inputs, output, config, task=task, preset=preset, settings=given)
    work = learn_answers if task == SQUAD else learn

    def run(one: Any) -> Any:
        with registry.get(one.backend) as adapter:
            return work(one, adapter, overwrite)

    return run_seeds(found, run)


def predict(
    inputs: Example | Iterable[Example],
    checkpoint: Place,
    config: Config = None,
    **settings: Any,
) -> PredictResult:
    """Label texts, or answer questions, with a fine-tuned model.

    What it does is decided by the model. Sequence lengths and other settings are those of the
    run that fine-tuned it, if bertkit did.

    Args:
        inputs: A text, a pair of texts, or a mapping, or several of these. Mappings have `text`
            and, for pairs, `pair`; or `question` and `passage`; or the names of the training
            file's columns; and `id` if wanted.
        checkpoint: A fine-tuned model: a run, or a checkpoint in any format.
        config: Settings: a mapping, a YAML file, or the dataclass of the task.
        **settings: Single settings by name, such as `max_seq_length=64`.

    Returns:
        An answer per input, in `answers`.

    Raises:
        DataError: No such model, or inputs of another form; numbers the input.
        ConfigError: The model was not fine-tuned, or a wrong setting.

    Example:
        >>> result = bertkit.predict(["The if statement.", "A class."], "runs/topics")
        >>> [sorted(answer) for answer in result.answers]
        [['label', 'probabilities'], ['label', 'probabilities']]
        >>> result = bertkit.predict(
        ...     {"question": "What is it?", "passage": "It is a list."}, "runs/squad",
        ... )
        >>> sorted(result.answers[0])
        ['answer', 'id', 'nbest', 'probability', 'question']
    """
    from bertkit.backends import registry
    from bertkit.codecs.strict_json import json_text
    from bertkit.model.checkpoints.places import local_checkpoint
    from bertkit.tasks.finetuning.choice import predicting_config
    from bertkit.tasks.finetuning.predict import predict as label
    from bertkit.tasks.finetuning.predict import read_lines, settings_of_model

    several = [inputs] if isinstance(inputs, (str, tuple, Mapping)) else list(inputs)
    entries = [_entry(item) for item in several]
    lines = [json_text(entry) for entry in entries]
    place = local_checkpoint(path(checkpoint))
    model = settings_of_model(place)
    own = {"init_checkpoint": place}
    if not model and any("question" in entry for entry in entries):
        return _answers(lines, own, config, settings)
    kind, below = predicting_config(model, {**settings, **own})
    found = resolved(kind, config, settings, own, below=below).config
    with registry.get(found.backend) as adapter:
        return label(found, read_lines(lines, "inputs"), adapter)


def _answers(
    lines: list[str], own: dict[str, Any], config: Config, settings: dict[str, Any]
) -> PredictResult:
    """Questions, with a model that finds answers in passages."""
    from bertkit.backends import registry
    from bertkit.tasks.squad.config import PredictConfig, settings_of_run
    from bertkit.tasks.squad.predict import predict as answer
    from bertkit.tasks.squad.predict import read_question_lines

    below = settings_of_run(own["init_checkpoint"])
    found = resolved(PredictConfig, config, settings, own, below=below).config
    with registry.get(found.backend) as adapter:
        return answer(found, read_question_lines(lines, "inputs"), adapter)


def _entry(item: Example) -> dict[str, Any]:
    """An input as the object of a line of `bertkit predict`."""
    from bertkit.errors import UsageError

    if isinstance(item, str):
        return {"text": item}
    if isinstance(item, Mapping):
        return dict(item)
    if isinstance(item, tuple) and len(item) == 2:
        return {"text": item[0], "pair": item[1]}
    raise UsageError(
        f"cannot predict a {type(item).__name__}",
        'give a text, a pair of texts, or a mapping such as {"question": "...", "passage": "..."}',
    )


def _settings(
    inputs: Place | None,
    output: Place,
    config: Config,
    *,
    task: str | None,
    preset: str | None,
    settings: dict[str, Any],
) -> Resolved[Any]:
    """The settings of a task, or of question answering, as its command settles them."""
    from bertkit.external_configs.detect import translate_file
    from bertkit.external_configs.translation import FINETUNE_SQUAD
    from bertkit.model.checkpoints.places import with_local_checkpoint
    from bertkit.tasks.finetuning import choice
    from bertkit.tasks.finetuning.config import FinetuneConfig, settings_of_run
    from bertkit.tasks.squad.config import SquadConfig
    from bertkit.tasks.squad.config import settings_of_run as settings_of_answers

    answers = task == SQUAD
    command = FINETUNE_SQUAD if answers else "finetune"
    translate = functools.partial(translate_file, command=command)
    own = _own(inputs, output, settings) | ({} if answers or task is None else {"task": task})
    known: Any = SquadConfig if answers else FinetuneConfig
    values = values_of(layers_of(known, config, preset=preset, translate_file=translate)[0])
    kind: Any = type(config) if isinstance(config, known) else None
    if kind is None:
        kind = known if answers else choice.chosen_config({**settings, **own}, preset, values)
    trains = inputs is not None or values.get("train_file")
    place = settings.get("init_checkpoint") or values.get("init_checkpoint") or own["output"]
    # A preset of `finetune` says the task's settings; those of questions only how to learn.
    said = trains or (preset and not answers)
    below: list[Any] = []
    if not said:
        below = settings_of_answers(place) if answers else settings_of_run(place, kind.of_the_run)
    return with_local_checkpoint(
        resolved(kind, config, settings, own, preset=preset, below=below, translate_file=translate)
    )


def _own(inputs: Place | None, output: Place, settings: dict[str, Any]) -> dict[str, Any]:
    """What the arguments themselves say; a checkpoint that lies elsewhere is fetched."""
    from bertkit.model.checkpoints.places import local_checkpoint

    if settings.get("init_checkpoint"):
        settings["init_checkpoint"] = local_checkpoint(path(settings["init_checkpoint"]))
    return {"output": path(output), **({} if inputs is None else {"train_file": path(inputs)})}


def _seeds(given: int | Iterable[int]) -> str:
    """Seeds as the setting has them: a number of seeds, or a list with a comma in it."""
    from bertkit.errors import UsageError

    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    several = [] if isinstance(given, (str, bool)) else list(given)
    if not several or not all(isinstance(seed, int) for seed in several):
        raise UsageError(
            f"seeds: {given!r} is neither a number nor a list", "seeds=5, seeds=[7, 11]"
        )
    return "".join(f"{seed}," for seed in several)
