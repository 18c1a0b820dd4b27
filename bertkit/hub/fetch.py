"""Fetches what a checkpoint or a vocabulary of the hub needs into huggingface_hub's cache."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.errors import DataError, MissingDependencyError
from bertkit.hub import files
from bertkit.hub.client import UnreachableError, hub_errors, package
from bertkit.hub.names import HubName
from bertkit.hub.sources import Source, note_source, source_of
from bertkit.storage.files import free_bytes, human_bytes

# Refuses what a configuration says not to be the model that is wanted; its place for messages.
Check = Callable[[Mapping[str, Any], str], None]
# What this process has fetched, and the commit of each branch: one call of bertkit sees one
# commit, whenever it looks.
_fetched: dict[tuple[HubName, bool, str], Path] = {}
_commits: dict[tuple[str, str, str], str] = {}


def fetch_model(name: HubName, check: Check) -> Path:
    """The local folder of a checkpoint: configuration, vocabulary and one set of weights.

    Args:
        name: on the hub.
        check: called with the configuration before anything large is fetched.

    Raises:
        DataError: no such model or revision, no permission, no network, no room on the disk, or
            files that bertkit does not read.
        MissingDependencyError: huggingface_hub is not installed.
    """
    return _once(name, check)


def fetch_vocabulary(name: HubName) -> Path:
    """The local folder with the vocabulary of a model, and what tells how its text is treated.

    Raises:
        DataError, MissingDependencyError: as for `fetch_model`; or there is no vocabulary.
    """
    return _once(name, None)


def cached_vocabulary(name: HubName) -> Path | None:
    """The folder of a model's vocabulary in the cache; None where it is not there."""
    try:
        hub = package(name)
    except MissingDependencyError:
        return None
    found = _cached(hub, name, files.VOCABULARIES)
    return found[0].parent if found else None


def _once(name: HubName, check: Check | None) -> Path:
    hub = package(name)
    server = f"{hub.constants.ENDPOINT} {hub.constants.HF_HUB_CACHE}"
    key = (name, check is not None, server)
    if key not in _fetched:
        try:
            with hub_errors(name):
                fetch = _Fetch(hub, name)
            folder = fetch.run(check)
        except UnreachableError as error:
            folder = _from_cache(hub, name, check, error)
        source = source_of(folder)
        for same in (name, name.at(source.commit) if source else name):
            _fetched[same, check is not None, server] = folder
    return _fetched[key]


class _Fetch:
    """One model at one commit.

    Args:
        hub: the package.
        name: on the hub.
    """

    def __init__(self, hub: Any, name: HubName) -> None:
        branch = (hub.constants.ENDPOINT, name.repo, name.revision)
        revision = _commits.get(branch, name.revision)
        info = hub.HfApi(endpoint=hub.constants.ENDPOINT).model_info(
            name.repo, revision=revision, files_metadata=True
        )
        self._hub, self._name, self._commit = hub, name, str(info.sha)
        _commits[branch] = self._commit
        inside = f"{name.folder}/" if name.folder else ""
        paths = {item.rfilename: int(item.size or 0) for item in info.siblings or ()}
        below = {
            path.removeprefix(inside): n for path, n in paths.items() if path.startswith(inside)
        }
        # Of the files in the folder itself.
        self._sizes = {path: size for path, size in below.items() if "/" not in path}
        self._folders = sorted({path.partition("/")[0] for path in below if "/" in path})
        self._where = f"{name} (commit {self._commit[:12]})"

    def run(self, check: Check | None) -> Path:
        """Fetch what is not here yet; returns the local folder."""
        if not self._sizes:
            inside = f" in {self._name.folder}" if self._name.folder else ""
            raise DataError(f"{self._where} has no files{inside}", self._look())
        wanted = files.tokenizer(self._sizes)
        if check is None:
            _require_vocabulary(wanted, self._where, list(self._sizes))
        else:
            self._check(check)
            wanted += files.configuration(self._sizes)
            wanted += files.weights(self._sizes, self._content, self._where)
        here = {path.name for path in _cached(self._hub, self._name.at(self._commit), wanted)}
        missing = [name for name in wanted if name not in here]
        size = sum(self._sizes[name] for name in missing)
        cache = str(self._hub.constants.HF_HUB_CACHE)
        if size > free_bytes(cache):
            raise DataError(
                f"{self._where}: {human_bytes(size)} to fetch into {cache}, where"
                f" {human_bytes(free_bytes(cache))} are free",
                "set HF_HOME to a folder on a larger disk",
            )
        if missing:
            told = ", ".join(f"{name} ({human_bytes(self._sizes[name])})" for name in missing)
            log.logger.info(
                "%s: fetching %s into %s: %s", self._where, human_bytes(size), cache, told
            )
        paths = [self._fetch(name) for name in wanted]
        self._note_revision(paths[0])
        folder = paths[0].parent
        note_source(folder, Source(self._name, self._commit))
        log.logger.info("%s: the files in %s are used", self._where, folder)
        return folder

    def _look(self) -> str:
        """What to do where the folder is not that of a model."""
        if not self._folders:
            return "look at its page: it may be another name that you mean"
        one = self._name
        inside = "/".join(filter(None, (one.folder, self._folders[0])))
        return (
            f"it has folders ({', '.join(self._folders[:5])}); one of them is named as"
            f" {HubName(one.repo, one.revision, inside)}"
        )

    def _check(self, check: Check) -> None:
        """Look at the configuration, which is small, before the weights, which are not."""
        names = files.configuration(self._sizes)
        if not names:
            has = ", ".join(sorted(self._sizes)[:5])
            raise DataError(
                f"{self._where} has no {files.CONFIGS[0]}: it is no model of transformers; it has"
                f" {has}",
                self._look(),
            )
        check(files.json_object(self._content(names[0]), f"{self._where}: {names[0]}"), self._where)

    def _content(self, name: str) -> bytes:
        return self._fetch(name).read_bytes()

    def _path(self, name: str) -> str:
        return posixpath.join(self._name.folder, name)

    def _fetch(self, name: str) -> Path:
        with hub_errors(self._name):
            path = self._hub.hf_hub_download(
                self._name.repo,
                self._path(name),
                revision=self._commit,
                endpoint=self._hub.constants.ENDPOINT,
                cache_dir=self._hub.constants.HF_HUB_CACHE,
            )
        return Path(path)

    def _note_revision(self, path: Path) -> None:
        """Tell the cache which commit the branch or tag is now, for calls without a network."""
        if self._name.revision == self._commit:
            return
        snapshot = path.parents[len(Path(self._name.folder).parts)]
        place = snapshot.parents[1] / "refs" / self._name.revision
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(self._commit)


def _require_vocabulary(wanted: list[str], where: str, names: list[str]) -> None:
    if not set(wanted) & set(files.VOCABULARIES):
        raise DataError(
            f"{where} has no {' and no '.join(files.VOCABULARIES)}; it has"
            f" {', '.join(sorted(names)[:5])}",
            "bertkit's vocabularies are WordPiece's: give a model of BERT's kind, or a file",
        )


def _cached(hub: Any, name: HubName, wanted: Sequence[str]) -> list[Path]:
    """Those of the wanted files that the cache has."""
    asked = (posixpath.join(name.folder, file) for file in wanted)
    cache = hub.constants.HF_HUB_CACHE
    found = [
        hub.try_to_load_from_cache(name.repo, file, cache_dir=cache, revision=name.revision)
        for file in asked
    ]
    return [Path(path) for path in found if isinstance(path, str)]


def _from_cache(hub: Any, name: HubName, check: Check | None, error: UnreachableError) -> Path:
    """The folder in the cache, where all that is needed was fetched before.

    Raises:
        UnreachableError: it was not.
    """
    paths = _cached(hub, name, files.CONFIGS if check else files.VOCABULARIES)
    if not paths:
        raise UnreachableError(
            f"{error.message}; nothing of it is in the cache {hub.constants.HF_HUB_CACHE}",
            error.hint,
        ) from error
    folder = paths[0].parent
    # The folder of the commit, which may hold that of the model.
    commit = (folder, *folder.parents)[len(Path(name.folder).parts)]
    names = [path.name for path in folder.iterdir() if path.is_file()]
    try:
        if check is not None:
            values = files.json_object(paths[0].read_bytes(), str(paths[0]))
            check(values, str(name))
            files.weights(names, lambda file: (folder / file).read_bytes(), str(name))
    except DataError as incomplete:
        raise UnreachableError(
            f"{error.message}; of it, the cache {hub.constants.HF_HUB_CACHE} has only"
            f" {', '.join(sorted(names))}",
            error.hint,
        ) from incomplete
    log.logger.warning(
        "%s: what was fetched before is used: commit %s, in %s", error.message, commit.name, folder
    )
    note_source(folder, Source(name, commit.name))
    return folder
