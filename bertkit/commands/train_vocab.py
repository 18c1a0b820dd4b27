"""`bertkit train-vocab`: trains a WordPiece vocabulary on text."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from bertkit.command_line import next_step
from bertkit.commands import copy_plan, options
from bertkit.configuration.option_groups import TEXT
from bertkit.tokenization.word_length import LONGEST


@options.command()
@options.input_option(
    "Text in UTF-8, also compressed or remote; its line structure does not matter."
)
@options.output_option("Vocabulary file to write, one token per line.")
@options.count_option(
    "--size",
    30_528,
    "Tokens; a multiple of 8 is fastest on accelerators.",
    minimum=16,
    group=TEXT,
    first=True,
)
@options.option(
    "--do-lower-case/--cased",
    default=True,
    help="Lower-case the text, and strip its accents unless --keep-accents is given.  "
    "[default: on]",
    group=TEXT,
    first=True,
)
@options.option(
    "--strip-accents/--keep-accents",
    default=None,
    help="Strip accents.  [default: with lower-casing]",
    group=TEXT,
    first=True,
)
@options.option(
    "--tokenize-chinese-chars/--no-tokenize-chinese-chars",
    default=True,
    help="Make every CJK ideograph a word of its own.  [default: on]",
    group=TEXT,
    first=True,
)
@options.count_option(
    "--min-frequency",
    2,
    "Merge only pairs that occur at least this often.",
    minimum=1,
    group=TEXT,
    first=True,
)
@options.option(
    "--alphabet",
    metavar="N|SHARE%",
    help="Characters to keep: the N most frequent, or as many as make up a share of the text. "
    "Words with other characters become [UNK].  [default: 99.95%, and at least 1,000]",
    group=TEXT,
    first=True,
    example="99.9%",
)
@options.option(
    "--word-length",
    type=click.IntRange(min=1, max=LONGEST),
    metavar="N",
    help="Letters of the longest word that is not [UNK], for sequences such as DNA, proteins or "
    "code; noted beside the vocabulary for all who use it.  [default: 200]",
    group=TEXT,
)
@options.pool_options
@options.overwrite_option
@copy_plan.dry_run_option
@options.common_options
def command(
    inputs: tuple[str, ...],
    output: str,
    size: int,
    do_lower_case: bool,
    strip_accents: bool | None,
    tokenize_chinese_chars: bool,
    min_frequency: int,
    alphabet: str | None,
    word_length: int | None,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Train a WordPiece vocabulary on text.

    The same text and settings give the same bytes on every run. How the text was treated is
    noted in a file beside the vocabulary, OUTPUT.json, which the other commands read. For
    languages with letters such as ç, ğ and ạ give --keep-accents. At the end it says how much
    of the text is [UNK], and of text it has not seen, measured on lines held out. Memory is
    bounded: of more than 2 million different words the rarest are not counted.

    \b
    Example:
      bertkit train-vocab --input data/split/train --output vocab.txt --size 30528
    """
    from bertkit.corpus.raw_file import open_source
    from bertkit.remote.copies import local_inputs
    from bertkit.storage.files import is_remote
    from bertkit.storage.input_files import expand_inputs
    from bertkit.text.unsplit import is_raw
    from bertkit.tokenization.normalisation import Normalisation
    from bertkit.tokenization.training.alphabet import Wanted, parse_wanted
    from bertkit.tokenization.vocabulary_training import deciding, state_of_output, train_vocab
    from bertkit.workers.engine import Engine

    settings: dict[str, Any] = {
        "size": size,
        "normalisation": Normalisation(do_lower_case, strip_accents, tokenize_chinese_chars),
        "min_frequency": min_frequency,
        "alphabet": parse_wanted(alphabet) if alphabet else Wanted(),
        "word_length": word_length,
    }
    if dry_run:
        state = ""
        if not any(map(is_remote, inputs)):
            names = expand_inputs(inputs, leave_out=[output], texts=True)
            state = state_of_output(names, output, deciding(**settings), overwrite, Engine(**given))
        copy_plan.finish(inputs, as_json, state)
        return
    names = expand_inputs(local_inputs(inputs), leave_out=[output], texts=True)
    result = train_vocab(
        names, output, overwrite=overwrite, opener=open_source, **settings, **given
    )
    following = next_step.after_train_vocab(inputs, output, raw=is_raw(names))
    values = {"output": result.path, **dataclasses.asdict(result)}
    treatment = settings["normalisation"].text()
    options.finish(values, as_json, f"{result.summary}; {treatment}", following)
