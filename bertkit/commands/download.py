"""`bertkit download`: downloads a corpus, vocabulary or question set, and verifies it."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from bertkit.command_line import next_step
from bertkit.commands import options
from bertkit.configuration.option_groups import DATA, MACHINE, OUTPUT


def _sources(ctx: click.Context, parameter: click.Parameter, begin: str) -> list[str]:
    """The names in the catalogue that begin so, for the shell."""
    from bertkit.corpus.download.catalogue import catalogue

    return [source.name for source in catalogue() if source.name.startswith(begin)]


@options.command()
@click.argument("name", required=False, shell_complete=_sources)
@options.option(
    "--output", "-o", metavar="DIR", help="Folder for the files and manifest.json.", group=OUTPUT
)
@options.option("--list", "listing", is_flag=True, help="Show what can be downloaded.", group=DATA)
@options.option(
    "--check",
    is_flag=True,
    help="Ask the servers whether the links serve files of the sizes known, and download nothing;"
    " without NAME all links. The exit status is 0 if all do, else 1.",
    group=DATA,
)
@options.option(
    "--language",
    default="en",
    help="Language of the Wikipedia dump.  [default: en]",
    group=DATA,
    metavar="CODE",
    example="de",
)
@options.option(
    "--date",
    default="latest",
    help="Date of the dump, YYYYMMDD.  [default: latest]",
    group=DATA,
    metavar="DATE",
    example="20260101",
)
@options.option(
    "--file",
    "names",
    multiple=True,
    help="Download only this file of the source; repeatable.",
    group=DATA,
    metavar="NAME",
    example="train-v1.1.json",
)
@options.option(
    "--from-file",
    "from_files",
    multiple=True,
    metavar="PATH",
    help="Use a file downloaded by other means; its checksum is verified. Repeatable.",
    group=DATA,
)
@options.option(
    "--retries",
    default=5,
    type=click.IntRange(min=0),
    metavar="N",
    help="Give up after this many attempts without progress.",
    group=MACHINE,
)
@options.option(
    "--timeout",
    default=30.0,
    help="Seconds without data after which a connection is closed.",
    group=MACHINE,
)
@options.count_option(
    "--workers",
    1,
    "Files fetched at the same time.  [default: 1]",
    minimum=1,
    show=False,
    group=MACHINE,
)
@options.write_options
def command(
    name: str | None,
    output: str | None,
    listing: bool,
    check: bool,
    language: str,
    date: str,
    names: tuple[str, ...],
    retries: int,
    timeout: float,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Download a corpus, vocabulary or question set, and verify its checksums.

    `sample` needs no network. After an interruption, run the same command again: it resumes
    in the middle of a file. Proxies are taken from the environment (https_proxy).

    \b
    Example:
      bertkit download --list
      bertkit download squad-v1.1 --check
      bertkit download sample --output data/raw
      bertkit download squad-v1.1 --output data/squad
    """
    from bertkit.corpus.download import catalogue, download, http, links, sample
    from bertkit.corpus.download import listing as describe
    from bertkit.errors import UsageError

    settings = http.Settings(retries, timeout)
    if check:
        asked = links.check_links(catalogue.find_sources(name, language, date), names, settings)
        result, text = links.links_report(asked)
        options.finish(result, as_json, text)
        click.get_current_context().exit(1 if result["wrong"] else 0)
    if listing or name is None:
        result, text = describe.listing(catalogue.catalogue())
        options.finish(result, as_json, text, "bertkit download sample --output data/raw")
        return
    source = catalogue.find_source(name, language, date)
    if dry_run:
        result, text = describe.plan(source, names, output, overwrite)
        options.finish(result, as_json, text)
        return
    if not output:
        raise UsageError("--output is required", f"bertkit download {name} --output data/{name}")
    if source.name == "sample":
        made = sample.write_sample(output, overwrite)
        result, text = dataclasses.asdict(made), describe.sample_text(made)
        following = next_step.after_download("text", output, [], "")
    else:
        # What is left of `given`: from_files and workers.
        got = download.download(
            source, output, names, settings=settings, overwrite=overwrite, **given
        )
        result, text = dataclasses.asdict(got), describe.download_text(got)
        following = next_step.after_download(got.kind, output, list(got.files), got.following)
    options.finish(result, as_json, text, following)
