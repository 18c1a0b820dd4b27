"""Formats the catalogue, the plan and the results of `bertkit download` as text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from bertkit import log
from bertkit.corpus.download import download, sample
from bertkit.corpus.download.catalogue import STATES, RemoteFile, Source
from bertkit.corpus.download.download import DownloadResult
from bertkit.corpus.download.sample import SampleResult
from bertkit.manifests.output_state import MEANINGS, output_state
from bertkit.storage.files import free_bytes, human_bytes


def listing(sources: Sequence[Source]) -> tuple[dict[str, Any], str]:
    """Every source as plain values and as a list by kind."""
    values = [
        {
            "name": item.name,
            "kind": item.kind,
            "bytes": item.size,
            "licence": item.licence,
            "state": item.state,
            "title": item.title,
            "note": item.note,
        }
        for item in sources
    ]
    return {"sources": values}, f"{_by_kind(sources)}\n\n{log.table(('links', ''), STATES.items())}"


def _by_kind(sources: Sequence[Source]) -> str:
    """Name, size and links of every source; below that what it is, and its licence."""
    kinds = dict.fromkeys(item.kind for item in sources)
    names = max(len(item.name) for item in sources) + 2
    sizes = max(len(_size(item.size)) for item in sources)
    parts = []
    for kind in kinds:
        lines = [kind]
        for item in sources:
            if item.kind != kind:
                continue
            name, size = f"  {item.name}".ljust(names), _size(item.size).rjust(sizes)
            lines.append(f"{name}   {size}   {item.state}")
            lines.append(log.wrapped(f"{item.title} ({item.licence})", log.width(), 6))
        parts.append("\n".join(lines))
    links = f"{'name'.ljust(names)}   {'size'.rjust(sizes)}   links"
    return "\n\n".join([f"{links}\n{'─' * (len(links) + 3)}", *parts]).replace("\n\n", "\n", 1)


def plan(
    source: Source, names: Sequence[str], output: str | None, overwrite: bool = False
) -> tuple[dict[str, Any], str]:
    """What a download would fetch, without asking the network.

    Raises:
        DataError: the output folder belongs to another run.
    """
    state = _state(source, names, output, overwrite) if output else ""
    files = [item for item in source.files if not names or item.name in names]
    free = free_bytes(output or ".")
    text = "\n".join(
        [
            f"{source.name}: {source.title} ({source.licence})",
            f"links: {STATES[source.state]}" + (f"; {source.note}" if source.note else ""),
            *([f"its own downloader: {source.command}"] if source.command else []),
            log.table(("file", "size", "checksum", "from"), _rows(files)) if files else "",
            f"free at {output or '.'}: {human_bytes(free)}",
            *([f"output: {MEANINGS[state]}"] if state else []),
        ]
    )
    values = {
        "dry_run": True,
        "name": source.name,
        "files": [{"name": item.name, "bytes": item.size, "urls": item.urls} for item in files],
        "free_bytes": free,
        **({"output_state": state} if state else {}),
    }
    return values, text


def _state(source: Source, names: Sequence[str], output: str, overwrite: bool) -> str:
    if source.name != "sample" and not source.files:
        return ""  # one that cannot be downloaded by name: its note says what to do
    wanted = sample.planned() if source.name == "sample" else download.planned(source, names)
    return output_state(output, wanted, overwrite=overwrite)


def _rows(files: Sequence[RemoteFile]) -> list[tuple[str, str, str, str]]:
    """A row for each file; one for many in a row of which nothing but the place is known."""

    def facts(item: RemoteFile) -> tuple[str, str, str]:
        return _size(item.size), item.sha256 or item.md5 or "-", " ".join(item.urls) or "-"

    rows = []
    for known, items in groupby(files, facts):
        names = [item.name for item in items]
        if len(names) > 2:
            names = [f"{names[0]} to {names[-1]}: {log.counted(len(names), 'file')}"]
        rows += [(name, *known) for name in names]
    return rows


def sample_text(result: SampleResult) -> str:
    """The sample for people."""
    left_out = (
        f"; {result.questions_left_out} questions left out, as this Python's text "
        "does not answer them"
        if result.questions_left_out
        else ""
    )
    return (
        f"{result.documents} documents, {result.bytes:,} bytes; {result.train_questions} train "
        f"and {result.dev_questions} dev questions, {result.train_paragraphs} train and "
        f"{result.dev_paragraphs} dev paragraphs with their topic under {result.output}{left_out}"
    )


def download_text(result: DownloadResult) -> str:
    """A download for people."""
    state = "up to date" if result.up_to_date else f"{result.seconds:.1f} s"
    text = (
        f"{log.counted(len(result.files), 'file')}, {result.bytes:,} bytes of {result.source} "
        f"checked under {result.output} ({state})"
    )
    # Folders of earlier releases hold nothing unchecked.
    open_ones = sum(not facts.get("checked", True) for facts in result.files.values())
    if open_ones:
        text += f"; {open_ones} of them by their size alone or not at all, as no sum is published"
    return text


def _size(count: int | None) -> str:
    return "unknown" if count is None else human_bytes(count)
