"""Finds checkpoints wherever they are named: on this machine, in storage, on the model hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bertkit.hub.fetch import fetch_model, fetch_vocabulary
from bertkit.hub.names import hub_name
from bertkit.hub.sources import name_of
from bertkit.model.model_types import require_bert, type_of_config
from bertkit.remote import checkpoints as remote


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


def _require_bert(config: Mapping[str, Any], where: str) -> None:
    require_bert(type_of_config(config), where)
