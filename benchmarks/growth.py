"""How the cost of each stage grows with its input: processor seconds and peak memory, fitted.

Run: python benchmarks/growth.py FOLDER [--sizes 4 8 16] [--stages split inspect] [--checkout DIR]

Every stage runs in a new process for each of three sizes, each the same multiple of the one
before. Reported are the exponent e of the law cost = start + a size^e (1 is linear; none where the
stage costs nothing to speak of), the cost and the memory of one more unit, and what that makes of
English Wikipedia (16 GB of text), OpenWebText (40 GB, 8 million files) and 1 TB. Processor seconds
are those of all processes of a stage, peak memory that of the largest one. --checkout measures
another checkout of bertkit. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VOCAB = "bertkit-uncased-8k"
# Corpus → gigabytes of text, files, parts of 16 MB, records at 512 tokens made ten times.
CORPORA = {
    "English Wikipedia": {"MB": 16_000, "files": 16_000, "parts": 1_000, "records": 55e6},
    "OpenWebText": {"MB": 40_000, "files": 8e6, "parts": 2_500, "records": 137e6},
    "1 TB": {"MB": 1e6, "files": 62_500, "parts": 62_500, "records": 3.4e9},
}
WORDS = [
    "".join(random.Random(n).choices("aeiourstlnmdcpbgfhk", k=2 + n % 9)) for n in range(20_000)
]
_LITTLE = 0.3  # processor seconds that a start may cost more or less
WEIGHTS = [1 / (n + 10) for n in range(len(WORDS))]

# Programs for what no command does alone: the size is the first argument, the folder the second.
PARTS = """
import sys
from bertkit.manifests.manifest import Manifest, begin
planned = Manifest("extract", {}, [{"path": "x", "bytes": 1, "sha256": "0" * 64}])
found = begin(sys.argv[2], planned)
facts = {"bytes": 27000000, "documents": 9000, "sentences": 200000, "sha256": "0" * 64}
for number in range(int(sys.argv[1])):
    found.record(sys.argv[2], {f"part-{number:05d}-of-99999.txt": facts})
found.state = "complete"
found.write(sys.argv[2])
"""
TASKS = """
import sys, time
from bertkit.workers.pool import run_tasks
done = sum(1 for _ in run_tasks(abs, range(int(sys.argv[1])), workers=2))
assert done == int(sys.argv[1])
"""
ORDER = """
import sys
from bertkit.data.sample_order import SampleOrder
order, count = SampleOrder(int(sys.argv[1]), 1), int(sys.argv[1])
for position in range(0, min(count, 256000), 256):
    order.take(position, 256)
order.take(count - 128, 256)
"""
RESUME = """
import sys
from bertkit.train.metrics import MetricsFile
MetricsFile(sys.argv[2], int(sys.argv[1]) - 10).close()
"""


@dataclass(frozen=True)
class Stage:
    """A thing to measure.

    Attributes:
        unit: of its size: MB of text, files, parts, records, lines.
        scale: units for each 1 of --sizes.
        prepare: makes the input of so many units in a folder; words of the command.
        tool: `bertkit`, or a program.
    """

    unit: str
    scale: int
    prepare: Callable[[Path, int], list[str]]
    program: str = ""


def text(path: Path, megabytes: float) -> Path:
    """Sentences of words with Zipf's frequencies, 1 % of them new."""
    chance = random.Random(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as stream:
        written = 0
        while written < megabytes * 1e6:
            words = chance.choices(WORDS, WEIGHTS, k=2000)
            words[::100] = [f"{word}{chance.randrange(10**6)}" for word in words[::100]]
            lines = (" ".join(words[start : start + 20]) + " .\n" for start in range(0, 2000, 20))
            written += stream.write("".join(lines) + "\n")
    return path


def files(folder: Path, count: int) -> Path:
    """A folder of small text files, one document each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:07d}.txt").write_text(
            f"A ship {number} sails.\nIt turns at {number}.\n"
        )
    return folder


def records(folder: Path, count: int) -> Path:
    """Record files of one make-records run, 50,000 records each."""
    one = folder.parent / "records-unit"
    if not one.exists():
        source = text(folder.parent / "records.txt", 1)
        call = ["make-records", "--input", str(source), "--vocab", VOCAB, "--msl", "128"]
        bertkit(ROOT, [*call, "--dupe-factor", "1", "--output", str(one)])
    made = next(one.glob("*.tfrecord"))
    each = json.loads((one / "manifest.json").read_text())["stats"]["records"]
    folder.mkdir()
    for number in range(max(1, round(count / each))):
        shutil.copy(made, folder / f"part-{number:05d}.tfrecord")
    return folder


def metrics(folder: Path, count: int) -> Path:
    """The folder of a run with so many lines of metrics."""
    folder.mkdir(parents=True, exist_ok=True)
    line = '{"kind": "train", "step": %d, "loss": %f, "mlm_accuracy": 0.5, "learning_rate": 1e-4}\n'
    with open(folder / "metrics.jsonl", "w") as stream:
        stream.writelines(line % (step, 5 + step % 7 / 7) for step in range(1, count + 1))
    return folder


def with_text(*command: str) -> Callable[[Path, int], list[str]]:
    """A command on a text file, with an output folder."""

    def prepare(folder: Path, size: int) -> list[str]:
        source = text(folder / "text.txt", size)
        return [*command, "--input", str(source), "--output", str(folder / "out")]

    return prepare


def with_records(name: str) -> Callable[[Path, int], list[str]]:
    def prepare(folder: Path, size: int) -> list[str]:
        place = str(records(folder / "in", size))
        more = {"verify": [place], "pick-eval": ["--count", "100", "--output", str(folder / "out")]}
        first = ["--input", place] if name == "pick-eval" else [place]
        return [name, *first, *more.get(name, [])]

    return prepare


def numbered(folder: Path, size: int) -> list[str]:
    return [str(size), str(folder / "out")]


def resumed(folder: Path, size: int) -> list[str]:
    return [str(size), str(metrics(folder / "run", size))]


def reported(folder: Path, size: int) -> list[str]:
    return ["report", str(metrics(folder / "run", size)), "--output", str(folder / "a.svg")]


def extracted(folder: Path, size: int) -> list[str]:
    place = files(folder / "in", size)
    return [
        "extract",
        "--input",
        str(place),
        "--splitter",
        "lines",
        "--output",
        str(folder / "out"),
    ]


def listed(folder: Path, size: int) -> list[str]:
    names = sorted(map(str, files(folder / "in", size).iterdir()))
    (folder / "train.txt").write_text("\n".join(names) + "\n")
    more = ["--metadata", str(folder / "train.txt"), "--splitter", "lines"]
    return ["split", "--method", "lists", *more, "--output", str(folder / "out")]


LINES = ("--splitter", "lines", "--workers", "1", "--form", "documents", "--part-megabytes", "1")
MAKE = ("make-records", "--vocab", VOCAB, "--msl", "128", "--dupe-factor", "1", "--workers", "1")
STAGES = {
    "extract": Stage("MB", 1, with_text("extract", *LINES)),
    "extract, files": Stage("files", 500, extracted),
    "clean": Stage("MB", 1, with_text("clean", "--drop", "exact", "--workers", "1")),
    "split": Stage("MB", 1, with_text("split", "--part-megabytes", "1")),
    "split, lists": Stage("files", 500, listed),
    "train-vocab": Stage("MB", 1, with_text("train-vocab", "--size", "8000")),
    "make-records": Stage("MB", 1, with_text(*MAKE)),
    "inspect": Stage("records", 20_000, with_records("inspect")),
    "verify": Stage("records", 10_000, with_records("verify")),
    "pick-eval": Stage("records", 20_000, with_records("pick-eval")),
    "manifest": Stage("parts", 500, numbered, PARTS),
    "pool": Stage("parts", 2_500, numbered, TASKS),
    "order": Stage("records", 1_000_000, numbered, ORDER),
    "resumed metrics": Stage("lines", 10_000, resumed, RESUME),
    "report": Stage("lines", 10_000, reported),
}


def bertkit(checkout: Path, words: Sequence[str], program: str = "") -> tuple[float, float]:
    """Run a command; (processor seconds of all its processes, peak megabytes of the largest)."""
    call = ["-c", program, *words] if program else ["-m", "bertkit", *words]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, *call], env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} failed: {said[-2000:]}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def measured(stage: Stage, folder: Path, checkout: Path, size: int) -> tuple[float, float]:
    """Prepare and run a stage of so many units."""
    place = folder / "stage"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    words = stage.prepare(place, size)
    found = bertkit(checkout, words, stage.program)
    shutil.rmtree(place)
    return found


def exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """The exponent of a power law that begins anywhere, by three sizes of one ratio.

    (c3 - c2) / (c2 - c1) is that ratio to the power of e, whatever the start costs.
    """
    first, second = costs[1] - costs[0], costs[2] - costs[1]
    return math.log(max(second, 1e-3) / max(first, 1e-3)) / math.log(sizes[2] / sizes[1])


def row(name: str, stage: Stage, sizes: Sequence[int], found: Sequence[tuple[float, float]]) -> str:
    """A line of the table."""
    costs = [cpu for cpu, _ in found]
    each = (costs[-1] - costs[0]) / (sizes[-1] - sizes[0])
    memory = (found[-1][1] - found[0][1]) / (sizes[-1] - sizes[0])
    shown = ", ".join(
        f"{size:,} {cpu:.1f} s {peak:,.0f} MB"
        for size, (cpu, peak) in zip(sizes, found, strict=True)
    )
    hours = [
        f"{each * corpus[stage.unit] / 3600:,.2f} h" if stage.unit in corpus else "-"
        for corpus in CORPORA.values()
    ]
    law = f"{exponent(sizes, costs):.2f}" if costs[1] - costs[0] > _LITTLE else "-"
    cells = [name, stage.unit, shown, law, f"{each * 1e6:,.1f} us",
             f"{memory * 1e3:+.2f} kB", *hours]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", type=int, nargs=3, default=[4, 8, 16])
    parser.add_argument("--stages", nargs="*", default=list(STAGES), choices=list(STAGES))
    parser.add_argument("--checkout", type=Path, default=ROOT)
    given = parser.parse_args()
    small, middle, large = given.sizes
    if not small < middle < large or middle * middle != small * large:
        parser.error("three sizes, each the same multiple of the one before")
    os.environ["XDG_CACHE_HOME"] = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    columns = ["stage", "unit", "size, processor, peak", "exponent", "a unit", "memory a unit"]
    print(f"| {' | '.join([*columns, *CORPORA])} |\n{'|---' * (len(columns) + len(CORPORA))}|")
    for name in given.stages:
        stage = STAGES[name]
        sizes = [size * stage.scale for size in given.sizes]
        smallest = max(1, sizes[0] // 50)
        measured(stage, given.folder, given.checkout, smallest)  # compiles kernels, fills caches
        found = [measured(stage, given.folder, given.checkout, n) for n in sizes]
        print(row(name, stage, sizes, found), flush=True)
    print(f"\n{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {given.checkout}")


if __name__ == "__main__":
    main()
