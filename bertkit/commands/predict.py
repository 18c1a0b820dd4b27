"""`bertkit predict`: answers questions and labels texts with a fine-tuned model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from bertkit import log
from bertkit.codecs.strict_json import json_text
from bertkit.command_line.typed_texts import read_typed, standard_lines
from bertkit.commands import options
from bertkit.configuration.option_groups import DATA
from bertkit.model.checkpoints.places import fetch_checkpoint, with_local_checkpoint
from bertkit.tasks.finetuning.choice import predicting_config, require_answers
from bertkit.tasks.squad.config import PredictConfig
from bertkit.tasks.squad.config import settings_of_run as settings_of_squad

_SHOWN = 5


@options.command()
@options.option(
    "--question",
    metavar="TEXT",
    help="Question to answer.",
    group=DATA,
    first=True,
    example="Who built the bridge?",
)
@options.option(
    "--passage",
    metavar="TEXT",
    help="Text to find the answer in; @FILE reads it from a file, - from standard input.",
    group=DATA,
    first=True,
    example="@passage.txt",
)
@options.option(
    "--text",
    metavar="TEXT",
    help="Text to label; @FILE reads it from a file, - from standard input.",
    group=DATA,
    first=True,
    example="What a film!",
)
@options.option(
    "--pair",
    metavar="TEXT",
    help="Second text of a pair; @FILE reads it from a file, - from standard input.",
    group=DATA,
    first=True,
    example="@second.txt",
)
@options.config_options(PredictConfig)
@options.common_options
def command(
    question: str | None,
    passage: str | None,
    text: str | None,
    pair: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Answer a question, or label a text, with a fine-tuned model.

    What it does is decided by the model. Without --question and --passage, or --text, JSON lines
    are read from standard input: objects with "question", "passage"; with "text" and, for pairs,
    "pair"; or in the form of the task; and, optionally, "id". Labels come out as JSON lines.
    Sequence lengths and other settings are taken from the bertkit run that fine-tuned the model,
    if there was one.

    \b
    Example:
      bertkit predict --init-checkpoint runs/squad --question "Who built the bridge?" \\
        --passage "The bridge in London was built by the old king."
      bertkit predict --init-checkpoint runs/reviews --text "What a film!"
      bertkit predict --init-checkpoint runs/reviews < texts.jsonl > labels.jsonl
    """
    fetch_checkpoint(given)
    if (question is None) != (passage is None):
        raise click.UsageError("--question and --passage must be given together")
    if pair is not None and text is None:
        raise click.UsageError("--pair needs --text")
    if text is not None and question is not None:
        raise click.UsageError("--text and --question exclude each other")
    typed = {"question": question, "passage": passage, "text": text, "pair": pair}
    given_words = {name: word for name, word in typed.items() if word is not None}
    words = read_typed(given_words, literal=("question",))
    if question is not None and given.get("init_checkpoint"):
        require_answers(given["init_checkpoint"])
    model = _model(given) if question is None else {}
    if not model and text is None:
        _answer(words, as_json, given)
    else:
        _predict(model, words, as_json, given)


def _model(given: dict[str, Any]) -> dict[str, Any]:
    place = given.get("init_checkpoint")
    if not place:
        return {}
    from bertkit.tasks.finetuning.predict import settings_of_model

    return settings_of_model(place)


def _predict(
    model: dict[str, Any], words: dict[str, str], as_json: bool, given: dict[str, Any]
) -> None:
    """Say what a model of a task of `finetune` says."""
    kind, below = predicting_config(model, given)
    found = options.resolved(kind, given, below=below)
    config = with_local_checkpoint(found).config
    from bertkit.backends import registry
    from bertkit.tasks.finetuning.answer_text import answer_text
    from bertkit.tasks.finetuning.predict import predict, read_lines

    single = bool(words)
    lines = (
        [("--text", words)] if single else read_lines(standard_lines("--text"), "standard input")
    )
    with registry.get(config.backend) as adapter:
        result = predict(config, lines, adapter)
    if single:
        shown = [answer_text(answer) for answer in result.answers]
    else:
        shown = [json_text(answer, readable=True) for answer in result.answers]
    options.finish(asdict(result), as_json, "\n".join(shown))


def _answer(words: dict[str, str], as_json: bool, given: dict[str, Any]) -> None:
    """Answer questions."""
    below = settings_of_squad(given.get("init_checkpoint"))
    found = options.resolved(PredictConfig, given, below=below)
    config = with_local_checkpoint(found).config
    from bertkit.backends import registry
    from bertkit.tasks.squad.predict import one_question, predict, read_question_lines

    if words:
        questions = [one_question(words["question"], words["passage"])]
    else:
        wanted = "--question and --passage"
        questions = read_question_lines(standard_lines(wanted), "standard input")
    with registry.get(config.backend) as adapter:
        result = predict(config, questions, adapter)
    if len(result.answers) == 1:
        best = result.answers[0]
        rows = [(f"{row['probability']:.4f}", row["text"]) for row in best["nbest"][:_SHOWN]]
        text = f"{best['answer'] or '(no answer)'}\n\n{log.table(('probability', 'text'), rows)}"
    else:
        several = [
            (row["id"], f"{row['probability']:.4f}", row["answer"] or "(no answer)")
            for row in result.answers
        ]
        text = log.table(("id", "probability", "answer"), several)
    options.finish(asdict(result), as_json, text)
