"""`bertkit train-vocab`: trains a WordPiece vocabulary on text."""

from __future__ import annotations

import dataclasses

import click

from bertkit.commands import options


@click.command()
@options.input_option("Text in UTF-8; its line structure does not matter.")
@options.output_option("Vocabulary file to write, one token per line.")
@options.count_option(
    "--size", 30_528, "Tokens; a multiple of 8 is fastest on accelerators.", minimum=16
)
@click.option(
    "--do-lower-case/--cased",
    default=True,
    help="Lower-case the text and strip accents.  [default: on]",
)
@options.count_option(
    "--min-frequency", 2, "Merge only pairs that occur at least this often.", minimum=1
)
@options.overwrite_option
@options.common_options
def command(
    inputs: tuple[str, ...],
    output: str,
    size: int,
    do_lower_case: bool,
    min_frequency: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Train a WordPiece vocabulary on text.

    The same text and settings give the same bytes on every run.

    \b
    Example:
      bertkit train-vocab --input data/split/train --output vocab.txt --size 30528
    """
    from bertkit import files
    from bertkit.tokenization.vocabulary_training import train_vocab

    names = files.expand_inputs(inputs)
    result = train_vocab(
        names,
        output,
        size=size,
        lower_case=do_lower_case,
        min_frequency=min_frequency,
        overwrite=overwrite,
    )
    text = (
        f"{result.tokens:,} tokens from {files.human_bytes(result.bytes_read)} of text "
        f"in {result.path} ({result.seconds:.1f} s)"
    )
    cased = "" if do_lower_case else " --cased"
    following = (
        "bertkit make-records --input data/split/train --output data/records "
        f"--vocab {output}{cased}"
    )
    options.finish(dataclasses.asdict(result), as_json, text, following)
