"""`bertkit pick-eval`: picks a small fixed evaluation set from record files."""

from __future__ import annotations

import dataclasses
from typing import Any

from bertkit.command_line import next_step
from bertkit.commands import copy_plan, options
from bertkit.configuration.option_groups import DATA


@options.command()
@options.input_option("Record files, of any format.")
@options.output_option("Folder for eval.tfrecord and manifest.json.")
@options.count_option("--count", 10_000, "Records to pick, evenly spaced.", minimum=1, group=DATA)
@options.pool_options
@options.overwrite_option
@copy_plan.dry_run_option
@options.common_options
def command(
    inputs: tuple[str, ...],
    output: str,
    count: int,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Pick evenly spaced records as a fixed evaluation set.

    Record i of N is number int(i * (available / N)), as in MLPerf: where fewer are available than
    N, they are repeated, with a warning. TFRecords are copied,
    whatever their features; HDF5, JSON lines and packs become TFRecords. The manifest holds
    a digest of the records, so that evaluation sets can be compared whatever their format.
    Files that no manifest of bertkit tells a checksum of are read by --workers processes first.

    \b
    Example:
      bertkit pick-eval --input data/records-eval --output data/eval --count 10000
    """
    if dry_run:
        from bertkit.records.tools.pick_eval import state_of_output

        copy_plan.finish(inputs, as_json, state_of_output(inputs, output, count, overwrite))
        return
    from bertkit.records.tools.pick_eval import pick_eval
    from bertkit.workers.engine import Engine

    result = pick_eval(inputs, output, count, overwrite=overwrite, engine=Engine(**given))
    following = next_step.after_pick_eval(inputs, output)
    options.finish(dataclasses.asdict(result), as_json, result.as_text(), following)
