"""Tells which runs began from the same encoder: by the digest of its weights, else by its path."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from bertkit.storage.files import is_remote
from bertkit.tasks.comparison.names import short_names
from bertkit.tasks.comparison.scored_run import ScoredRun


@dataclass(frozen=True)
class Encoder:
    """A checkpoint that runs began from.

    Attributes:
        name: short, for people.
        path: as the first run names it.
        digest: of its weights; empty where it is not known, or differs with the task: tasks
            take different parts of a checkpoint.
    """

    name: str
    path: str
    digest: str


def encoders_of(runs: Sequence[ScoredRun]) -> tuple[dict[str, Encoder], list[str]]:
    """The encoder of each run by its folder, and what was noticed.

    Two runs of one task whose weights at the start have the same digest began from the same
    encoder, whatever its path was; with different digests they did not, even if the path was the
    same. Between tasks, and where there is no digest, paths decide.
    """
    paths = {run.folder: _path(run.encoder) for run in runs}
    digests: dict[tuple[str, str], list[str]] = {}
    for run in runs:
        found = digests.setdefault((paths[run.folder], run.task), [])
        if run.encoder_digest and run.encoder_digest not in found:
            found.append(run.encoder_digest)
    changed = {path for (path, _), found in digests.items() if len(found) > 1}
    notes = [f"{path} did not hold the same weights for all runs: kept apart" for path in changed]
    same: dict[tuple[str, str], str] = {}  # (task, digest) → the path it was first seen at
    alias: dict[str, str] = {}
    for run in runs:
        path = paths[run.folder]
        if not run.encoder_digest or path in changed:
            continue
        first = same.setdefault((run.task, run.encoder_digest), path)
        if first != path and alias.setdefault(path, alias.get(first, first)) != path:
            notes.append(f"{path} has the weights of {first}: one row")
    keys = {run.folder: _key(run, paths[run.folder], alias, changed) for run in runs}
    distinct = list(dict.fromkeys(keys.values()))
    short = dict(zip(distinct, short_names([path for path, _ in distinct]), strict=True))
    encoders = {}
    for run in runs:
        path, digest = key = keys[run.folder]
        known = {r.encoder_digest for r in runs if keys[r.folder] == key and r.encoder_digest}
        name = f"{short[key]} ({digest[:7]})" if digest else short[key]
        encoders[run.folder] = Encoder(name, path, known.pop() if len(known) == 1 else "")
    return encoders, notes


def _key(run: ScoredRun, path: str, alias: dict[str, str], changed: set[str]) -> tuple[str, str]:
    if path in changed:
        return path, run.encoder_digest
    return alias.get(path, path), ""


def _path(encoder: str) -> str:
    if not encoder:
        return "new weights"
    return encoder if is_remote(encoder) else os.path.normpath(encoder)
