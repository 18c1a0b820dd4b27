"""Tells names of the model hub from paths, and takes them apart."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from bertkit import log
from bertkit.errors import UsageError

SCHEME = "hf://"
MAIN = "main"
_PART = r"[A-Za-z0-9](?:[\w.-]*\w)?"
# Owner and name; bare names are those that the hub had before owners.
_NAME = re.compile(rf"(?P<repo>{_PART}/{_PART})(?:@(?P<revision>[\w./-]+))?", re.ASCII)
_LINK = re.compile(
    rf"{SCHEME}(?:models/)?(?P<repo>{_PART}(?:/{_PART})?)(?:@(?P<revision>refs/[^/]+/[^/]+|[^/@]+))?"
    r"(?:/(?P<folder>[^@*?\[]*))?",
    re.ASCII,
)
_BARE = re.compile(
    r"bert-(?:base|large)-(?:cased|uncased|chinese|german|multilingual)[a-z-]*", re.ASCII
)
_BARE_OWNER = "google-bert"
_NOT_MODELS = ("datasets/", "spaces/", "buckets/", "kernels/")
# Files, which are never models of the hub: a missing one is a path with a mistake.
_FILES = (
    *(".safetensors", ".bin", ".pt", ".ckpt", ".mdl", ".index", ".npz", ".onnx"),
    *(".tfrecord", ".tfrecords", ".hdf5", ".h5", ".json", ".jsonl", ".ndjson"),
    *(".txt", ".csv", ".tsv", ".parquet", ".arrow", ".xml", ".html", ".md", ".yaml", ".yml"),
    *(".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".zip"),
)
_COMMIT = re.compile("[0-9a-f]{40}")
# What bertkit writes into a folder: whoever names such a one means it.
_OWN_MARKS = ("manifest.json", ".bertkit", "state.json", "metrics.jsonl", "seeds.json")


@dataclass(frozen=True)
class HubName:
    """A model on the hub.

    Attributes:
        repo: `owner/name`.
        revision: branch, tag or commit.
        folder: inside the repository; empty for its root.
    """

    repo: str
    revision: str = MAIN
    folder: str = ""

    @property
    def is_commit(self) -> bool:
        """Whether the revision is a full commit hash, which never moves."""
        return _COMMIT.fullmatch(self.revision) is not None

    def at(self, revision: str) -> HubName:
        """The same model at another revision."""
        return HubName(self.repo, revision, self.folder)

    def __str__(self) -> str:
        """As it can be given again; `main` goes without saying."""
        at = "" if self.revision == MAIN else f"@{self.revision}"
        return f"{SCHEME}{self.repo}{at}/{self.folder}" if self.folder else f"{self.repo}{at}"


def hub_name(place: str) -> HubName | None:
    """The model of the hub that a word of the user names; None for a path or another URL.

    Names are `owner/name`, `owner/name@revision` and, also for a folder of a repository,
    `hf://owner/name@revision/folder`; and those without an owner of the first public BERTs.
    What exists on this machine is a path; so is what would lie in a folder that exists.
    """
    if place.startswith(SCHEME):
        link = _LINK.fullmatch(place.rstrip("/"))
        other = place.removeprefix(SCHEME).startswith(_NOT_MODELS) or place.endswith(_FILES)
        return _made(link.groupdict()) if link and not other else None
    if _BARE.fullmatch(place.partition("@")[0]) and not os.path.exists(place):
        place = f"{_BARE_OWNER}/{place}"
    found = _NAME.fullmatch(place)
    if found is None or place.endswith(_FILES):
        return None
    if os.path.exists(place):
        _say_local(place)
        return None
    if os.path.exists(place.partition("/")[0]) and not found["revision"]:
        return None  # a path with a mistake in its last part
    return _made(found.groupdict())


def target_name(text: str) -> HubName:
    """The model on the hub that is to be written, whatever has that name here.

    Raises:
        UsageError: it is no `owner/name` or `owner/name@branch`.
    """
    pattern = _LINK if text.startswith(SCHEME) else _NAME
    found = pattern.fullmatch(text.rstrip("/"))
    if found is None or "/" not in found["repo"]:
        raise UsageError(
            f"{text!r} is no name of a model on the hub",
            "give OWNER/NAME, where OWNER is your name there or that of your organisation",
        )
    return HubName(found["repo"], found["revision"] or MAIN, found.groupdict().get("folder") or "")


def _made(parts: dict[str, str | None]) -> HubName:
    repo, folder = str(parts["repo"]), (parts.get("folder") or "").strip("/")
    if _BARE.fullmatch(repo.partition("/")[0]):  # hf://bert-base-uncased
        bare, _, rest = repo.partition("/")
        repo, folder = f"{_BARE_OWNER}/{bare}", "/".join(filter(None, (rest, folder)))
    return HubName(repo, parts["revision"] or MAIN, folder)


_said: set[str] = set()


def _say_local(place: str) -> None:
    """Say that a folder hides the model of its name, unless bertkit itself made the folder."""
    if place in _said or not os.path.isdir(place):
        return
    _said.add(place)
    if any(os.path.exists(os.path.join(place, mark)) for mark in _OWN_MARKS):
        return
    log.logger.info(
        "%s is a folder here, and that is used; the hub's model of this name is %s%s",
        place,
        SCHEME,
        place,
    )
