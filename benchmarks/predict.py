"""Labels of texts on a processor: `bertkit predict` beside transformers' pipeline, in turn.

Run: python benchmarks/predict.py RUN TEXTS.jsonl [--rounds 3] [--arms bertkit "hf bf16 32" ...]

RUN is the folder of a run of `bertkit finetune --task classify`, TEXTS.jsonl has an object with
"text" on each line. Every arm is a process of its own and the arms take turns; its seconds are
those of the whole process, with start and loading, of the wall and of the processor. An arm of
Hugging Face is `hf PRECISION BATCH`; its default batch is 1. Labels that differ from the first
arm's are counted. The last line is that of benchmarks/RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ARMS = ("bertkit", "hf fp32 32", "hf bf16 32")
TORCH_NAMES = {"fp32": "float32", "bf16": "bfloat16"}


def hugging_face(run: str, texts: str, precision: str, batch: int) -> None:
    """The labels of transformers' pipeline, one a line."""
    import torch
    import transformers

    from bertkit.train.checkpoints.checkpoint import latest

    pipeline = transformers.pipeline(
        "text-classification",
        str(latest(run)),
        device="cpu",
        dtype=getattr(torch, TORCH_NAMES[precision]),
    )
    with open(texts, encoding="utf-8") as stream:
        rows = [json.loads(line)["text"] for line in stream]
    for answer in pipeline(rows, batch_size=batch):
        print(answer["label"])


def bertkit(run: str, texts: str) -> list[str]:
    """Labels that the command gives."""
    words = [sys.executable, "-m", "bertkit", "predict", "--init-checkpoint", run]
    with open(texts, "rb") as stream:
        done = subprocess.run(words, stdin=stream, stdout=subprocess.PIPE, check=True)
    return [json.loads(line)["label"] for line in done.stdout.splitlines()]


def labels_of(arm: str, run: str, texts: str) -> list[str]:
    """What an arm says, in a process of its own."""
    if arm == "bertkit":
        return bertkit(run, texts)
    _, precision, batch = arm.split()
    words = [sys.executable, __file__, run, texts, "--as-hf", precision, batch]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True)
    return done.stdout.split("\n")[:-1]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run")
    parser.add_argument("texts")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=0, help="texts to take; 0 for all")
    parser.add_argument("--arms", nargs="+", default=ARMS)
    parser.add_argument("--as-hf", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Run the arms in turn."""
    given = arguments()
    if given.as_hf:
        hugging_face(given.run, given.texts, given.as_hf[0], int(given.as_hf[1]))
        return
    lines = Path(given.texts).read_text(encoding="utf-8").splitlines()
    lines = lines[: given.limit or None]
    wall: dict[str, list[float]] = {arm: [] for arm in given.arms}
    processor: dict[str, list[float]] = {arm: [] for arm in given.arms}
    labels: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        texts = str(Path(folder) / "texts.jsonl")
        Path(texts).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        for _ in range(given.rounds):
            for arm in given.arms:
                before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
                labels[arm] = labels_of(arm, given.run, texts)
                wall[arm].append(round(time.perf_counter() - start, 1))
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                processor[arm].append(round(used, 1))
    first = labels[given.arms[0]]
    row = {
        "texts": len(lines),
        "python": platform.python_version(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "wall_s": wall,
        "processor_s": processor,
        "other_labels": {
            arm: sum(a != b for a, b in zip(first, found, strict=True))
            for arm, found in labels.items()
        },
        "wall_ratio": {arm: _ratio(wall[arm], wall[given.arms[0]]) for arm in given.arms[1:]},
        "processor_ratio": {
            arm: _ratio(processor[arm], processor[given.arms[0]]) for arm in given.arms[1:]
        },
    }
    print(json.dumps(row))


def _ratio(theirs: list[float], ours: list[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(theirs, ours, strict=True)), 2)


if __name__ == "__main__":
    main()
