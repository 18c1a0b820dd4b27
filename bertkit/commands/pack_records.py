"""`bertkit pack-records`: packs existing record files, several sequences to a record."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from bertkit.command_line import next_step
from bertkit.commands import copy_plan, options
from bertkit.configuration.option_groups import OUTPUT, RECORDS
from bertkit.records.files.formats import HDF5, TFRECORD


@options.command()
@options.input_option("Record files, of any format and program.")
@options.output_option("Folder for the files of packs.")
@options.option(
    "--packing",
    type=click.Choice(["habana", "graphcore"]),
    default="habana",
    show_default=True,
    help="Whose packs: habana ([CLS] before each sequence), graphcore ([CLS] at the end).",
    group=RECORDS,
)
@options.option(
    "--format",
    type=click.Choice([HDF5, TFRECORD]),
    default=None,
    help="File format.  [default: hdf5 for habana, tfrecord for graphcore]",
    group=OUTPUT,
)
@options.count_option(
    "--sequences-per-pack", 3, "Maximum number of sequences per pack.", minimum=2, group=RECORDS
)
@options.workers_option
@options.overwrite_option
@copy_plan.dry_run_option
@options.common_options
def command(
    inputs: tuple[str, ...],
    output: str,
    workers: int,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Pack existing record files, several sequences to a record.

    Takes HDF5 of NVIDIA's and Habana's programs, TFRecords and JSON lines, with sentence pairs.
    Each file gives one, with the packs that `make-records --packing` makes of the same
    instances. Text is packed by make-records itself.

    \b
    Example:
      bertkit pack-records --input hdf5_lower_case_1_seq_len_128/wikicorpus_en \\
        --output packed/wikicorpus_en
    """
    from bertkit.records.tools.pack import PackOptions, pack_records, state_of_output

    packing = PackOptions(**given | {"format": given["format"] or ""})
    if dry_run:
        copy_plan.finish(inputs, as_json, state_of_output(inputs, output, packing, overwrite))
        return
    result = pack_records(inputs, output, packing, workers=workers, overwrite=overwrite)
    following = next_step.command("inspect", result.output)
    options.finish(asdict(result), as_json, result.as_text(), following)
