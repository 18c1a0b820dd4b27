"""The text summary: what it costs make-records, and how time and memory grow with the text.

Run: python benchmarks/corpus.py summary [--rounds 3]
     python benchmarks/corpus.py growth [--sizes 10 30 100]

`summary` counts a text alone, and takes from `make-records` (dupe factor 1, one process, the
shard built in this process) the processor time that goes into counting, for plain and for gzip
text. `growth` runs whole commands in one process over texts of growing size, none of whose lines
repeats, and gives the slopes of time and of peak memory between the smallest and the largest.
"""

from __future__ import annotations

import gzip
import lzma
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

LEAST = 20.0  # MB/s per core that the summary must reach
VOCAB = "bertkit-uncased-8k"
_ENDS = re.compile(r"(?<=[.!?]) +(?=[A-Z])")


def sentences_of(source: Path) -> str:
    """Paragraphs as one sentence per line, three of them a document."""
    lines: list[str] = []
    with lzma.open(source, "rt") as stream:
        paragraphs = [line for line in stream.read().split("\n") if line.strip()]
    for number, paragraph in enumerate(paragraphs, start=1):
        lines += _ENDS.sub("\n", paragraph).split("\n")
        if number % 3 == 0:
            lines.append("")
    return "\n".join(lines) + "\n"


class Spent:
    """Processor seconds that go into some functions; they must not call each other."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def watch(self, owner: Any, name: str) -> Callable[[], None]:
        """Measure a method from now on; returns what puts the old one back."""
        work = getattr(owner, name)

        def measured(*args: Any, **more: Any) -> Any:
            begin = time.process_time()
            try:
                return work(*args, **more)
            finally:
                self.seconds += time.process_time() - begin

        setattr(owner, name, measured)
        return lambda: setattr(owner, name, work)


def summary(source: Path, folder: Path, rounds: int) -> None:
    """Print the rate of counting alone, and its share of make-records' time."""
    from bertkit.records import make, text_summary
    from bertkit.records.config import RecordsConfig
    from bertkit.records.shards import Shard
    from bertkit.records.vocabulary import opened
    from bertkit.summary.counter import TextCounter, count_files

    blob = sentences_of(source).encode()
    megabytes = len(blob) / 1e6
    plain, packed = folder / "text.txt", folder / "text.txt.gz"
    plain.write_bytes(blob)
    packed.write_bytes(gzip.compress(blob))
    words, config = opened(VOCAB, RecordsConfig(dupe_factor=1))

    def count() -> None:
        with plain.open("rb") as stream:
            count_files([(str(plain), stream)])

    def build(path: Path) -> None:
        shard = Shard([str(path)], ["records.tfrecord"])
        make.build_shard(make.Task(shard, config, words.path, str(folder)))

    count(), build(plain)  # loads the kernels
    rates = [megabytes / _processor(count) for _ in range(rounds)]
    rate = statistics.median(rates)
    print(f"counting {megabytes:.1f} MB alone: {rate:.0f} MB/s per core (at least {LEAST:.0f})")
    if rate < LEAST:
        raise SystemExit("slower than it must be")
    spent = Spent()
    watched = [(TextCounter, "feed"), (TextCounter, "end"), (text_summary, "_counts_of")]
    back = [spent.watch(owner, name) for owner, name in watched]
    for path in (plain, packed):
        shares, totals = [], []
        for _ in range(rounds):
            spent.seconds = 0.0
            totals.append(_processor(lambda path=path: build(path)))  # type: ignore[misc]
            shares.append(spent.seconds / totals[-1])
        print(
            f"make-records of {path.name}, dupe factor 1: {statistics.median(totals):.2f} s, "
            f"{statistics.median(shares):.1%} of it for the summary"
        )
    for put_back in back:
        put_back()


def growth(folder: Path, sizes: Sequence[float]) -> None:
    """Print seconds and peak memory of commands over texts of some sizes, and their slopes."""
    rows: dict[str, list[tuple[float, float]]] = {}
    for size in (0.1, *sizes):  # the first one compiles the kernels
        text = folder / f"{size:g}.txt"
        with text.open("w") as stream:
            stream.writelines(_lines(int(size * 1e6)))
        out = folder / "out"
        for name, words in (
            ("inspect", [str(text)]),
            ("extract", ["--input", str(text), "--output", f"{out}-e{size:g}",
                         "--form", "documents", "--splitter", "lines"]),
            ("make-records", ["--input", str(text), "--output", f"{out}-m{size:g}",
                              "--vocab", VOCAB, "--dupe-factor", "1"]),
        ):  # fmt: skip
            if name != "inspect":
                words += ["--workers", "1"]
            found = _command([sys.executable, "-m", "bertkit", name, *words, "-q"])
            if size == 0.1:
                continue
            rows.setdefault(name, []).append(found)
            print(f"{name:14} {size:6g} MB: {found[0]:6.2f} s, at most {found[1]:6.0f} MB")
        text.unlink()
    across = sizes[-1] - sizes[0]
    for name, found in rows.items():
        seconds, memory = (found[-1][at] - found[0][at] for at in (0, 1))
        print(
            f"{name:14} from {sizes[0]:g} to {sizes[-1]:g} MB: {1000 * seconds / across:.1f} ms "
            f"and {memory / across:.2f} MB of memory per MB of text"
        )


def _lines(size: int) -> Iterator[str]:
    """Sentences of which none is there twice, ten to a document."""
    number = done = 0
    while done < size:
        words = " ".join(f"{word}{number * 7919 % 9973}" for word in ("whale", "ship", "sea"))
        line = f"The {words} of {number} dives below the waves and is not seen again.\n"
        number += 1
        line += "" if number % 10 else "\n"
        done += len(line)
        yield line


def _command(words: Sequence[str]) -> tuple[float, float]:
    """(seconds of wall clock, peak memory in MB) of a command."""
    begin = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}: exit status {process.returncode}")
    return time.perf_counter() - begin, usage.ru_maxrss / 1000


def _processor(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin
