"""`bertkit download`: names in, checked files out."""

from __future__ import annotations

import dataclasses

import click

from bertkit.commands import options


@click.command()
@click.argument("name", required=False)
@click.option("--output", "-o", metavar="DIR", help="Folder for the files and manifest.json.")
@click.option("--list", "listing", is_flag=True, help="Show what can be downloaded.")
@click.option("--language", default="en", help="Language of the Wikipedia.  [default: en]")
@click.option("--date", default="latest", help="Date of the dump, YYYYMMDD.  [default: latest]")
@click.option("--file", "names", multiple=True, help="Only this file of the source; repeatable.")
@click.option(
    "--from-file", "from_files", multiple=True, metavar="PATH",
    help="Take a file fetched by other means; it is checked like a download. Repeatable.",
)  # fmt: skip
@click.option("--retries", default=5, type=click.IntRange(min=0), help="Attempts without progress.")
@click.option("--timeout", default=30.0, help="Seconds of silence that end a connection.")
@click.option(
    "--workers", default=1, type=click.IntRange(min=1), metavar="N",
    help="Files fetched at the same time.  [default: 1]",
)  # fmt: skip
@options.overwrite_option
@options.dry_run_option
@options.common_options
def command(
    name: str | None,
    output: str | None,
    listing: bool,
    language: str,
    date: str,
    names: tuple[str, ...],
    from_files: tuple[str, ...],
    retries: int,
    timeout: float,
    workers: int,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Fetch a corpus, vocabulary or question set, resumable and checked.

    `sample` needs no network. Run the same command again after an interruption: it
    goes on inside the file. Proxies are taken from the environment (https_proxy).

    \b
    Example:
      bertkit download --list
      bertkit download sample --output data/raw
      bertkit download squad-v1.1 --output data/squad
    """
    from bertkit.corpus.download import catalogue, download, http, sample
    from bertkit.corpus.download import listing as describe
    from bertkit.errors import UsageError

    if listing or name is None:
        result, text = describe.listing(catalogue.catalogue())
        options.finish(result, as_json, text, "bertkit download sample --output data/raw")
        return
    source = catalogue.find_source(name, language, date)
    if dry_run:
        result, text = describe.plan(source, names, output)
        options.finish(result, as_json, text)
        return
    if not output:
        raise UsageError("--output is required", f"bertkit download {name} --output data/{name}")
    if source.name == "sample":
        made = sample.write_sample(output, overwrite)
        result, text, following = dataclasses.asdict(made), *describe.sample_text(made)
    else:
        patience = http.Settings(retries, timeout)
        got = download.download(source, output, names, from_files, patience, overwrite, workers)
        result, text, following = dataclasses.asdict(got), *describe.download_text(got)
    options.finish(result, as_json, text, following)
