"""Says of record files what a manifest keeps of inputs; files of which nothing is known are read.

One that `make-records` wrote has a hash in its manifest and an index beside it. Any other is read
from end to end, once for its hash, and once for its index where it has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bertkit.manifests.cache import cached_manifest, stamp_of
from bertkit.manifests.inputs import described_by
from bertkit.manifests.manifest import Manifest, describe_inputs
from bertkit.records.files.open import open_any_records
from bertkit.records.files.tfrecord.reader import checksums_digest
from bertkit.remote.facts import url_of
from bertkit.storage.files import sha256_of, size_of
from bertkit.workers.engine import Engine

_CRCS = "crc_sha256"  # of all checksums of a file's records, as manifests tell it
_SHA = "sha256"


def described_records(
    names: Sequence[str], found: Manifest | None = None, engine: Engine | None = None
) -> Sequence[Any]:
    """Path, size and a hash of record files; those that a manifest tells are not read.

    Args:
        names: of the files.
        found: of the folder, in which a run may have described them before, perhaps otherwise.
        engine: what reads the files; None: this process.

    Raises:
        DataError: no records, or damaged.
    """
    engine = engine or Engine()
    before = list(found.inputs) if found is not None and len(found.inputs) == len(names) else []
    kinds = [_SHA if _SHA in entry else _CRCS for entry in before] or [""] * len(names)
    if kinds[0] == _SHA and len(set(kinds)) == 1:
        return describe_inputs(names, engine)
    told = [_told(name) if kind != _SHA else "" for name, kind in zip(names, kinds, strict=True)]
    unknown = [
        (name, kind) for name, kind, hashed in zip(names, kinds, told, strict=True) if not hashed
    ]
    reading = engine.for_bytes(sum(size_of(name) for name, _ in unknown))
    tasks = [(engine.path(name), kind) for name, kind in unknown]
    read = reading.in_order(_hash_of, tasks, "hash" if tasks else "")
    return [
        _entry(name, hashed or next(read), _CRCS if hashed or kind == _CRCS else _SHA)
        for name, kind, hashed in zip(names, kinds, told, strict=True)
    ]


def _entry(name: str, hashed: str, kind: str) -> dict[str, Any]:
    if kind == _SHA:
        return described_by(name, hashed)
    return {"path": url_of(name), "bytes": size_of(name), kind: hashed}


def _told(name: str) -> str:
    """The hash that the manifest beside a file tells; empty for none.

    A file that is younger than its manifest need not be the one that it means.
    """
    stamp = stamp_of(Path(name).parent)
    manifest = cached_manifest(Path(name).parent) if stamp else None
    facts = manifest.outputs.get(Path(name).name, {}) if manifest else {}
    here = Path(name).stat()
    told = stamp is not None and _CRCS in facts and facts["bytes"] == here.st_size
    return str(facts[_CRCS]) if told and stamp and here.st_mtime_ns <= stamp.changed else ""


def _hash_of(task: tuple[str, str]) -> str:
    """The hash of a file, which is opened first: that leaves an index beside it."""
    name, kind = task
    open_any_records(name)
    return checksums_digest(name) if kind == _CRCS else sha256_of(name)
