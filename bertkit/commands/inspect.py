"""`bertkit inspect`: shows records, manifests and runs as text."""

from __future__ import annotations

import os
from typing import Any

import click

from bertkit.commands import options


@click.command()
@click.argument("paths", nargs=-1, metavar="PATH...")
@options.input_option("The same as PATH.", required=False)
@options.token_option
@options.count_option("--count", 3, "Records to show.")
@options.count_option("--start", 0, "Number of the first record to show.")
@options.count_option("--limit", 100_000, "Records to measure per file, evenly spaced.", minimum=1)
@options.common_options
def command(
    paths: tuple[str, ...],
    inputs: tuple[str, ...],
    vocab: str | None,
    count: int,
    start: int,
    limit: int,
    as_json: bool,
) -> None:
    """Show records, manifests and runs as text.

    PATH is a record file, a folder that bertkit wrote, or the folder of a pretraining run.

    \b
    Example:
      bertkit inspect data/records --vocab bertkit-uncased-8k --count 2
      bertkit inspect runs/tiny
    """
    from bertkit.records.tools import inspect as work
    from bertkit.remote_files import local_inputs
    from bertkit.train.run_files import METRICS

    names = local_inputs([*paths, *inputs])
    if not names:
        raise click.UsageError("give a record file or a folder, for example data/records")
    result: dict[str, Any] = {}
    parts: list[str] = []
    for name in names:
        if os.path.isfile(os.path.join(name, METRICS)):
            from bertkit.train import metrics

            lines = metrics.read(os.path.join(name, METRICS))
            result["run"] = lines[-1] if lines else {}
            last = ", ".join(f"{key} {value}" for key, value in result["run"].items())
            parts.append(f"{name}: {len(lines)} lines of metrics; the last: {last or 'none'}")
        elif os.path.isdir(name) and (work.has_manifest(name) or not work.record_files([name])):
            result["manifest"], text = work.inspect_manifest(name)
            parts.append(text)
    found = work.record_files(names)
    if found:
        result["records"], text = work.inspect_records(
            found, vocab, count=count, start=start, limit=limit
        )
        parts.append(text)
    options.finish(result, as_json, "\n\n".join(parts))
