"""`bertkit download --check`: do the links of the catalogue serve what it says?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bertkit import log
from bertkit.corpus.download.catalogue import RemoteFile, Source
from bertkit.corpus.download.download import chosen_files
from bertkit.corpus.download.google_drive import is_drive
from bertkit.corpus.download.http import Settings, fetch_text, served_bytes
from bertkit.errors import BertkitError, UsageError
from bertkit.storage.files import human_bytes

_AT_ONCE = 8  # servers asked at the same time
OK, UNASKED = "ok", "not asked"


@dataclass(frozen=True)
class Link:
    """One address of one file.

    Attributes:
        source: name in the catalogue.
        file: name of the file; of a list of checksums, "checksums".
        state: `OK`, `UNASKED`, or what is wrong with it.
        bytes: what the server says; None where it does not.
    """

    source: str
    file: str
    url: str
    state: str
    bytes: int | None = None


def check_links(
    sources: Sequence[Source], names: Sequence[str] = (), settings: Settings | None = None
) -> list[Link]:
    """Ask every server for the beginning of each file, and compare the size.

    Args:
        sources: from the catalogue.
        names: only these files, of the one source; all if empty.
        settings: retries and time limits.

    Returns:
        The links in the order of the catalogue, each once. Those of Google Drive, which counts how
        often it is asked, are not asked.

    Raises:
        UsageError: no such file in the source, or files of several sources.
    """
    if names and len(sources) > 1:
        raise UsageError("--file is of one source", "bertkit download NAME --check --file FILE")
    settings = settings or Settings()
    asked: dict[tuple[str, str], RemoteFile] = {}
    for source in sources:
        for item in _files(source, names):
            for url in item.urls:
                asked.setdefault((source.name, url), item)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = [
            pool.submit(_asked, source, item, url, settings)
            for (source, url), item in asked.items()
        ]
        return [answer.result() for answer in answers]


def _files(source: Source, names: Sequence[str]) -> list[RemoteFile]:
    """The files to ask for; the list of checksums counts as one."""
    files = chosen_files(source, names) if names else list(source.files)
    sums = [RemoteFile("checksums", (source.checksums,))] if source.checksums and files else []
    return files + sums


def _asked(source: str, item: RemoteFile, url: str, settings: Settings) -> Link:
    if is_drive(url):
        return Link(source, item.name, url, UNASKED)
    try:
        if item.name == "checksums":
            return Link(source, item.name, url, OK, len(fetch_text(url, settings).encode()))
        return Link(source, item.name, url, OK, served_bytes(item, url, settings))
    except BertkitError as error:
        return Link(source, item.name, url, error.message.removeprefix(f"{url}: "))


def links_report(links: Sequence[Link]) -> tuple[dict[str, Any], str]:
    """The answers as plain values and as a table; below it what is wrong, with addresses."""
    broken = [link for link in links if link.state not in (OK, UNASKED)]
    rows = [
        (
            link.source,
            link.file,
            "?" if link.bytes is None else human_bytes(link.bytes),
            link.state if link not in broken else "wrong",
        )
        for link in links
    ]
    said = [f"{link.source}: {link.url}: {link.state}" for link in broken]
    unasked = sum(link.state == UNASKED for link in links)
    total = f"{log.counted(len(links), 'link')}, {len(broken)} wrong" + (
        f"; {unasked} on Google Drive, which counts how often it is asked, not asked"
        if unasked
        else ""
    )
    text = "\n".join([log.table(("source", "file", "size", "answer"), rows), *said, total])
    return {"links": [dataclasses.asdict(link) for link in links], "wrong": len(broken)}, text
