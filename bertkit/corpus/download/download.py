"""`bertkit download`: fetches the files of a source into a folder and verifies them."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bertkit.corpus.download.catalogue import STATES, RemoteFile, Source
from bertkit.corpus.download.http import Settings, fetch, fetch_text, verify
from bertkit.corpus.download.unpack import unpack
from bertkit.errors import BertkitError, DataError, MissingDependencyError, UsageError, shortened
from bertkit.manifests.manifest import Manifest, working_folder
from bertkit.storage.files import atomic_write, free_bytes, human_bytes
from bertkit.workers.pool import run_tasks


@dataclass(frozen=True)
class DownloadResult:
    """What lies in the folder now.

    Attributes:
        files: name → bytes, md5, sha256 and url (empty where nothing was fetched).
        following: a bertkit command that takes the files, or empty.
        fetched_bytes: how much came over the network this time.
    """

    output: str
    source: str
    kind: str
    files: dict[str, dict[str, Any]]
    bytes: int
    fetched_bytes: int
    seconds: float
    up_to_date: bool
    following: str = ""


def download(
    source: Source,
    output: str,
    names: Sequence[str] = (),
    from_files: Sequence[str] = (),
    *,
    settings: Settings | None = None,
    overwrite: bool = False,
    workers: int = 1,
) -> DownloadResult:
    """Fetch the files of a source into a folder, each verified before it gets its name.

    The same call after an interruption resumes where it stopped, also inside a file.

    Args:
        source: from `catalogue.find_source`.
        output: folder to fill.
        names: only these files of the source; all if empty.
        from_files: files fetched by other means, recognised by their names, or folders of
            them; they are checked like downloads and copied.
        settings: retries and time limits.
        overwrite: replace what another run left in the folder.
        workers: so many files at the same time, each fetched by a process of its own.

    Raises:
        UsageError: no such file in the source.
        BertkitError: a link is dead; says what is known about it and what to do.
        DataError: a file is not what it should be, or too large for the disk.
    """
    settings = settings or Settings()
    started = time.perf_counter()
    chosen = chosen_files(source, names)
    with working_folder(output, planned(source, names), overwrite, from_files) as manifest:
        fresh = not manifest.complete
        if fresh:
            local = _by_name(from_files, chosen)
            if not local.keys() >= {item.name for item in chosen}:
                chosen = _with_checksums(source, chosen, settings)
            _check_space(chosen, output)
            _fetch_all(
                source,
                chosen,
                local=local,
                manifest=manifest,
                output=output,
                settings=settings,
                workers=workers,
            )
            made = unpack(source.unpack, output, [item.name for item in chosen])
            for name, facts in made.items():
                own = {"kind": source.kind, "checked": True, "fetched_bytes": 0, "url": ""}
                manifest.outputs[name] = {**facts, **own}
            seconds = round(time.perf_counter() - started, 3)
            manifest.stats = {"seconds": seconds, "licence": source.licence, "title": source.title}
            manifest.state = "complete"
            manifest.write(output)
    return _result(source, output, manifest, fresh)


def _result(source: Source, output: str, manifest: Manifest, fresh: bool) -> DownloadResult:
    files = manifest.outputs
    return DownloadResult(
        output,
        source.name,
        source.kind,
        files,
        bytes=sum(facts["bytes"] for facts in files.values()),
        fetched_bytes=sum(facts["fetched_bytes"] for facts in files.values()) if fresh else 0,
        seconds=manifest.stats["seconds"] if fresh else 0.0,
        up_to_date=not fresh,
        following=source.used_by.replace("{output}", output),
    )


def _fetch_all(
    source: Source,
    chosen: Sequence[RemoteFile],
    *,
    local: Mapping[str, str],
    manifest: Manifest,
    output: str,
    settings: Settings,
    workers: int,
) -> None:
    """Copy or fetch each file and list it in the manifest as soon as it is complete.

    A file that fails does not stop the others: nobody watches a long download.
    """
    checked = {item.name for item in chosen if item.md5 or item.sha256}
    tasks = [(source, item, local.get(item.name, ""), output, settings) for item in chosen]
    failures = []
    for name, facts in run_tasks(_copy_or_fetch, tasks, workers):
        if isinstance(facts, BertkitError):
            failures.append(facts)
            continue
        facts = {**facts, "kind": source.kind, "checked": name in checked}
        manifest.record(output, {name: facts})
    if failures:
        raise _combined(failures, len(chosen))
    # In the order of the source, whatever the order of arrival.
    manifest.outputs = {item.name: manifest.outputs[item.name] for item in chosen}


def _copy_or_fetch(
    task: tuple[Source, RemoteFile, str, str, Settings],
) -> tuple[str, dict[str, Any] | BertkitError]:
    source, item, path, output, settings = task
    try:
        facts = _copied(item, path, output) if path else _fetched(source, item, output, settings)
    except BertkitError as error:
        return item.name, error
    return item.name, facts


def _combined(failures: Sequence[BertkitError], files: int) -> BertkitError:
    """The first failure, with the number of files that failed."""
    first = failures[0]
    if len(failures) > 1:
        first.message += f" ({len(failures)} of {files} files failed)"
    return first


def planned(source: Source, names: Sequence[str]) -> Manifest:
    """What a download is told by.

    Raises:
        UsageError: no such file in the source.
    """
    files = [item.name for item in chosen_files(source, names)]
    return Manifest("download", {"name": source.name, "files": files})


def chosen_files(source: Source, names: Sequence[str]) -> list[RemoteFile]:
    """The files of a source that are named; all without names.

    Raises:
        UsageError: no such file in the source, or it has none.
    """
    if not source.files:
        raise UsageError(f"{source.name} cannot be downloaded by name", source.note)
    known = {item.name: item for item in source.files}
    for name in names:
        if name not in known:
            raise UsageError(f"{source.name} has no file {name!r}", f"files: {_few(source.files)}")
    return [known[name] for name in names] if names else list(source.files)


def _by_name(paths: Sequence[str], chosen: Sequence[RemoteFile]) -> dict[str, str]:
    """File of the source → where it lies; of a folder, those that it has under their names."""
    if len(paths) == 1 and len(chosen) == 1 and not os.path.isdir(paths[0]):
        return {chosen[0].name: paths[0]}
    found: dict[str, str] = {}
    for path in paths:
        if os.path.isdir(path):
            inside = {item.name: str(Path(path) / item.name) for item in chosen}
            inside = {name: place for name, place in inside.items() if os.path.isfile(place)}
            if not inside:
                raise UsageError(f"--from-file {path}: none of {_few(chosen)} is in that folder")
            found |= inside
            continue
        base = os.path.basename(path)
        match = [item.name for item in chosen if Path(item.name).name == base]
        if len(match) != 1:
            raise UsageError(
                f"--from-file {path}: cannot tell which file this is",
                f"name it as one of {_few(chosen)}, or use --file",
            )
        found[match[0]] = path
    return found


def _few(items: Iterable[RemoteFile], most: int = 12) -> str:
    """Names of files, for a message."""
    return shortened([item.name for item in items], most)


def _with_checksums(
    source: Source, chosen: list[RemoteFile], settings: Settings
) -> list[RemoteFile]:
    """The MD5 sums that the source itself publishes, where the catalogue has none."""
    if not source.checksums:
        return chosen
    try:
        text = fetch_text(source.checksums, settings)
    except BertkitError as error:
        raise BertkitError(f"{source.name}: {error.message}", _advice(source)) from error
    sums = {name: value for value, _, name in (line.partition("  ") for line in text.splitlines())}
    # `latest` is an alias: the list names the files by their date.
    undated = {_undated(name): value for name, value in sums.items()}
    found = [
        replace(item, md5=item.md5 or sums.get(item.name) or undated.get(_undated(item.name), ""))
        for item in chosen
    ]
    for item in found:
        if not (item.md5 or item.sha256):
            raise DataError(f"{source.checksums} does not list {item.name}", _advice(source))
    return found


def _undated(name: str) -> str:
    wiki, _, rest = name.partition("-")
    return f"{wiki}-{rest.partition('-')[2]}"


def _check_space(chosen: Sequence[RemoteFile], output: str) -> None:
    needed = sum(item.size or 0 for item in chosen)
    free = free_bytes(output)
    if needed > free:
        raise DataError(
            f"{output} has {human_bytes(free)} free, the files take {human_bytes(needed)}",
            "choose another --output",
        )


def _copied(item: RemoteFile, path: str, output: str) -> dict[str, Any]:
    facts = verify(item, path)
    with open(path, "rb") as source, atomic_write(Path(output) / item.name) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    return {**facts, "url": "", "fetched_bytes": 0}


def _fetched(source: Source, item: RemoteFile, output: str, settings: Settings) -> dict[str, Any]:
    if not item.urls and not (Path(output) / item.name).is_file():
        raise BertkitError(
            f"{source.name}: bertkit cannot fetch {item.name} itself", _advice(source)
        )
    try:
        return fetch(item, output, settings)
    except DataError as error:
        raise DataError(f"{source.name}: {error.message}", _advice(source)) from error
    except MissingDependencyError as error:
        raise MissingDependencyError(f"{source.name}: {error.message}", error.hint) from error
    except BertkitError as error:
        raise BertkitError(f"{source.name}: {error.message}", _advice(source)) from error


def _advice(source: Source) -> str:
    """One line: what is known about the links, and what to do."""
    known = "; ".join(
        " ".join(text.split()) for text in (STATES[source.state], source.note) if text
    )
    page = f"; see {source.homepage}" if source.homepage else ""
    other = f"; its own downloader: {source.command}" if source.command else ""
    return (
        f"{known}{page}{other}; to use a file downloaded by other means, give --from-file "
        "PATH (its checksum is verified)"
    )
