"""`bertkit inspect`: shows records, manifests, runs, models and what text holds."""

from __future__ import annotations

import os
from itertools import groupby
from typing import Any

import click

from bertkit.command_line.values import Place
from bertkit.commands import options
from bertkit.configuration.option_groups import DATA
from bertkit.errors import DataError
from bertkit.hub.names import hub_name
from bertkit.model.checkpoints.places import local_checkpoint

_TEXT_KEY = "--text-key"  # of commands that read in texts, in their hints
_HAVE_OPTIONS = "`bertkit extract` and `bertkit finetune` have options that say what to read in it"


@options.command()
@click.argument("paths", nargs=-1, metavar="PATH...", type=Place("PATH"))
@options.input_option("The same as PATH.", required=False)
@options.token_option
@options.count_option("--count", 3, "Records to show.", group=DATA)
@options.count_option("--start", 0, "Number of the first record to show.", group=DATA)
@options.count_option(
    "--limit", 100_000, "Records to measure per file, evenly spaced.", minimum=1, group=DATA
)
@options.count_option(
    "--max-files",
    10_000,
    "Refuse folders that bertkit did not write with more than N files and folders below them; 0: "
    "no limit.",
    group=DATA,
)
@options.pool_options
@options.common_options
def command(
    paths: tuple[str, ...],
    inputs: tuple[str, ...],
    vocab: str | None,
    count: int,
    start: int,
    limit: int,
    max_files: int,
    as_json: bool,
    **given: Any,
) -> None:
    """Show records, manifests, runs and models as text, and what text files hold.

    PATH is a record file, a folder that bertkit wrote, the folder of a run or of --seeds, a
    checkpoint of any format, a model's name on the hub, a config.json, a vocabulary (a file, or
    the name of one that ships with bertkit), questions or a table of examples as finetune reads
    them, or text: sentence files, or raw files in any form that extract reads. Of text it counts
    documents, sentences and words, repeats, scripts and lengths; with --vocab also tokens and
    [UNK]. What is unusual is said, with what to do.

    \b
    Example:
      bertkit inspect data/records --vocab bertkit-uncased-8k --count 2
      bertkit inspect runs/tiny
      bertkit inspect google-bert/bert-base-uncased
      bertkit inspect corpus.txt --vocab bertkit-uncased-8k
    """
    from bertkit.records.tools import inspect as work
    from bertkit.remote.copies import local_inputs
    from bertkit.report.views import inspected
    from bertkit.workers.engine import Engine

    names: list[str] = []
    for on_hub, group in groupby([*paths, *inputs], key=lambda name: bool(hub_name(name))):
        places = [inspected.named_place(name) for name in group]
        names += map(local_checkpoint, places) if on_hub else local_inputs(places)
    if not names:
        raise click.UsageError("give a record file or a folder, for example data/records")
    result, parts, texts, records = _views(names, vocab, max_files)
    found = work.record_files([name for name in records if name not in texts])
    if found:
        result["records"], text = work.inspect_records(
            found, vocab, count=count, start=start, limit=limit, engine=Engine(**given)
        )
        parts.append(text)
    if texts:
        result["text"], text = _describe(texts, vocab)
        parts.append(text)
    options.finish(result, as_json, "\n\n".join(parts))


def _views(
    names: list[str], vocab: str | None, most: int
) -> tuple[dict[str, Any], list[str], list[str], list[str]]:
    """What is neither text nor records, as plain values and texts; names of text and of records."""
    from bertkit.kinds.recognise import is_model
    from bertkit.records.tools import inspect as work
    from bertkit.report.views import inspected

    result: dict[str, Any] = {}
    parts: list[str] = []
    texts: list[str] = []
    records: list[str] = []
    for name in names:
        kind = inspected.kind_of_input(name, _is_text, most)
        if kind in inspected.VIEWS:
            key, facts, text = inspected.view(kind, name)
            # Several runs or folders: the last one, as JSON has it since the beginning.
            result[key] = [*result.get(key, []), facts] if key in inspected.LISTED else facts
            parts.append(text)
        if kind == inspected.FOLDER:
            texts += [name] if vocab and work.holds_text(result["manifest"]) else []
            if is_model(name):
                _, facts, text = inspected.view(inspected.MODEL, name)
                result.setdefault("models", []).append(facts)
                parts.append(text)
            else:
                records.append(name)
        elif kind == inspected.TEXT:
            texts.append(name)
        elif kind == inspected.RECORDS:
            records.append(name)
    return result, parts, texts, records


def _is_text(name: str) -> bool:
    """Whether a name is of text files: not of records, and of a form that is known."""
    from bertkit.corpus.forms.detect import detect_form
    from bertkit.kinds.recognise import TEXT, kind_of
    from bertkit.records.tools import inspect as work
    from bertkit.storage import files
    from bertkit.storage.folder_walk import describes_data_set
    from bertkit.storage.input_files import expand_inputs
    from bertkit.tables.arrow import is_column_file

    folder = os.path.isdir(name)
    if folder and any(map(work.holds_records, work.record_files([name]))):
        return False
    paths = expand_inputs([name])
    first = next((p for p in paths if not describes_data_set(os.path.basename(p))), paths[0])
    if not files.is_remote(first) and work.holds_records(first):
        return False
    try:
        detect_form(first)
    except DataError as error:
        found = None if folder else kind_of(first)
        if found and found.name == TEXT:
            raise DataError(error.message, _HAVE_OPTIONS) from error
        if not folder and is_column_file(first):
            raise _without_options(error) from error
        return folder  # which says what is wrong with the file
    return True


def _without_options(error: DataError) -> DataError:
    """An error about text, without a hint at options that this command does not have."""
    return DataError(error.message, _HAVE_OPTIONS if _TEXT_KEY in error.hint else error.hint)


def _describe(names: list[str], vocab: str | None) -> tuple[dict[str, Any], str]:
    """Figures of text, with those of a vocabulary if there is one, and their table."""
    from dataclasses import replace

    from bertkit import log
    from bertkit.corpus.describe import Beginning, describe_text, forms_of
    from bertkit.summary import report

    knows = tokens = None
    if vocab:
        from bertkit.records.config import RecordsConfig
        from bertkit.records.vocabulary import opened
        from bertkit.tokenization.known_characters import knows_characters
        from bertkit.tokenization.token_counter import TokenCounter

        words, config = opened(vocab, RecordsConfig(allow_duplicates=True))
        knows = knows_characters(words, config.normalisation)
        tokens = TokenCounter(words, config.normalisation, config.word_length)
    try:
        taken = forms_of(names)
    except DataError as error:
        raise _without_options(error) from error
    taken.log()
    beginning = Beginning(taken.names)

    def also(name: str, block: bytes) -> None:
        beginning.feed(name, block)
        if tokens:
            tokens.feed(name, block)

    counts = describe_text(taken.paths, also)
    if tokens:
        counts = replace(counts, tokens=tokens.tokens, unknown=tokens.unknown)
    found = report.figures(counts, knows) | taken.facts
    for text in report.warnings(found, lines_count=beginning.lines_count()):
        log.logger.warning("%s", text)
    return found, log.table(("text", ", ".join(names)), report.rows(found))
