"""Finds checkpoints wherever they are named: on this machine, in storage, on the model hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from bertkit.configuration.config import Resolved
from bertkit.hub.fetch import fetch_model, fetch_vocabulary
from bertkit.hub.names import hub_name
from bertkit.hub.sources import name_of
from bertkit.model.model_types import require_bert, type_of_config
from bertkit.remote import checkpoints as remote
from bertkit.storage.files import is_remote

C = TypeVar("C")


def is_here(place: str) -> bool:
    """Whether a place is on this machine, not in storage or on the hub; it need not exist."""
    return not is_remote(place) and hub_name(place) is None


def local_checkpoint(place: str) -> str:
    """The local path of a checkpoint; one that is elsewhere is copied here first.

    Args:
        place: a path; a URL; or a model of the hub, as `hub.names.hub_name` takes it.

    Raises:
        DataError: nothing is there, it is no BERT, or it cannot be read.
        MissingDependencyError: what it needs is not installed.
    """
    name = hub_name(place)
    if name is None:
        return remote.local_checkpoint(place)
    return str(fetch_model(name, _require_bert))


def local_checkpoints(places: Sequence[str]) -> list[str]:
    """`local_checkpoint` of each; of storage's globs, of each of the matches."""
    found = []
    for place in places:
        here = [local_checkpoint(place)] if hub_name(place) else None
        found += here or remote.local_checkpoints([place])
    return found


def pinned_vocabulary(place: str) -> str:
    """A vocabulary as it was named; of a model of the hub the name with the commit of now.

    Raises:
        DataError, MissingDependencyError: it cannot be had from the hub.
    """
    name = hub_name(place)
    return place if name is None else name_of(fetch_vocabulary(name))


def fetch_checkpoint(given: dict[str, Any]) -> None:
    """Copy what `init_checkpoint` and `vocab` of some settings name elsewhere to this machine.

    Raises: as `local_checkpoint` and `pinned_vocabulary`.
    """
    for name, fetch in (("init_checkpoint", local_checkpoint), ("vocab", pinned_vocabulary)):
        if given.get(name):
            given[name] = fetch(given[name])


def with_local_checkpoint(found: Resolved[C]) -> Resolved[C]:
    """The same settings with a remote `init_checkpoint` and `vocab` copied to this machine."""
    places = {name: getattr(found.config, name, None) for name in ("init_checkpoint", "vocab")}
    fetch_checkpoint(here := dict(places))
    changes: Any = {name: place for name, place in here.items() if place != places[name]}
    config: Any = found.config
    return replace(found, config=replace(config, **changes)) if changes else found


def _require_bert(config: Mapping[str, Any], where: str) -> None:
    require_bert(type_of_config(config), where)
