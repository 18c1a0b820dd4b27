"""Fine-tuning: bertkit beside Hugging Face's Trainer, in turn, same data, settings and seeds.

Run: python benchmarks/finetune.py cola|wnut17|qnli --encoder FOLDER --data FOLDER
         [--seeds 1 2 3] [--steps N] [--arms bertkit hf hf-max] [--threads 2] [--output DIR]

--data holds, for cola, in_domain_train.tsv and in_domain_dev.tsv; for wnut17, wnut17train.conll
and emerging.test.annotated; for qnli, train.tsv and dev.tsv of benchmarks/qnli.py. Every run is a
process of its own; the arms take turns within each seed. Examples a second count the training loop
alone, without start-up, encoding and scoring. With --steps only so many steps are taken, for the
speed. `hf` pads each batch to its longest row, `hf-max` all rows to 128, as run_glue.py does by
default.
The last lines are those of benchmarks/RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Task:
    """A benchmark's data and settings.

    Attributes:
        metric: (name of bertkit's, name of the other arm's).
        flags: for `bertkit finetune`.
    """

    train: str
    eval: str
    metric: tuple[str, str]
    flags: tuple[str, ...]
    rate: float = 5e-5
    epochs: int = 3
    batch: int = 32


COLUMNS = ("--text-column", "4", "--label-column", "2", "--no-header")
TASKS = {
    "cola": Task(
        "in_domain_train.tsv",
        "in_domain_dev.tsv",
        ("matthews", "matthews"),
        ("--task", "classify", *COLUMNS, "--metric", "matthews"),
        rate=1e-4,
    ),
    "wnut17": Task(
        "wnut17train.conll",
        "emerging.test.annotated",
        ("f1", "f1"),
        ("--task", "tag"),
        rate=2e-4,
    ),
    "qnli": Task(
        "train.tsv",
        "dev.tsv",
        ("accuracy", "accuracy"),
        ("--preset", "glue-qnli"),
        rate=1e-4,
    ),
}


@dataclass
class Arm:
    """What one side did, a number per seed."""

    scores: list[float] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def environment(threads: int) -> dict[str, str]:
    """Of every arm: so many threads, and this checkout."""
    paths = [str(HERE.parent), os.environ.get("PYTHONPATH", "")]
    found = {**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "true"}
    return found | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def bertkit(given: argparse.Namespace, task: Task, seed: int, output: Path) -> dict[str, Any]:
    """One run of `bertkit finetune`."""
    words = [
        sys.executable, "-m", "bertkit", "finetune", *task.flags, "--init-checkpoint",
        given.encoder, "--train-file", f"{given.data}/{task.train}", "--output", str(output),
        "--global-batch-size", str(task.batch), "--learning-rate", str(task.rate),
        "--optimizer", "adamw", "--schedule", "linear", "--warmup-steps", str(given.warmup),
        "--warmup-proportion", "0", "--weight-decay", "0.01", "--seed", str(seed),
        "--backend", "cpu", "--log-every", "1000000", "--quiet", "--json",
    ]  # fmt: skip
    words += ["--max-steps", str(given.steps)] if given.steps else ["--epochs", str(task.epochs)]
    words += [] if given.steps else ["--eval-file", f"{given.data}/{task.eval}"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = answer(words, given.threads)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = (output / "metrics.jsonl").read_text().splitlines()
    last = [entry for entry in map(json.loads, lines) if entry["kind"] == "train"][-1]
    return {
        "examples": last["position"],
        "seconds": last["seconds"],
        "processor": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "scores": result["scores"],
    }


def hugging_face(
    given: argparse.Namespace, task: Task, seed: int, output: Path, pad: str
) -> dict[str, Any]:
    """One run of benchmarks/finetune_hf.py."""
    words = [
        sys.executable, str(HERE / "finetune_hf.py"), given.task, "--encoder", given.encoder,
        "--train", f"{given.data}/{task.train}", "--eval", f"{given.data}/{task.eval}",
        "--output", str(output), "--seed", str(seed), "--batch", str(task.batch),
        "--rate", str(task.rate), "--epochs", str(task.epochs), "--steps", str(given.steps),
        "--warmup", str(given.warmup), "--threads", str(given.threads), "--pad", pad,
    ]  # fmt: skip
    return answer(words, given.threads)


def answer(words: list[str], threads: int) -> dict[str, Any]:
    """The JSON object that a command ends with."""
    done = subprocess.run(words, capture_output=True, text=True, env=environment(threads))
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def one(arm: str, given: argparse.Namespace, task: Task, seed: int) -> dict[str, Any]:
    """A run of an arm."""
    output = Path(given.output) / f"{given.task}-{arm}-{seed}"
    shutil.rmtree(output, ignore_errors=True)
    if arm == "bertkit":
        return bertkit(given, task, seed, output)
    pad = "max" if arm == "hf-max" else "longest"
    return hugging_face(given, task, seed, output, pad)


def spread(values: list[float], form: str) -> str:
    """Mean ± sample deviation."""
    text = format(statistics.fmean(values), form)
    return f"{text} ± {statistics.stdev(values):{form}}" if len(values) > 1 else text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--warmup", type=int, default=50)
    parser.add_argument("--arms", nargs="+", default=["bertkit", "hf"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", default="finetune-benchmark")
    given = parser.parse_args()
    task = TASKS[given.task]
    arms = {name: Arm() for name in given.arms}
    for number, seed in enumerate(given.seeds):
        for name in given.arms[:: 1 if number % 2 == 0 else -1]:
            found = one(name, given, task, seed)
            arm = arms[name]
            arm.speeds.append(found["examples"] / found["seconds"])
            arm.seconds.append(found["seconds"])
            arm.processor.append(found["processor"])
            metric = task.metric[name != "bertkit"]
            arm.scores += [100 * found["scores"][metric]] if found["scores"] else []
            print(name, seed, json.dumps(found), flush=True)
    length = f"{given.steps} steps" if given.steps else f"{task.epochs} epochs"
    print(
        f"\n{given.task}: {length}, batch {task.batch}, learning rate {task.rate:g}, seeds"
        f" {', '.join(map(str, given.seeds))}, {given.threads} threads, {platform.machine()}\n"
    )
    print(f"| arm | {task.metric[0]} | examples/s | training, s |\n|---|---|---|---|")
    for name, arm in arms.items():
        scores = spread(arm.scores, ".2f") if arm.scores else "-"
        print(f"| {name} | {scores} | {spread(arm.speeds, '.1f')} | {spread(arm.seconds, '.0f')} |")
    if "bertkit" in arms:
        for name in given.arms:
            both = zip(arms["bertkit"].speeds, arms[name].speeds, strict=True)
            ratios = [ours / theirs for ours, theirs in both]
            if name != "bertkit":
                print(f"\nbertkit takes {statistics.median(ratios):.2f} times {name}'s examples/s")


if __name__ == "__main__":
    main()
