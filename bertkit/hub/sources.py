"""Remembers which commit of which model a local folder is, for what is written of its origin."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertkit.hub.names import HubName

# A file or folder in the cache of huggingface_hub.
_SNAPSHOT = re.compile(
    r"(?P<root>.*[/\\]models--(?P<repo>[^/\\]+)[/\\]snapshots[/\\](?P<commit>[0-9a-f]{40}))"
    r"(?:[/\\](?P<inside>.*))?"
)


@dataclass(frozen=True)
class Source:
    """Where files come from.

    Attributes:
        name: as the user named it, with its branch or tag.
        commit: which that was.
    """

    name: HubName
    commit: str

    @property
    def exact(self) -> str:
        """The name with the commit, which never moves."""
        return str(self.name.at(self.commit))

    def facts(self) -> dict[str, str]:
        """For what is written."""
        found = {"name": self.name.repo, "revision": self.name.revision, "commit": self.commit}
        return found | ({"folder": self.name.folder} if self.name.folder else {})


_noted: dict[str, Source] = {}


def note_source(folder: str | Path, source: Source) -> None:
    """Remember, for this process, what a folder of the cache was fetched as."""
    _noted[str(folder)] = source


def source_of(path: str | Path) -> Source | None:
    """The model on the hub that a local file or folder is of; None for any other path."""
    text = str(path)
    for place in (text, str(Path(text).parent)):
        if place in _noted:
            return _noted[place]
    found = _SNAPSHOT.fullmatch(text)
    if found is None:
        return None
    commit = found["commit"]
    if found["root"] in _noted:
        return _noted[found["root"]]
    return Source(HubName(found["repo"].replace("--", "/", 1), commit), commit)


def origin(path: str | Path) -> str:
    """A path as it is written into artefacts: of the hub's files the name, commit and file."""
    source, found = source_of(path), _SNAPSHOT.fullmatch(str(path))
    if source is None or found is None:
        return str(path)
    repo = HubName(source.name.repo, source.commit)
    return "/".join(filter(None, (str(repo), (found["inside"] or "").replace("\\", "/"))))


def name_of(path: str | Path) -> str:
    """A path as it can be given again on any machine: of the hub's files the name with commit."""
    source = source_of(path)
    return source.exact if source else str(path)


def moved(before: Any, now: Source | None) -> str:
    """How a branch of the hub has moved since something was made from it; empty if it has not.

    Args:
        before: what `Source.facts` gave then; None where nothing of the hub was used.
        now: what the same name is now.
    """
    if not isinstance(before, Mapping) or now is None or before.get("name") != now.name.repo:
        return ""
    then = str(before.get("commit"))
    if then == now.commit:
        return ""
    branch = f"{now.name.revision} of " if now.name.revision == before.get("revision") else ""
    return f"{branch}{now.name.repo} was commit {then[:12]} then, and is {now.commit[:12]} now"


def with_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they can be used on any machine: with names in place of the cache's paths.

    Args:
        values: plain settings; those of sections are mappings.
    """
    named: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            named[key] = with_names(value)
        else:
            named[key] = name_of(value) if isinstance(value, str) else value
    return named
