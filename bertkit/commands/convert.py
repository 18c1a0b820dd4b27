"""`bertkit convert`: converts a checkpoint for transformers, TensorFlow or NVIDIA's programs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from bertkit.command_line import next_step
from bertkit.command_line.values import Place
from bertkit.commands import options
from bertkit.configuration.option_groups import MODEL, OUTPUT, TEXT
from bertkit.errors import UsageError
from bertkit.model.checkpoints import formats
from bertkit.model.checkpoints.places import local_checkpoint
from bertkit.tasks.registry import FINETUNING

_READABLE = "; ".join(row.title for row in formats.all_formats())
_TARGETS = "; ".join(f"{row.name}: {row.target}" for row in formats.targets())
_MULTIPLES = ", ".join(
    f"{row.vocab_multiple} for {row.name}" for row in formats.targets() if row.vocab_multiple > 1
)
_HELP = f"""Convert a checkpoint for transformers, TensorFlow or NVIDIA's programs.

INPUT: a checkpoint, or a folder that holds one, in one of these formats. {_READABLE}. A
TensorFlow checkpoint is named by its prefix or by any of its files, a model of the hub by its name.
Of a run the best model is taken (best/) where fine-tuning kept one, or else the last checkpoint.

\b
Example:
  bertkit convert uncased_L-12_H-768_A-12/bert_model.ckpt --check
  bertkit convert uncased_L-12_H-768_A-12/bert_model.ckpt --output models/bert-base
  bertkit convert google-bert/bert-base-uncased --output models/bert-base
  bertkit convert runs/phase2/step-0001000 --to nvidia --output models/for-habana
  bertkit convert runs/phase2/step-0001000 --to tf1 --output models/for-google
"""


@options.command(help=_HELP)
@click.argument("source", metavar="INPUT", type=Place("RUN"))
@options.option(
    "--output",
    "-o",
    metavar="PATH",
    help="Folder to write; not needed with --check.",
    group=OUTPUT,
    first=True,
)
@options.option(
    "--to",
    type=click.Choice([row.name for row in formats.targets()]),
    default="hf",
    show_default=True,
    help=f"{_TARGETS}.",
    group=OUTPUT,
    first=True,
)
@options.option(
    "--check",
    is_flag=True,
    help="List every tensor: name, shape, where it goes and why.",
    group=OUTPUT,
    first=True,
)
@options.option(
    "--model-config",
    metavar="FILE",
    help="bert_config.json, if there is none beside INPUT.",
    group=MODEL,
    first=True,
)
@options.option(
    "--vocab",
    metavar="VOCAB",
    help="Vocabulary, if there is no vocab.txt beside INPUT.",
    group=TEXT,
    first=True,
)
@options.option(
    "--do-lower-case/--cased",
    default=None,
    help="Whether the tokenizer lower-cases text.  [default: as INPUT records]",
    group=TEXT,
    first=True,
)
@options.option(
    "--strip-accents/--keep-accents",
    default=None,
    help="Whether it strips accents.  [default: as INPUT records]",
    group=TEXT,
)
@options.option(
    "--tokenize-chinese-chars/--no-tokenize-chinese-chars",
    default=None,
    help="Whether every CJK ideograph is a word of its own.  [default: as INPUT records]",
    group=TEXT,
)
@options.option(
    "--allow-other-vocab",
    is_flag=True,
    help="Take a vocabulary that is not INPUT's, whose tokens were changed on purpose.",
    group=TEXT,
)
@options.option(
    "--keep-optimizer",
    is_flag=True,
    help="Also convert the moments of Adam or LAMB.",
    group=MODEL,
    first=True,
)
@options.count_option(
    "--vocab-size",
    0,
    "Rows of the word embedding to write: cuts off padding, or adds it.  [default: as they are]",
    show=False,
    group=MODEL,
)
@options.count_option(
    "--pad-vocab",
    0,
    f"Round the rows up to a multiple of N; 0: {_MULTIPLES}, no padding for others.",
    show=False,
    group=MODEL,
)
@options.option(
    "--allow-missing",
    multiple=True,
    metavar="PATTERN",
    help="Tensors that may be absent, such as 'cls.seq_relationship.*'; repeatable.",
    group=MODEL,
    first=True,
    example="cls.seq_relationship.*",
)
@options.option(
    "--allow-unexpected",
    multiple=True,
    metavar="PATTERN",
    help="Tensors that may be left out: unknown ones of INPUT, and those that --to has no place "
    "for; repeatable.",
    group=MODEL,
    example="cls.predictions.*",
)
@options.card_options
@options.overwrite_option
@options.common_options
def command(
    source: str, output: str | None, check: bool, overwrite: bool, as_json: bool, **given: Any
) -> None:
    """Convert a checkpoint, or show what became of its tensors."""
    if not output and not check:
        raise UsageError("--output is missing", "give a folder to write, or --check")
    source = local_checkpoint(source)
    from bertkit.backends.sections import section_names
    from bertkit.model.checkpoints import convert
    from bertkit.model.checkpoints.completeness import require_complete_checkpoint
    from bertkit.model.config import NAME, read_config
    from bertkit.model.model_types import PRETRAINING, QUESTION_ANSWERING, class_of_config

    # The options left are fields of `ConvertOptions`, by name.
    wanted = convert.ConvertOptions(**given, backends=section_names())
    if output:
        result = convert.convert(source, output, wanted, overwrite)
        following = next_step.command("convert", output, "--check")
        kind = class_of_config(read_config(Path(output, NAME))) if wanted.to == "hf" else ""
        if kind == QUESTION_ANSWERING:
            following = next_step.questions(output)
        elif kind == PRETRAINING:
            following = next_step.after_pretraining(output)
        elif any(row.model == kind for row in FINETUNING):
            ask = ["--init-checkpoint", output, "--text", "A sentence of your own."]
            following = next_step.command("predict", *ask)
        options.finish(asdict(result), as_json, result.text(check), following)
        return
    result, found = convert.check(source, wanted)
    options.finish(asdict(result), as_json, result.text(True))
    require_complete_checkpoint(found, source, wanted.allow_missing, wanted.allow_unexpected)
