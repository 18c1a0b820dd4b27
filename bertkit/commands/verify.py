"""`bertkit verify`: checks that two record sets hold the same instances, or a published text."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from bertkit.command_line.values import Place
from bertkit.commands import options
from bertkit.configuration.option_groups import DATA


@options.command()
@click.argument("first", metavar="A", type=Place("PATH"))
@click.argument("second", metavar="B", required=False, type=Place("PATH"))
@options.token_option
@options.option(
    "--order",
    type=click.Choice(["files", "dealt", "any"]),
    default="files",
    show_default=True,
    help="files: file after file; dealt: one record of each file in turn (round-robin); any: in "
    "any order.",
    group=DATA,
)
@options.option(
    "--reference",
    type=click.Choice(["mlperf"]),
    help="Instead compare the text files in folder A with the sizes and MD5 sums that are "
    "published: mlperf has eval.txt, eval.md5 and six of the 500 parts.",
    group=DATA,
)
@options.option(
    "--sums",
    metavar="FILE",
    help="With --reference: a list of further MD5 sums, `md5  name` per line, such as the one "
    "that MLCommons' downloader brings.",
    group=DATA,
)
@options.pool_options
@options.common_options
def command(
    first: str,
    second: str | None,
    vocab: str | None,
    order: str,
    reference: str | None,
    sums: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Check that two record sets hold the same instances, whatever program wrote them.

    A and B are record files, globs or folders of any format: TFRecord, HDF5, JSON lines,
    packed or not. Padding, widths and the order of features do not matter; of TFRecords with
    other features than BERT's, all values do. The exit status is 0 if they are the same, else 3.

    With --reference, A is a folder of text, the output of split --method mlperf: every file is
    compared with what is published of it.

    \b
    Example:
      bertkit verify data/records data/records-nvidia
      bertkit verify data/records data/packed --order any --vocab bertkit-uncased-8k
      bertkit verify --reference mlperf data/wiki-split
    """
    from bertkit.errors import UsageError

    if (reference is None) == (second is None):
        raise UsageError(
            "give two record sets, or --reference and one folder of text",
            "bertkit verify A B, or bertkit verify --reference mlperf FOLDER",
        )
    if sums and reference is None:
        raise UsageError("--sums goes with --reference")
    if second is not None:
        same = _verify_records(first, second, vocab, order, as_json, **given)
    else:
        same = _verify_text(first, str(reference), sums, as_json)
    if not same:
        click.get_current_context().exit(3)


def _verify_records(
    first: str, second: str, vocab: str | None, order: str, as_json: bool, **given: Any
) -> bool:
    from bertkit.records.tools.verify import verify
    from bertkit.workers.engine import Engine

    found = verify(first, second, vocab, order=order, engine=Engine(**given))
    rows = zip("AB", found.records, found.digests, (first, second), strict=True)
    text = "\n".join(f"{name} {count:,} instances {sha} {path}" for name, count, sha, path in rows)
    text += f"\n{'the same' if found.same else found.difference}"
    options.finish(dataclasses.asdict(found), as_json, text)
    return found.same


def _verify_text(folder: str, reference: str, sums: str | None, as_json: bool) -> bool:
    from bertkit import log
    from bertkit.corpus.chains.mlperf_reference import UNPUBLISHED, compare_with_reference

    found = compare_with_reference(folder, reference, sums)
    known = [file for file in found.files if file.result != UNPUBLISHED]
    rows = [
        (
            file.name,
            file.result,
            "-" if file.bytes is None else f"{file.bytes:,}",
            "-" if file.wanted_bytes is None else f"{file.wanted_bytes:,}",
            file.md5 or "-",
            file.wanted_md5 or "-",
        )
        for file in known
    ]
    text = log.table(("file", "it is", "bytes", "published", "MD5", "published"), rows)
    same = sum(file.result == "the same" for file in known)
    text += f"\n{same} of {len(known)} files with a published sum are the same"
    others = len(found.files) - len(known)
    if others or found.unknown:
        text += (
            f"; of the others {others} are there and {found.unknown} are not, and no sum of them "
            "is published (--sums takes a list)"
        )
    if found.articles:
        text += "\n{:,} of {:,} test articles stand in eval.txt as in eval.md5".format(
            *found.articles
        )
    options.finish(dataclasses.asdict(found), as_json, text)
    return found.same
