"""Finds out which shards an output folder has already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bertkit import log
from bertkit.manifests.manifest import Manifest
from bertkit.records.config import RecordsConfig
from bertkit.records.shards import Shard, plan_shards, shards_of_0_1


def verify(manifest: Manifest, place: Path) -> bool:
    """True if the folder is complete; forgets outputs that are gone or of another size."""
    kept = {
        name: facts
        for name, facts in manifest.outputs.items()
        if (place / name).is_file() and (place / name).stat().st_size == facts["bytes"]
    }
    whole = manifest.complete and len(kept) == len(manifest.outputs)
    manifest.outputs = kept
    return whole


def restore_indexes(manifest: Manifest, place: Path, config: RecordsConfig) -> None:
    """Make the listed indexes that are gone again from the record files that are there."""
    from bertkit.records.files.record_index import index_path

    for name, facts in manifest.outputs.items():
        beside = index_path(place / name)
        size = beside.stat().st_size if beside.is_file() else 0
        if size != facts.get("index_bytes", size):
            from bertkit.records.write_shard import restore_index

            log.logger.info("making the index of %s again", place / name)
            restore_index(place / name, config)


def is_done(shard: Shard, manifest: Manifest) -> bool:
    """Whether a shard's files are listed, or its text is known to hold nothing."""
    known = manifest.outputs.keys() | set(manifest.stats.get("empty", ()))
    return known.issuperset(shard.outputs)


def shards_of_run(manifest: Manifest, names: Sequence[str], config: RecordsConfig) -> list[Shard]:
    """The shards of a run; one that an older bertkit began goes on with its names of files."""
    shards = plan_shards(names, config)
    known = manifest.outputs.keys() | set(manifest.stats.get("empty", ()))
    if known and known.isdisjoint(name for shard in shards for name in shard.outputs):
        return shards_of_0_1(names, config)
    return shards
