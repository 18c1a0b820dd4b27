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
    help="Lower-case the text, and strip its accents unless --keep-accents is given.  "
    "[default: on]",
)
@click.option(
    "--strip-accents/--keep-accents",
    default=None,
    help="Strip accents.  [default: with lower-casing]",
)
@click.option(
    "--tokenize-chinese-chars/--no-tokenize-chinese-chars",
    default=True,
    help="Make every CJK ideograph a word of its own.  [default: on]",
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
    strip_accents: bool | None,
    tokenize_chinese_chars: bool,
    min_frequency: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Train a WordPiece vocabulary on text.

    The same text and settings give the same bytes on every run. How the text was treated is
    noted in a file beside the vocabulary, OUTPUT.json, which the other commands read. For
    languages with letters such as ç, ğ and ạ give --keep-accents.

    \b
    Example:
      bertkit train-vocab --input data/split/train --output vocab.txt --size 30528
    """
    from bertkit import files
    from bertkit.input_files import expand_inputs
    from bertkit.tokenization.normalisation import Normalisation
    from bertkit.tokenization.vocabulary_training import train_vocab

    names = expand_inputs(inputs, leave_out=[output])
    result = train_vocab(
        names,
        output,
        size=size,
        normalisation=Normalisation(do_lower_case, strip_accents, tokenize_chinese_chars),
        min_frequency=min_frequency,
        overwrite=overwrite,
    )
    text = (
        f"{result.tokens:,} tokens from {files.human_bytes(result.bytes_read)} of text "
        f"in {result.path} ({result.seconds:.1f} s)"
    )
    following = (
        f"bertkit make-records --input data/split/train --output data/records --vocab {output}"
    )
    options.finish(dataclasses.asdict(result), as_json, text, following)
