"""`bertkit predict`: answers a question about a passage."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from typing import Any

import click

from bertkit import files
from bertkit.commands import options
from bertkit.tasks.squad.config import PredictConfig, settings_of_run

_SHOWN = 5


@click.command()
@click.option("--question", metavar="TEXT", help="Question to answer.")
@click.option(
    "--passage", metavar="TEXT", help="Text to find the answer in; @FILE reads it from a file."
)
@options.config_options(PredictConfig)
@options.common_options
def command(question: str | None, passage: str | None, as_json: bool, **given: Any) -> None:
    """Answer a question about a passage with a model fine-tuned on SQuAD.

    Without --question and --passage, questions are read from standard input as JSON lines
    with "question", "passage" and, optionally, "id". Sequence lengths and other settings are
    taken from the bertkit run that fine-tuned the model, if there was one.

    \b
    Example:
      bertkit predict --init-checkpoint runs/squad --question "Who built the bridge?" \\
        --passage "The bridge in London was built by the old king."
      bertkit predict --init-checkpoint runs/squad --json < questions.jsonl
    """
    options.fetch_checkpoint(given)
    below = settings_of_run(given.get("init_checkpoint"))
    found = options.resolved(PredictConfig, given, below=below)
    config = options.with_local_checkpoint(found).config
    if (question is None) != (passage is None):
        raise click.UsageError("--question and --passage must be given together")
    from bertkit import log
    from bertkit.backends import registry
    from bertkit.files import open_binary
    from bertkit.tasks.squad.predict import one_question, predict, read_question_lines

    if question is None or passage is None:
        if sys.stdin.isatty():
            raise click.UsageError("give --question and --passage, or JSON lines on standard input")
        lines = sys.stdin.buffer.read().decode("utf-8-sig", "replace").split("\n")
        questions = read_question_lines(lines, "standard input")
    else:
        if passage.startswith("@"):
            with open_binary(passage[1:]) as stream:
                passage = stream.read().decode("utf-8-sig", "replace")
        questions = [one_question(_utf8(question), _utf8(passage))]
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
    following = f"bertkit finetune-squad --output {config.init_checkpoint} --predict-file DEV.json"
    options.finish(asdict(result), as_json, text, following)


def _utf8(text: str) -> str:
    """A word of the command line as UTF-8, whatever the locale made of its bytes."""
    return os.fsencode(text).decode("utf-8", "replace") if not files.is_utf8(text) else text
