"""`bertkit convert`: checkpoints from any form into another."""

from __future__ import annotations

from dataclasses import asdict

import click

from bertkit.commands import options
from bertkit.errors import UsageError


@click.command()
@click.argument("source", metavar="INPUT")
@click.option("--output", "-o", metavar="PATH", help="Folder to write; not needed with --check.")
@click.option(
    "--to", type=click.Choice(["hf", "nvidia"]), default="hf", show_default=True,
    help="hf: a folder for transformers; nvidia: ckpt_N.pt for NVIDIA's and Habana's programs.",
)  # fmt: skip
@click.option("--check", is_flag=True, help="Show every tensor: name, shape, where it goes, why.")
@click.option("--model-config", metavar="FILE", help="bert_config.json, if none lies beside INPUT.")
@click.option("--vocab", metavar="FILE", help="Vocabulary, if no vocab.txt lies beside INPUT.")
@click.option(
    "--do-lower-case/--cased", "lower_case", default=True, help="What the tokenizer does."
)
@click.option("--keep-optimizer", is_flag=True, help="Take the moments of Adam or LAMB, too.")
@click.option(
    "--vocab-size", type=click.IntRange(min=0), default=0, metavar="N",
    help="Rows of the word embedding to write: cut off padding, or add some.",
)  # fmt: skip
@click.option(
    "--pad-vocab", type=click.IntRange(min=0), default=0, metavar="N",
    help="Round the rows up to a multiple; 0: 8 for nvidia, none for hf.",
)  # fmt: skip
@click.option(
    "--allow-missing", multiple=True, metavar="PATTERN",
    help="Tensors that may be absent, such as 'cls.seq_relationship.*'; repeatable.",
)  # fmt: skip
@click.option(
    "--allow-unexpected", multiple=True, metavar="PATTERN",
    help="Tensors of INPUT that may be left out unknown; repeatable.",
)  # fmt: skip
@click.option(
    "--license", "license_name", default="", metavar="ID",
    help="Licence of the weights for the model card, such as apache-2.0.",
)  # fmt: skip
@click.option(
    "--data-license", default="", metavar="TEXT",
    help="Licence of the training text for the model card.",
)  # fmt: skip
@options.overwrite_option
@options.common_options
def command(
    source: str, output: str | None, to: str, check: bool, model_config: str | None,
    vocab: str | None, lower_case: bool, keep_optimizer: bool, vocab_size: int, pad_vocab: int,
    allow_missing: tuple[str, ...], allow_unexpected: tuple[str, ...], license_name: str,
    data_license: str, overwrite: bool, as_json: bool,
) -> None:  # fmt: skip
    """Turn a checkpoint of any form into one for transformers or NVIDIA's programs.

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
    from bertkit.model.checkpoints import export
    from bertkit.model.checkpoints.audit import require_whole

    wishes = export.Wishes(
        to, model_config, vocab, lower_case, keep_optimizer, vocab_size, pad_vocab,
        allow_missing, allow_unexpected, license_name, data_license,
    )  # fmt: skip
    if output:
        result = export.convert(source, output, wishes, overwrite)
        following = f"bertkit finetune-squad --init-checkpoint {output} --help"
        options.finish(asdict(result), as_json, result.text(check), following if to == "hf" else "")
        return
    result, found = export.check(source, wishes)
    options.finish(asdict(result), as_json, result.text(True))
    require_whole(found, source, allow_missing, allow_unexpected)
