"""`bertkit convert`: a checkpoint of any program in, one for another program out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from bertkit.commands import options
from bertkit.errors import UsageError


@click.command()
@click.argument("source", metavar="INPUT")
@click.option("--output", "-o", metavar="PATH", help="Folder to write; not needed with --check.")
@click.option(
    "--to",
    type=click.Choice(["hf", "nvidia"]),
    default="hf",
    show_default=True,
    help="hf: a folder for transformers; nvidia: ckpt_N.pt for NVIDIA's and Habana's programs.",
)
@click.option("--check", is_flag=True, help="Show every tensor: name, shape, where it goes, why.")
@click.option("--model-config", metavar="FILE", help="bert_config.json, if none lies beside INPUT.")
@click.option("--vocab", metavar="FILE", help="Vocabulary, if no vocab.txt lies beside INPUT.")
@click.option(
    "--do-lower-case/--cased",
    "lower_case",
    default=True,
    help="Whether the tokenizer lower-cases text.  [default: on]",
)
@click.option("--keep-optimizer", is_flag=True, help="Convert the moments of Adam or LAMB, too.")
@options.count_option(
    "--vocab-size",
    0,
    "Rows of the word embedding to write: cuts off padding, or adds it.  [default: as they are]",
    show=False,
)
@options.count_option(
    "--pad-vocab",
    0,
    "Round the rows up to a multiple of N; 0: 8 for nvidia, no padding for hf.",
    show=False,
)
@click.option(
    "--allow-missing",
    multiple=True,
    metavar="PATTERN",
    help="Tensors that may be absent, such as 'cls.seq_relationship.*'; repeatable.",
)
@click.option(
    "--allow-unexpected",
    multiple=True,
    metavar="PATTERN",
    help="Unknown tensors of INPUT that may be left out; repeatable.",
)
@click.option(
    "--license",
    "license_name",
    default="",
    metavar="ID",
    help="Licence of the weights for the model card, such as apache-2.0.",
)
@click.option(
    "--data-license",
    default="",
    metavar="TEXT",
    help="Licence of the training text for the model card.",
)
@options.overwrite_option
@options.common_options
def command(
    source: str, output: str | None, check: bool, overwrite: bool, as_json: bool, **given: Any
) -> None:
    """Convert a checkpoint of another program for transformers or NVIDIA's programs.

    INPUT: a folder of transformers or of Graphcore, the prefix of a TensorFlow 1 or 2
    checkpoint, NVIDIA's or Habana's ckpt_N.pt, Cerebras' .mdl, or a folder of one of these.

    \b
    Example:
      bertkit convert uncased_L-12_H-768_A-12/bert_model.ckpt --check
      bertkit convert uncased_L-12_H-768_A-12/bert_model.ckpt --output models/bert-base
      bertkit convert runs/phase2/step-0001000 --to nvidia --output models/for-habana
    """
    if not output and not check:
        raise UsageError("--output is missing", "give a folder to write, or --check")
    from bertkit.backends.sections import section_names
    from bertkit.model.checkpoints import export
    from bertkit.model.checkpoints.audit import require_whole

    # The options left are fields of `Wishes`, by name.
    wishes = export.Wishes(**given, backends=section_names())
    if output:
        result = export.convert(source, output, wishes, overwrite)
        following = f"bertkit finetune-squad --init-checkpoint {output} --help"
        next_step = following if wishes.to == "hf" else ""
        options.finish(asdict(result), as_json, result.text(check), next_step)
        return
    result, found = export.check(source, wishes)
    options.finish(asdict(result), as_json, result.text(True))
    require_whole(found, source, wishes.allow_missing, wishes.allow_unexpected)
