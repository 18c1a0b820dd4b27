"""Duplicates: `bertkit clean` beside datatrove's MinHash and text-dedup, on one core.

Run: python benchmarks/corpus.py duplicates [--megabytes 8] [--rounds 2] [--environments DIR]

Documents of a few paragraphs, a tenth of them copies or copies with some changed words. All
three take word 5-grams, 18 bands of 7 numbers, a similarity of 0.8, and are timed as whole
commands, start-up included, with one thread on one core. bertkit looks at all its criteria and
compares candidates; datatrove takes them as they are; text-dedup compares their n-grams. Both
are installed into environments of their own; text-dedup needs Python 3.12.
"""

from __future__ import annotations

import json
import lzma
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

DATATROVE = ["datatrove[processing]==0.10.1", "spacy"]
TEXT_DEDUP = ["text-dedup==0.4.1"]

_DATATROVE = """
import sys
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig, MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter)
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
source, out = sys.argv[1:]
config = MinhashConfig(n_grams=5, num_buckets=18, hashes_per_bucket=7)
def run(name, tasks, *steps):
    LocalPipelineExecutor(list(steps), tasks=tasks, workers=1, logging_dir=f"{out}/logs/{name}",
                          skip_completed=False).run()
def reader():
    return JsonlReader(source, glob_pattern="*.jsonl")
run("signatures", 1, reader(), MinhashDedupSignature(f"{out}/signatures", config=config))
run("buckets", 18, MinhashDedupBuckets(f"{out}/signatures", f"{out}/buckets", config=config))
run("cluster", 1, MinhashDedupCluster(f"{out}/buckets", f"{out}/remove", config=config))
run("filter", 1, reader(), MinhashDedupFilter(f"{out}/remove"),
    JsonlWriter(f"{out}/kept", compression=None))
"""
_TEXT_DEDUP = """
[input]
input_type = "local_files"
file_type = "json"
[input.read_arguments]
path = "json"
data_files = "{source}"
split = "train"
[algorithm]
algorithm_name = "minhash"
algo_name = "minhash"
text_column = "text"
num_perm = 126
bands = 18
rows = 7
ngram_size = 5
threshold = 0.8
check_false_positive = true
num_proc = 1
[output]
output_dir = "{output}"
clean_cache = false
save_clusters = false
[debug]
enable_profiling = false
"""


def make_corpus(text: Path, folder: Path, megabytes: float) -> tuple[int, int]:
    """Sentence files and JSON lines of the same documents; (documents, bytes of text)."""
    rng = random.Random(1)
    blob = text.read_bytes()
    lines = (lzma.decompress(blob) if text.suffix == ".xz" else blob).decode().split("\n")
    paragraphs = [line.strip() for line in lines if line.strip()]
    documents: list[list[str]] = []
    size = at = 0
    while size < megabytes * 1e6:
        count = rng.randint(2, 8)
        document = paragraphs[at : at + count]
        at = at + count if at + 16 < len(paragraphs) else rng.randrange(count)
        if documents and rng.random() < 0.1:
            document = list(rng.choice(documents))
            for _ in range(rng.choice((0, 0, 1, 3, 10))):
                number = rng.randrange(len(document))
                words = document[number].split()
                words[rng.randrange(len(words))] = f"changed{rng.randrange(1000)}"
                document[number] = " ".join(words)
        documents.append(document)
        size += sum(len(line.encode()) + 1 for line in document)
    for name in ("sentences", "jsonl"):
        (folder / name).mkdir()
    joined = "\n\n".join("\n".join(document) for document in documents) + "\n"
    (folder / "sentences/part.txt").write_text(joined)
    with (folder / "jsonl/part.jsonl").open("w") as stream:
        for number, document in enumerate(documents):
            stream.write(json.dumps({"id": str(number), "text": "\n".join(document)}) + "\n")
    return len(documents), size


def environment(place: Path, packages: Sequence[str], python: str) -> Path:
    """The Python of an environment with these packages, made where it is not there."""
    program = place / "bin/python"
    if not program.exists():
        subprocess.run([python, "-m", "venv", str(place)], check=True)
        subprocess.run([str(program), "-m", "pip", "install", "-q", *packages], check=True)
    return program


def timed(command: Sequence[str], folder: Path) -> tuple[float, float, str]:
    """(wall seconds, processor seconds, output) of a command with its children."""
    names = ("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    variables = {**os.environ, **dict.fromkeys(names, "1"), "HF_HUB_OFFLINE": "1"}
    variables["HF_HOME"] = str(folder / "cache")
    before, begin = os.times(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=folder)
    wall, after = time.perf_counter() - begin, os.times()
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    used = after.children_user + after.children_system
    return wall, used - before.children_user - before.children_system, done.stdout


def duplicates(
    text: Path, folder: Path, environments: Path, *, megabytes: float, rounds: int, python: str
) -> None:
    """Print seconds, rates, and how many documents each program would keep."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    count, size = make_corpus(text, folder, megabytes)
    trove = environment(environments / "datatrove", DATATROVE, sys.executable)
    dedup = environment(environments / "text-dedup", TEXT_DEDUP, python)
    (folder / "trove.py").write_text(_DATATROVE)
    print(f"{count:,} documents, {size / 1e6:.1f} MB, one core, {rounds} rounds")
    ours = [sys.executable, "-m", "bertkit", "clean", "--input", "sentences", "--drop", "near",
            "--workers", "1", "--json", "-q"]  # fmt: skip
    root = str(Path(__file__).resolve().parents[1])
    os.environ["PYTHONPATH"] = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    timed([*ours, "--output", "compiled"], folder)  # compiles the kernels, once per machine
    rows: dict[str, list[tuple[float, float]]] = {}
    kept: dict[str, int] = {}
    for number in range(rounds):
        wall, used, shown = timed([*ours, "--output", f"ours{number}"], folder)
        rows.setdefault("bertkit", []).append((wall, used))
        kept["bertkit"] = json.loads(shown.splitlines()[-1])["kept"]["documents"]
        config = _TEXT_DEDUP.format(source=folder / "jsonl/part.jsonl", output=f"dedup{number}")
        (folder / "config.toml").write_text(config)
        wall, used, _ = timed([str(dedup), "-m", "text_dedup.minhash"], folder)
        rows.setdefault("text-dedup", []).append((wall, used))
        reading = "import datasets,sys; print(len(datasets.load_from_disk(sys.argv[1])))"
        kept["text-dedup"] = int(timed([str(dedup), "-c", reading, f"dedup{number}"], folder)[2])
        command = [str(trove), "trove.py", "jsonl", f"trove{number}"]
        wall, used, _ = timed(command, folder)
        rows.setdefault("datatrove", []).append((wall, used))
        files = (folder / f"trove{number}/kept").glob("*.jsonl")
        kept["datatrove"] = sum(len(file.read_text().splitlines()) for file in files)
    _print(rows, kept, size)


def _print(rows: dict[str, list[tuple[float, float]]], kept: dict[str, int], size: int) -> None:
    for name, pairs in rows.items():
        wall, used = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratios = sorted(
            theirs[1] / ours[1] for ours, theirs in zip(rows["bertkit"], pairs, strict=True)
        )
        print(
            f"{name:10} {wall:7.2f} s wall, {used:7.2f} s of a core, "
            f"{size / used / 1e6:5.2f} MB/s, "
            f"{statistics.median(ratios):6.1f} times bertkit's seconds "
            f"({ratios[0]:.1f} to {ratios[-1]:.1f}); {kept[name]:,} documents kept"
        )
