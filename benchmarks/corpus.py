"""Corpora: dumps to text beside other extractors, MLPerf's clean-up beside its seds, duplicates.

Run: python benchmarks/corpus.py [extraction] [cleaning] [duplicates] [summary] [growth]
         [--dump SLICE.bz2] [--clean wiki_00] [--processes 1 2] [--rounds 3] [--sizes 10 30 100]

`duplicates` compares with datatrove and text-dedup (duplicates.py); `summary` and `growth` are
about the text summary (text_summary.py). Without arguments it takes
the reference data beside the repository and prints every other ratio of the section on corpora
in RESULTS.md. The slice of a dump (one <mediawiki> document, .bz2) is
repeated as the streams of a multi-stream dump. WikiExtractor and gensim's segment_wiki are
installed into a temporary environment; bertkit depends on neither. All are timed as commands, in
turn, start-up included.
"""

from __future__ import annotations

import argparse
import bz2
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bertkit.corpus.chains.mlperf import strip_markup, strip_titles

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.duplicates import duplicates
from benchmarks.text_summary import growth, summary
from tests.corpus.chains.test_mlperf import build_pipeline

WIKIEXTRACTOR = "wikiextractor==3.1.0"
GENSIM = "gensim==4.4.0"


def multistream(source: Path, target: Path, repeat: int) -> tuple[int, int]:
    """Write a dump of `repeat` times the slice's pages; (pages, bytes of XML)."""
    blob = bz2.decompress(source.read_bytes())
    start, stop = blob.index(b"<page>"), blob.rindex(b"</page>") + len(b"</page>\n")
    pages = bz2.compress(blob[start:stop])
    with target.open("wb") as stream:
        stream.write(bz2.compress(blob[:start]))
        for _ in range(repeat):
            stream.write(pages)
        stream.write(bz2.compress(blob[stop:]))
    return repeat * blob.count(b"<page>"), repeat * (stop - start)


def command_seconds(command: Sequence[str]) -> tuple[float, float]:
    """(wall, processor) seconds of a command with its children."""
    before, begin = os.times(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    after = os.times()
    used = after.children_user + after.children_system
    return time.perf_counter() - begin, used - before.children_user - before.children_system


def programs(
    python: Path, dump: Path, folder: Path, count: int, number: int
) -> dict[str, list[str]]:
    """Name → command line of each program that turns the dump into text.

    Args:
        python: of the environment that has the other programs.
        count: processes that do the work; segment_wiki has one that reads beside them.
        number: of the round, so that no output is in the way.
    """
    output = [str(folder / f"{name}{count}-{number}") for name in ("ours", "theirs", "gensim.gz")]
    return {
        "bertkit": [
            sys.executable, "-m", "bertkit", "extract", "--input", str(dump), "--output",
            output[0], "--splitter", "lines", "-q", "--part-megabytes", "1",
            "--workers", str(count),
        ],
        "wikiextractor": [
            str(python.with_name("wikiextractor")), str(dump), "-q", "--no-templates",
            "-o", output[1], "--processes", str(count),
        ],
        "segment_wiki": [
            str(python), "-m", "gensim.scripts.segment_wiki", "-f", str(dump), "-o", output[2],
            "-w", str(count),
        ],
    }  # fmt: skip


def extraction(
    dump: Path, folder: Path, processes: Sequence[int], rounds: int, repeat: int
) -> None:
    """Time the extractors on one dump in turn, each with the same numbers of processes."""
    target = folder / "multistream.xml.bz2"
    pages, size = multistream(dump, target, repeat)
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin/python"
    subprocess.run([str(python), "-m", "pip", "install", "-q", WIKIEXTRACTOR, GENSIM], check=True)
    print(f"{pages} pages, {size / 1e6:.0f} MB of XML, {rounds} rounds")
    blob = dump.read_bytes()
    unpacking = min(processor_seconds(lambda: bz2.decompress(blob), 1) for _ in range(5)) * repeat
    print(f"unpacking bzip2 alone: {unpacking:.2f} s of a processor, the best of five")
    for count in processes:
        times: dict[str, list[tuple[float, float]]] = {}
        for number in range(rounds):
            commands = programs(python, target, folder, count, number)
            for name in list(commands)[:: 1 if number % 2 == 0 else -1]:
                times.setdefault(name, []).append(command_seconds(commands[name]))
        print(f"--processes {count}")
        report(times, pages, size)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    print(f"largest process of any program: {peak:.0f} MB")


def report(times: dict[str, list[tuple[float, float]]], pages: int, size: int) -> None:
    """Medians of (wall, processor) seconds, rates of processor time, ratios to bertkit's rounds."""
    for name, rows in times.items():
        wall, used = (statistics.median(column) for column in zip(*rows, strict=True))
        print(
            f"{name:14} {wall:6.2f} s wall, {used:6.2f} s of processors, "
            f"{pages / used:6.0f} pages/s, {size / used / 1e6:5.2f} MB/s"
        )
    for name in [name for name in times if name != "bertkit"]:
        for what, at in (("wall", 0), ("processor", 1)):
            both = zip(times["bertkit"], times[name], strict=True)
            ratios = sorted(theirs[at] / ours[at] for ours, theirs in both)
            print(
                f"{name}, ratio of {what} seconds: median {statistics.median(ratios):.2f}, "
                f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
            )


def cleaning(source: Path, rounds: int) -> None:
    """Time stage 2 of MLPerf's chain on one file, processor seconds."""
    print(f"MLPerf's clean-up of {source.name}")
    pipeline = build_pipeline()
    if pipeline is None:
        raise SystemExit("no GNU sed on this machine")
    text = strip_titles(source.read_bytes().decode())
    environment = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    pairs = []
    for _ in range(rounds):
        before = os.times()
        done = subprocess.run(
            ["bash", "-c", pipeline],
            input=text.encode(),
            capture_output=True,
            check=True,
            env=environment,
        )
        after = os.times()
        used = after.children_user + after.children_system
        theirs = used - before.children_user - before.children_system
        ours = processor_seconds(lambda: strip_markup(text), 5)
        assert strip_markup(text).encode() == done.stdout
        pairs.append((ours, theirs))
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = sorted(b / a for a, b in pairs)
    print(
        f"{len(text) / 1e6:.2f} MB: bertkit {1000 * ours:.1f} ms, seds {1000 * theirs:.1f} ms "
        f"of a core; ratio: median {statistics.median(ratios):.0f}, "
        f"{ratios[0]:.0f} to {ratios[-1]:.0f}"
    )


def processor_seconds(work: Callable[[], object], times: int) -> float:
    """Processor seconds of one call, mean over some calls."""
    begin = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - begin) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ("extraction", "cleaning", "duplicates", "summary", "growth")
    parser.add_argument("parts", nargs="*", default=parts[:2], help=f"{', '.join(parts)}")
    data = Path(__file__).resolve().parents[2] / "shared/data"
    name = "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
    parser.add_argument("--dump", type=Path, default=data / "wikidump" / name)
    parser.add_argument("--clean", type=Path, default=data / "mlperf_sample/wiki_00")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=6)
    text = data / "corpus/openstax_ccby_paragraphs.txt.xz"
    parser.add_argument(
        "--text", type=Path, default=text, help="paragraphs, for duplicates and summary"
    )
    parser.add_argument("--sizes", type=float, nargs="+", default=[10, 30, 100], help="MB, growth")
    parser.add_argument("--megabytes", type=float, default=8.0, help="of text with duplicates")
    parser.add_argument("--environments", type=Path, help="where other programs are installed")
    parser.add_argument("--python", default="python3.12", help="for text-dedup")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(parts):
        parser.error(f"no part {', '.join(unknown)}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "extraction" in given.parts:
            extraction(given.dump, folder, given.processes, given.rounds, given.repeat)
        if "duplicates" in given.parts:
            duplicates(
                given.text,
                folder,
                given.environments or folder,
                megabytes=given.megabytes,
                rounds=given.rounds,
                python=given.python,
            )
        if "summary" in given.parts:
            summary(given.text, folder, given.rounds)
        if "growth" in given.parts:
            growth(folder, sorted(given.sizes))
    if "cleaning" in given.parts:
        cleaning(given.clean, given.rounds)


if __name__ == "__main__":
    main()
