"""What `--dry-run` says of commands whose only preparation is to copy remote input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from bertkit import log
from bertkit.commands import options

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Show what remote input would be copied; do nothing."
)


def finish(inputs: Sequence[str], as_json: bool) -> None:
    """End a dry run: the input, and what of it would be copied first, and where to.

    Raises:
        DataError: a remote input is not there, or cannot be read.
    """
    from bertkit.remote.copies import fetch_plan

    plan: dict[str, Any] = {"input": list(inputs), "to_copy": ""}
    rows = [("input", " ".join(inputs))]
    copied = fetch_plan(inputs)
    if copied is not None:
        plan |= {
            "to_copy": copied.text,
            "files_to_copy": copied.files,
            "copied_bytes": copied.bytes,
        }
        rows.append(("to copy first", copied.text))
    options.finish({"dry_run": True, **plan}, as_json, log.table(("plan", "value"), rows))
