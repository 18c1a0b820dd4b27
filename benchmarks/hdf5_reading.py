"""What a record of a large HDF5 file costs at random: from memory, unpacked in the cache, packed.

Run: python benchmarks/hdf5_reading.py FOLDER [--records 400000] [--batches 200] [--rounds 3]

FOLDER gets a gzip-compressed file of records at length 512, of made-up numbers (1.5 GB unpacked
by default, 3,700 bytes a record), and the cache it is unpacked to. Beyond 1 GB a file is not kept
in memory: the three ways take turns at the same batches of 256 records. Processor and wall
microseconds a record; the unpacking itself, which happens once, is told apart.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from pathlib import Path

import h5py
import numpy as np

from bertkit.records.files.hdf5 import files as hdf5

LENGTH, PREDICTIONS, BATCH = 512, 76, 256
VOCAB_SIZE = 30_522


def write(path: Path, records: int) -> None:
    """Write the file, 10,000 rows at a time, as NVIDIA's program types and compresses it."""
    random = np.random.default_rng(1)
    kinds = {
        "input_ids": ("i4", LENGTH),
        "input_mask": ("i1", LENGTH),
        "segment_ids": ("i1", LENGTH),
        "masked_lm_positions": ("i4", PREDICTIONS),
        "masked_lm_ids": ("i4", PREDICTIONS),
        "next_sentence_labels": ("i1", 0),
    }
    with h5py.File(path, "w") as file:
        for name, (kind, width) in kinds.items():
            shape = (records, width) if width else (records,)
            file.create_dataset(name, shape, kind, compression="gzip", compression_opts=1)
        for begin in range(0, records, 10_000):
            rows = min(10_000, records - begin)
            values = {
                "input_ids": random.integers(1000, VOCAB_SIZE, (rows, LENGTH)),
                "input_mask": np.ones((rows, LENGTH)),
                "segment_ids": np.repeat([[0, 1]], LENGTH // 2, axis=1).repeat(rows, 0),
                "masked_lm_positions": np.tile(np.arange(1, PREDICTIONS + 1), (rows, 1)),
                "masked_lm_ids": random.integers(1000, VOCAB_SIZE, (rows, PREDICTIONS)),
                "next_sentence_labels": random.integers(0, 2, rows),
            }
            for name, block in values.items():
                file[name][begin : begin + rows] = block


def readers(path: Path) -> dict[str, hdf5.Hdf5File]:
    """The file, read in the three ways."""
    found = {}
    for name, room in (("in memory", 1 << 40), ("unpacked in the cache", 0), ("packed", 0)):
        hdf5.MEMORY = hdf5.Room(room)
        reader = hdf5.Hdf5File(path)
        begin = time.perf_counter()
        if name == "packed":
            reader._datasets = hdf5.Datasets(str(path), hdf5.PLAIN)
            reader._datasets._at_hand = True  # as where the cache has no room
        else:
            reader.batch([0, len(reader) - 1])
        print(f"{name}: opened in {time.perf_counter() - begin:.1f} s")
        found[name] = reader
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=400_000)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    os.environ["XDG_CACHE_HOME"] = str(given.folder / "cache")
    path = given.folder / f"records-{given.records}.hdf5"
    if not path.exists():
        write(path, given.records)
    found = readers(path)
    random = np.random.default_rng(2)
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in found}
    for _ in range(given.rounds):
        for name, reader in found.items():
            # A packed record costs whole chunks: two batches say enough.
            count = 2 if name == "packed" else given.batches
            batches = [random.integers(0, len(reader), BATCH) for _ in range(count)]
            wall, used = time.perf_counter(), time.process_time()
            for batch in batches:
                reader.batch(batch)
            each = 1e6 / (count * BATCH)
            costs[name].append(
                ((time.perf_counter() - wall) * each, (time.process_time() - used) * each)
            )
    print(f"\n{path.stat().st_size / 1e9:.2f} GB packed, {given.records:,} records, "
          f"{platform.machine()}, h5py {h5py.__version__}\n")  # fmt: skip
    print("| | wall, us a record | processor, us | times memory |\n|---|---|---|---|")
    base = statistics.median(used for _, used in costs["in memory"])
    for name, rows in costs.items():
        wall, used = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"| {name} | {wall:.1f} | {used:.1f} | {used / base:.1f} |")


if __name__ == "__main__":
    main()
