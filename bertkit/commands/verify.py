"""`bertkit verify`: checks that two record sets hold the same instances."""

from __future__ import annotations

import dataclasses

import click

from bertkit.commands import options


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@options.token_option
@click.option(
    "--order",
    type=click.Choice(["files", "dealt", "any"]),
    default="files",
    show_default=True,
    help="files: file after file; dealt: one record of each file in turn (round-robin); any: in "
    "any order.",
)
@options.common_options
def command(first: str, second: str, vocab: str | None, order: str, as_json: bool) -> None:
    """Check that two record sets hold the same instances, whatever program wrote them.

    A and B are record files, globs or folders of any format: TFRecord, HDF5, JSON lines,
    packed or not. Padding, widths and the order of features do not matter; of TFRecords with
    other features than BERT's, all values do. The exit status is 0 if they are the same, else 3.

    \b
    Example:
      bertkit verify data/records data/records-nvidia
      bertkit verify data/records data/packed --order any --vocab bertkit-uncased-8k
    """
    from bertkit.records.tools.verify import verify

    found = verify(first, second, vocab, order=order)
    rows = zip("AB", found.records, found.digests, (first, second), strict=True)
    text = "\n".join(f"{name} {count:,} instances {sha} {path}" for name, count, sha, path in rows)
    text += f"\n{'the same' if found.same else found.difference}"
    options.finish(dataclasses.asdict(found), as_json, text)
    if not found.same:
        click.get_current_context().exit(3)
