"""What opening record files costs by number of files and by size: seconds, and bytes read.

Run: python benchmarks/opening.py FOLDER [--before CHECKOUT]

FOLDER gets a record file of some 220 MB, hard links to it (100 of them are a set of 22 GB), and
files that hold it several times over. Each case is opened by a new process, with the files
dropped from the system's cache. --before opens the same files with another checkout of bertkit.
Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
KEYS = {"command", "config", "inputs", "outputs", "stats", "state", "versions"}
VOCAB = "bertkit-uncased-8k"
VOCABULARY = ("the", "ship", "went", "to", "sea", "and", "saw", "many", "whales", "in", "water")
# Opens record files and tells what that cost. Bytes touched are those of read calls, and those
# of mapped pages that were looked at; the disk may be asked for more, or for less.
CHILD = r"""
import json, os, re, sys, time
import bertkit.data.record_source as source
sys.path.insert(0, "")
def counts():
    lines = dict(line.split(": ") for line in open("/proc/self/io").read().splitlines())
    return int(lines["rchar"]), int(lines["read_bytes"])
def mapped(folder):
    found, inside = 0, False
    for line in open("/proc/self/smaps"):
        head = re.match(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)$", line)
        if head:
            inside = head[1].startswith(folder)
        elif inside and line.startswith("Rss:"):
            found += 1024 * int(line.split()[1])
    return found
source.RecordSource([sys.argv[2]])  # imports and kernels
before, cpu, begin = counts(), time.process_time(), time.perf_counter()
records = source.RecordSource([sys.argv[1]])
seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
read, disk = (b - a for a, b in zip(before, counts()))
print(json.dumps({"records": len(records), "seconds": seconds, "cpu": cpu, "disk": disk,
                  "touched": read + mapped(os.path.realpath(sys.argv[1]))}))
"""


def make_one(folder: Path, megabytes: int) -> Path:
    """A record file of words at random, very roughly so large, and its index."""
    from bertkit.records.config import RecordsConfig
    from bertkit.records.make import make_records

    random.seed(1)
    text = folder / "text.txt"
    with open(text, "w", encoding="utf-8") as stream:
        for _ in range(75 * megabytes):
            stream.write(" ".join(random.choices(VOCABULARY, k=20)) + random.choice(["\n", "\n\n"]))
    config = RecordsConfig(max_seq_length=512, dupe_factor=10)
    make_records(config, [str(text)], folder / "one", VOCAB, overwrite=True)
    return folder / "one" / "text.tfrecord"


def linked(folder: Path, one: Path, count: int) -> Path:
    """A folder of `count` hard links to a record file and its index, with a manifest."""
    from bertkit.records.files.record_index import index_path

    place = folder / f"files-{count}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    manifest = json.loads((one.parent / "manifest.json").read_text())
    for key in manifest.keys() - KEYS:  # of later versions
        del manifest[key]
    facts = manifest["outputs"][one.name]
    manifest["outputs"] = {f"part-{number:05d}.tfrecord": facts for number in range(count)}
    for name in manifest["outputs"]:
        os.link(one, place / name)
        index_path(place / name).parent.mkdir(exist_ok=True)
        os.link(index_path(one), index_path(place / name))
    (place / "manifest.json").write_text(json.dumps(manifest))
    return place


def repeated(folder: Path, one: Path, times: int) -> Path:
    """A file from elsewhere, without manifest and index, that holds a record file `times` over."""
    place = folder / f"times-{times}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    with open(place / "all.tfrecord", "wb") as stream:
        for _ in range(times):
            stream.write(one.read_bytes())
    return place


def drop(place: Path) -> None:
    """Drop a folder's files from the system's cache."""
    os.sync()
    for path in (path for path in place.rglob("*") if path.is_file()):
        with open(path, "rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def opened(place: Path, checkout: Path, warm: Path) -> dict[str, Any]:
    """What a new process says of opening a folder."""
    drop(place)
    words = [sys.executable, "-c", CHILD, str(place), str(warm)]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(words, check=True, capture_output=True, env=environment, cwd=checkout)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def row(name: str, size: int, found: dict[str, Any]) -> str:
    """A line of the table."""
    seconds = f"{found['seconds']:.3f} s | {found['cpu']:.3f} s"
    read = f"{found['touched'] / 1e6:,.2f} MB | {found['disk'] / 1e6:,.2f} MB"
    return f"| {name} | {size / 1e9:.2f} GB | {found['records']:,} | {seconds} | {read} |"


def run(folder: Path, arms: Sequence[tuple[str, Path]], megabytes: int) -> None:
    """Make the files and print the table."""
    one = make_one(folder, megabytes)
    size = one.stat().st_size
    warm = folder / "warm.tfrecord"
    with open(one, "rb") as stream:
        length = int.from_bytes(stream.read(8), "little") + 16
        stream.seek(0)
        warm.write_bytes(stream.read(length))
    print("| files | bytes | records | seconds | processor | touched | from disk |")
    print("|---|---|---|---|---|---|---|")
    for count in (1, 10, 100):
        place = linked(folder, one, count)
        for name, checkout in arms:
            print(
                row(f"{count} of make-records, {name}", count * size, opened(place, checkout, warm))
            )
    for times in (1, 10):
        place = repeated(folder, one, times)
        for name, checkout in arms:
            for start in ("first start", "second start"):
                found = opened(place, checkout, warm)
                print(row(f"1 from elsewhere, {name}, {start}", times * size, found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--before", type=Path)
    parser.add_argument(
        "--megabytes", type=int, default=200, help="of the record file, very roughly"
    )
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    given.folder.mkdir(parents=True, exist_ok=True)
    arms = [("before", given.before)] if given.before else []
    run(given.folder, [*arms, ("now", ROOT)], given.megabytes)


if __name__ == "__main__":
    main()
