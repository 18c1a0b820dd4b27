"""What `--dry-run` says of commands whose only preparation is to copy remote input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bertkit import log
from bertkit.commands import options
from bertkit.configuration.option_groups import OUTPUT

dry_run_option = options.option(
    "--dry-run",
    is_flag=True,
    help="Look for the input, show what of it would be copied; do nothing.",
    group=OUTPUT,
    first=True,
)


def finish(inputs: Sequence[str], as_json: bool, state: str = "") -> None:
    """End a dry run: the input, and what of it would be copied first, and where to.

    Args:
        inputs: as given.
        as_json: the `--json` flag.
        state: what becomes of the output, see `bertkit.manifests.output_state`; empty: not known.

    Raises:
        DataError: an input is not there, or cannot be read.
    """
    from bertkit.manifests.output_state import MEANINGS
    from bertkit.remote.copies import fetch_plan, named_inputs
    from bertkit.storage.files import is_remote
    from bertkit.storage.input_files import expand_inputs

    here = expand_inputs([name for name in named_inputs(inputs) if not is_remote(name)])
    plan: dict[str, Any] = {"input": list(inputs), "files": len(here), "to_copy": ""}
    rows = [("input", " ".join(inputs)), ("files on this machine", f"{len(here):,}")]
    copied = fetch_plan(inputs)
    if copied is not None:
        plan |= {
            "to_copy": copied.text,
            "files_to_copy": copied.files,
            "copied_bytes": copied.bytes,
        }
        rows.append(("to copy first", copied.text))
    if state:
        plan["output_state"] = state
        rows.append(("output", MEANINGS[state]))
    options.finish({"dry_run": True, **plan}, as_json, log.table(("plan", "value"), rows))
