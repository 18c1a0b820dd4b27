"""Groups the inputs of `extract` into parts, and says what the manifest says of each group."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any, NamedTuple

from bertkit.corpus.forms.form import Span
from bertkit.storage.files import CHUNK, is_remote, open_binary, read_small
from bertkit.workers.engine import Engine
from bertkit.workers.pool import worker_count

# Groups that are hashed by one task of a cluster.
_HASHED = 32


class Group(NamedTuple):
    """The input of one part: files, or a span of a single file."""

    paths: tuple[str, ...]
    forms: tuple[str, ...] = ()
    span: Span | None = None


def described(groups: Sequence[Group], engine: Engine) -> list[dict[str, Any]]:
    """What the manifest says of the input of each part; several are hashed at a time."""
    if engine.executor == "processes":
        with ThreadPoolExecutor(worker_count(engine.workers, len(groups))) as pool:
            return list(pool.map(_input_facts, groups))
    here = [group._replace(paths=tuple(map(engine.path, group.paths))) for group in groups]
    tasks = [here[start : start + _HASHED] for start in range(0, len(here), _HASHED)]
    found = chain.from_iterable(engine.in_order(_facts_of_all, tasks))
    return [{**facts, "path": group.paths[0]} for facts, group in zip(found, groups, strict=True)]


def _facts_of_all(groups: Sequence[Group]) -> list[dict[str, Any]]:
    return [_input_facts(group) for group in groups]


def _input_facts(group: Group) -> dict[str, Any]:
    """Path, count, size and one hash of the input of a part."""
    digest = hashlib.sha256()
    size = 0
    start, stop = group.span[:2] if group.span else (0, sys.maxsize)
    for name in group.paths:
        for block in _blocks(name, start, stop):
            digest.update(block)
            size += len(block)
        # With sizes, text moved from one file to the next changes the hash.
        digest.update(size.to_bytes(8, "big"))
    facts = {"path": group.paths[0], "bytes": size, "sha256": digest.hexdigest()}
    if group.span:
        return {**facts, "from_byte": start}
    return facts if len(group.paths) == 1 else {**facts, "files": len(group.paths)}


def _blocks(name: str, start: int, stop: int) -> Iterator[bytes]:
    """The bytes of a file from one place to another; those of a small one at once."""
    whole = None if start or is_remote(name) else read_small(name, min(CHUNK, stop))
    if whole is not None:
        yield whole
        return
    with open_binary(name) as stream:
        if start:
            stream.seek(start)
        while block := stream.read(min(CHUNK, stop - start)):
            yield block
            start += len(block)
