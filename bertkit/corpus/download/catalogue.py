"""The catalogue of downloads: names, URLs, sizes and checksums."""

from __future__ import annotations

import contextlib
import difflib
import importlib.resources
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bertkit.configuration.setting_values import spelling
from bertkit.errors import UsageError
from bertkit.storage.files import package_file

_WIKI = re.compile(r"([a-z][a-z_-]*?)wiki(?:-(\d{8}|latest))?")
# What the states of catalogue.yaml mean for someone whose download failed.
STATES = {
    "ok": "stable for years",
    "moves": "old versions vanish",
    "drive": "on Google Drive, which limits how often a file is fetched",
    "browser": "fetch by browser, then give it with --from-file",
    "gone": "no longer offered",
    "built-in": "needs no network",
}


@dataclass(frozen=True)
class RemoteFile:
    """One file of a source.

    Attributes:
        name: where it goes below the output folder.
        urls: the first that answers is taken; none where only people can fetch it.
        size: in bytes, if known.
        md5: lower-case hex, or empty.
        sha256: lower-case hex, or empty.
    """

    name: str
    urls: tuple[str, ...] = ()
    size: int | None = None
    md5: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Source:
    """A corpus, vocabulary or question set.

    Attributes:
        kind: text, dump, archive, questions, examples (labelled, for fine-tuning), vocab or
            checkpoint.
        state: a key of `STATES`.
        note: what else is known, in a line or two.
        command: another program's command that fetches all of it.
        checksums: URL of a list of MD5 sums, `md5  name` per line, or empty.
        unpack: what is made of the files, see `bertkit.corpus.download.unpack`; or empty.
        used_by: the bertkit command that takes the files, with {output}; or empty.
    """

    name: str
    kind: str
    title: str
    licence: str
    state: str
    homepage: str = ""
    note: str = ""
    checksums: str = ""
    command: str = ""
    unpack: str = ""
    used_by: str = ""
    files: tuple[RemoteFile, ...] = ()

    @property
    def size(self) -> int | None:
        """Bytes of all files, or None where one is unknown."""
        sizes = [item.size for item in self.files]
        return sum(size for size in sizes if size) if sizes and all(sizes) else None


def catalogue() -> list[Source]:
    """Every source, in the order of the catalogue, the vocabularies last."""
    corpora = [
        _source(entry) for entry in _entries(package_file("corpus", "download", "catalogue.yaml"))
    ]
    return corpora + [_vocabulary(entry) for entry in _entries(_known_vocabularies())]


def find_source(name: str, language: str = "en", date: str = "latest") -> Source:
    """A source by name; `dewiki` and `enwiki-20260901` name Wikipedia dumps.

    Args:
        name: as listed.
        language: of the Wikipedia, where the name does not say it.
        date: of the dump, YYYYMMDD or `latest`.

    Raises:
        UsageError: no such source.
    """
    known = {source.name: source for source in catalogue()}
    name = spelling(name, list(known))
    if name in known and name != "wikipedia":
        return known[name]
    wiki = _WIKI.fullmatch(name)
    if wiki:
        language, date = wiki.group(1), wiki.group(2) or date
    elif name != "wikipedia":
        close = difflib.get_close_matches(name, [*known, "enwiki"], n=1)
        raise UsageError(
            f"no source {name!r}" + (f"; did you mean {close[0]}?" if close else ""),
            "bertkit download --list shows them all",
        )
    return _filled(known["wikipedia"], language, date)


def find_sources(name: str | None, language: str = "en", date: str = "latest") -> list[Source]:
    """The source of a name, or all of them; see `find_source`."""
    if name is not None:
        return [find_source(name, language, date)]
    return [
        _filled(source, language, date) if source.name == "wikipedia" else source
        for source in catalogue()
    ]


def _filled(source: Source, language: str, date: str) -> Source:
    def fill(text: str) -> str:
        return text.replace("{language}", language.replace("-", "_")).replace("{date}", date)

    files = tuple(
        replace(item, name=fill(item.name), urls=tuple(map(fill, item.urls)))
        for item in source.files
    )
    return replace(
        source,
        name=f"{language}wiki-{date}",
        title=fill(source.title),
        homepage=fill(source.homepage),
        checksums=fill(source.checksums),
        files=files,
    )


def _source(entry: dict[str, Any]) -> Source:
    entry = dict(entry)
    folder = entry.pop("folder", "")
    files = tuple(_file(item, folder) for item in _rows(entry.get("files", ())))
    return Source(**{**entry, "files": files})


def _rows(entries: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The files of a source; a row with a `count` stands for so many numbered ones.

    Those that have a row of their own are not repeated.
    """
    own = {entry["name"] for entry in entries}
    for entry in entries:
        if "count" not in entry:
            yield entry
            continue
        for number in range(entry["count"]):
            name = entry["name"].replace("{number}", f"{number:05d}")
            if name not in own:
                yield {**{key: entry[key] for key in entry if key != "count"}, "name": name}


def _file(entry: dict[str, Any], folder: str) -> RemoteFile:
    urls = (*entry.get("urls", ()), *([folder] if folder else ()))
    return RemoteFile(**{**entry, "urls": urls})


def _entries(path: Path | None) -> list[dict[str, Any]]:
    import yaml

    if path is None:
        return []
    loaded = yaml.safe_load(path.read_text("utf-8"))
    return list(loaded)


def _known_vocabularies() -> Path | None:
    """`known.yaml` of the vocabulary package, or of the folder beside the package."""
    places = [package_file("..", "vocab", "known.yaml")]
    with contextlib.suppress(ModuleNotFoundError):
        places.insert(0, Path(str(importlib.resources.files("bertkit_vocab"))) / "known.yaml")
    return next((place for place in places if place.is_file()), None)


def _vocabulary(entry: dict[str, Any]) -> Source:
    """A row of `known.yaml` as a source of one file, `vocab.txt`."""
    urls = entry.get("urls") or [entry.get("url")]
    item = RemoteFile(
        "vocab.txt",
        tuple(url for url in urls if url),
        entry.get("size"),
        entry.get("md5") or "",
        entry.get("sha256") or "",
    )
    return Source(
        name=f"{entry['name'].removesuffix('-vocab')}-vocab",
        kind="vocab",
        title=f"WordPiece vocabulary {entry['name']}",
        licence=entry.get("licence") or entry.get("license") or "see the source",
        state="ok" if item.urls else "browser",
        note=entry.get("note") or "",
        files=(item,),
    )
