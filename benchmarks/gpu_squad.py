"""Fine-tunes a small model on SQuAD v1.1 and reports EM, F1, wall time and speed.

    PYTHONPATH=. python benchmarks/gpu_squad.py run --init-checkpoint MINILM \\
        --train-file train-v1.1.json --predict-file dev-v1.1.json --output /tmp/squad

The checkpoint is a folder with model.safetensors, config.json and vocab.txt (a published MiniLM-L6:
two epochs of SQuAD take minutes on a GPU); the files may be under xz. For a machine without
network, a folder of less than 50 MB is made of the three, carried there, and used:

    python benchmarks/gpu_squad.py pack --init-checkpoint MINILM --train-file train-v1.1.json \\
        --predict-file dev-v1.1.json --output packed
    PYTHONPATH=. python benchmarks/gpu_squad.py run --packed packed --output /tmp/squad

`unpack packed --output FOLDER` only writes the three. `run` leaves report.json (also printed),
metrics, scores and the log of `bertkit finetune-squad` in its --output, the checkpoint nowhere.
A run that fails, or is stopped after --seconds, is reported as far as it came.
`--questions 64 --backend cpu` shows in minutes on a CPU that it runs.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from argparse import BooleanOptionalAction
from pathlib import Path
from typing import Any

import squad_pack

RESULTS = ("seconds", "train_questions", "train_windows", "predict_windows", "predict_seconds")
KEPT = ("metrics.jsonl", "scores.json", "config.yaml")


def run(given: argparse.Namespace) -> int:
    """Fine-tune, predict and score in a command of its own; its status."""
    given.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        begin = time.perf_counter()
        places = _places(given, work)
        report: dict[str, Any] = {"seconds to unpack": round(time.perf_counter() - begin, 1)}
        words, log = command(given, places, work / "run"), given.output / "finetune.log"
        begin = time.perf_counter()
        status, last = _finished(words, log, given.seconds)
        report |= {"status": status, "command": shlex.join(words[1:])}
        report["command seconds"] = round(time.perf_counter() - begin, 1)
        if status:
            report["tail"] = log.read_text(errors="replace")[-2000:]
        report |= facts(json.loads(last or "{}"), work / "run")
        for name in KEPT:
            if (work / "run" / name).is_file():
                shutil.copyfile(work / "run" / name, given.output / name)
    text = json.dumps(report, indent=1)
    (given.output / "report.json").write_text(text + "\n")
    print(text)
    return status


def _finished(words: list[str], log: Path, seconds: float) -> tuple[int, str]:
    """Status of a command, and its last line; it is asked to stop after `seconds`, if not 0."""
    with open(log, "w") as errors:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            out, _ = process.communicate(timeout=seconds or None)
        except subprocess.TimeoutExpired:
            process.terminate()
            out, _ = process.communicate()
    return process.returncode, (out.splitlines() or [""])[-1] if process.returncode == 0 else ""


def _places(given: argparse.Namespace, work: Path) -> dict[str, Path]:
    """Where checkpoint and files are, unpacked where need be."""
    if given.packed:
        return squad_pack.unpack(given.packed, work / "data")
    squad_pack.checkpoint_files(given.init_checkpoint)
    places = {"checkpoint": given.init_checkpoint}
    for name, path in (("train", given.train_file), ("predict", given.predict_file)):
        places[name] = path
        if path.suffix == ".xz":
            places[name] = work / f"{name}.json"
            squad_pack.unpack_text(path, places[name])
    return places


def command(given: argparse.Namespace, places: dict[str, Path], output: Path) -> list[str]:
    """`bertkit finetune-squad` with the settings of the measurement."""
    words = {
        "init-checkpoint": places["checkpoint"],
        "vocab": places["checkpoint"] / "vocab.txt",
        "train-file": places["train"],
        "predict-file": places["predict"],
        "output": output,
        "epochs": given.epochs,
        "global-batch-size": given.batch,
        "micro-batch-size": given.batch,
        "learning-rate": given.learning_rate,
        "warmup-proportion": 0.1,
        "max-seq-length": 384,
        "doc-stride": 128,
        "save-every": 0,
        "log-every": given.log_every,
        "predict-batch-size": 256,
        "limit": given.questions,
        "backend": given.backend,
    }
    more = ["--compile" if given.compile else "--no-compile", "--json"]
    if given.fused:
        more += ["--set", "cuda.fused=true"]
    if given.graphs:
        more += ["--set", "cuda.graphs=true"]
    flags = [word for name, value in words.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "bertkit", "finetune-squad", *flags, *more, *given.more]


def facts(result: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Scores, times and speeds from the command's last line and the run's metrics.

    Args:
        result: of the command; empty where it did not come to its end.
        folder: of the run.
    """
    found: dict[str, Any] = {**result.get("scores", {})}
    found |= {name: result[name] for name in RESULTS if name in result}
    metrics = folder / "metrics.jsonl"
    lines = metrics.read_text().split("\n")[:-1] if metrics.is_file() else []
    train = [line for line in map(json.loads, lines) if line.get("kind") == "train"]
    if not train:
        return found
    first, last = train[0], train[-1]
    found |= {"steps": last["step"], "training seconds": round(last["seconds"], 1)}
    found["windows per second"] = round(last["position"] / last["seconds"], 1)
    if last["seconds"] > first["seconds"]:  # without the first steps, which warm up
        windows = last["position"] - first["position"]
        found["windows per second later"] = round(windows / (last["seconds"] - first["seconds"]), 1)
    found |= {"first loss": round(first["loss"], 4), "last loss": round(last["loss"], 4)}
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    whats = parser.add_subparsers(dest="what", required=True)
    runs = whats.add_parser("run", help="fine-tune and report")
    packs = whats.add_parser("pack", help="make a small folder of a checkpoint and two files")
    unpacks = whats.add_parser("unpack", help="write what such a folder holds")
    unpacks.add_argument("packed", type=Path)
    for one in (runs, packs):
        needed = one is packs
        one.add_argument("--init-checkpoint", type=Path, required=needed, help="a folder")
        one.add_argument("--train-file", type=Path, required=needed, help="JSON, or under xz")
        one.add_argument("--predict-file", type=Path, required=needed, help="JSON, or under xz")
    for one in (runs, packs, unpacks):
        one.add_argument("--output", type=Path, required=True)
    runs.add_argument("--packed", type=Path, help="a folder made by pack, instead of the three")
    runs.add_argument("--backend", default="cuda")
    runs.add_argument("--epochs", type=float, default=2.0)
    runs.add_argument("--batch", type=int, default=48)
    runs.add_argument("--learning-rate", type=float, default=1e-4)
    runs.add_argument("--compile", action=BooleanOptionalAction, default=False)
    runs.add_argument("--fused", action=BooleanOptionalAction, default=False, help="cuda.fused")
    runs.add_argument("--graphs", action=BooleanOptionalAction, default=False, help="cuda.graphs")
    runs.add_argument("--questions", type=int, default=0, help="of each file; 0: all")
    runs.add_argument("--seconds", type=float, default=0, help="stop it then; 0: never")
    runs.add_argument("--log-every", type=int, default=100)
    runs.add_argument("--more", type=shlex.split, default=[], help="more flags, in quotes")
    return parser


def main() -> None:
    """Run, pack or unpack."""
    parser = _parser()
    given = parser.parse_args()
    if given.what == "pack":
        files = (given.init_checkpoint, given.train_file, given.predict_file)
        print(json.dumps(squad_pack.pack(*files, given.output)))
    elif given.what == "unpack":
        places = squad_pack.unpack(given.packed, given.output)
        print(json.dumps({name: str(place) for name, place in places.items()}))
    else:
        if not given.packed and not (
            given.init_checkpoint and given.train_file and given.predict_file
        ):
            parser.error("run needs --packed, or --init-checkpoint, --train-file, --predict-file")
        sys.exit(run(given))


if __name__ == "__main__":
    main()
