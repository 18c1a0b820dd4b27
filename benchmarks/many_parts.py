"""What 100,000 parts cost the process that hands them out, with work of nothing: per part.

Run: python benchmarks/many_parts.py FOLDER [--parts 100000] [--workers 2] [--scheduler URL]

Each part is a task that returns the facts of a file; the parent records it in the journal of the
folder's manifest, as `extract` and `make-records` do. With --scheduler the tasks go to a Dask
cluster. The parent's processor time is what no further machine makes shorter.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path
from typing import Any

from bertkit.manifests.manifest import Manifest, read_manifest, working_folder
from bertkit.workers.engine import Engine

FACTS = {"bytes": 27_000_000, "documents": 9_000, "sentences": 200_000, "sha256": "0" * 64}


def part(number: int) -> tuple[str, dict[str, Any]]:
    """The work: none."""
    return f"part-{number:05d}.txt", FACTS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scheduler", default="")
    given = parser.parse_args()
    executor = "dask" if given.scheduler else "processes"
    engine = Engine(given.workers, executor, given.scheduler)
    planned = Manifest("extract", {}, [{"path": "x", "bytes": 1, "sha256": "0" * 64}])
    begin, own = time.perf_counter(), time.process_time()
    with working_folder(given.folder, planned) as manifest:
        for name, facts in engine.run(part, range(given.parts)):
            manifest.record(given.folder, {name: facts})
        manifest.outputs = dict(sorted(manifest.outputs.items()))
        manifest.state = "complete"
        manifest.write(given.folder)
    wall, cpu = time.perf_counter() - begin, time.process_time() - own
    found = read_manifest(given.folder)
    assert found is not None
    assert len(found.outputs) == given.parts
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    each = 1e3 * cpu / given.parts
    print(f"{given.parts:,} parts by {executor}: {wall:.1f} s; of the parent {each:.3f} ms a part")
    print(f"and {peak:.0f} MB")


if __name__ == "__main__":
    main()
