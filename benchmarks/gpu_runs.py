"""Small pretraining runs for gpu_check.sh, and how they compare with each other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gpu_common import Findings, Settings

LAYOUTS = ("unpadded", "padded", "bucketed", "packed")
FUSED = ["--set", "cuda.fused=true"]
GRAPHS = ["--set", "cuda.graphs=true"]
# Runs that are not compared with the CPU's, and with which instead; one with other dropout is
# as far off as another seed is. "": with none.
REFERENCES = {
    "fused-dropout": "dropout",
    "fp8": "dropout",
    "graphs-dropout": "dropout",
    "graphs-fused-compiled": "dropout",
    "dropout": "",
    "dropout-lamb": "",
    "compiled-recompute": "",
}
NO_DROPOUT = [
    *("--set", "model.hidden_dropout_prob=0"),
    *("--set", "model.attention_probs_dropout_prob=0"),
]


def runs(settings: Settings, findings: Findings) -> None:
    """Small pretraining runs, `jobs` at a time, each with its own log; one bad run stops none."""
    end = time.monotonic() + settings.seconds
    # In the order in which they begin; the CPU, which others are compared with, takes longest.
    groups = {
        "fused": _fused_runs,
        "graphs": _graph_runs,
        "runs": _layout_runs,
        "resume": _resumed_runs,
        "compiled": _compiled_runs,
    }
    wanted = {
        name: script
        for group, scripts in groups.items()
        if group in settings.only
        for name, script in scripts(settings).items()
    }
    with ThreadPoolExecutor(settings.jobs) as pool:
        waiting = {
            name: pool.submit(script, RunLog(settings.work, name, end))
            for name, script in wanted.items()
        }
        for name, future in waiting.items():
            findings.attempt(f"status {name}", future.result)


class RunLog:
    """Starts the commands of one small run, with its log and a common end."""

    def __init__(self, work: Path, name: str, end: float) -> None:
        self.folder = work / "run" / name
        self._log = work / "log" / f"{name}.log"
        self._end = end

    @property
    def out_of_time(self) -> bool:
        """True once the time of all runs is over."""
        return time.monotonic() >= self._end

    def start(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        """Begin `bertkit pretrain` into this run's folder."""
        threads = "4" if self.folder.name == "cpu" else "1"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with open(self._log, "ab") as log:
            command = [sys.executable, "-m", "bertkit", "pretrain", *words]
            return subprocess.Popen(
                [*command, "--output", str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": threads},
            )

    def finish(self, process: subprocess.Popen[bytes]) -> int | str:
        """Wait for the command; kill it when the time of all runs is over."""
        try:
            return process.wait(max(0.0, self._end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return "no time left"


def _pretrain(settings: Settings, *more: str) -> list[str]:
    """The flags that all small runs share; they record steps where that is asked for."""
    batch = "8" if settings.small else "32"
    run = [] if GRAPHS[1] in more else ["--set", "cuda.graphs=false"]
    return [
        *("--preset", "tiny", "--learning-rate", "5e-4", "--log-every", "10"),
        *("--input", str(settings.work / "train-128")),
        *("--vocab", str(settings.work / "vocab.txt")),
        *("--global-batch-size", batch, "--micro-batch-size", batch),
        *run,
        *more,
    ]


Script = Callable[[RunLog], Any]


def _once(words: Sequence[str]) -> Script:
    return lambda log: log.finish(log.start(words))


def _stopped(words: Sequence[str]) -> Script:
    """A run that stops after 35 steps, and goes on."""

    def script(log: RunLog) -> list[int | str]:
        first = log.finish(log.start([*words, "--steps-this-run", "35"]))
        return [first, log.finish(log.start(words))]

    return script


def _layout_runs(settings: Settings) -> dict[str, Script]:
    """All layouts and precisions beside one run on the CPU, without dropout."""
    full = ["--max-steps", str(settings.steps)]
    there = [*full, "--backend", settings.device]
    calm = [*there, *NO_DROPOUT]
    part = ["--steps-this-run", str(settings.steps // 2)]  # the schedule is that of all steps
    precision = ["--precision", settings.precision]
    wanted = {
        "cpu": _on_the_cpu(settings),
        **{layout: [*calm, *precision, "--layout", layout] for layout in LAYOUTS},
        "fp32-padded": [*calm, "--precision", "fp32", "--layout", "padded"],
        "fp32-unpadded": [*calm, *part, "--precision", "fp32", "--layout", "unpadded"],
        "dropout-lamb": [*there, *precision, "--optimizer", "nvlamb"],
    }
    wanted["unpadded"] += _evaluated(settings)
    if settings.device == "cuda":
        wanted["fp16"] = [*calm, "--precision", "fp16"]
    return {name: _once(_pretrain(settings, *words)) for name, words in wanted.items()}


def _on_the_cpu(settings: Settings) -> list[str]:
    """What other runs without dropout are compared with."""
    steps = ["--max-steps", str(settings.steps)]
    return [*steps, *NO_DROPOUT, "--backend", "cpu", "--precision", "fp32"]


def _fused_runs(settings: Settings) -> dict[str, Script]:
    """Fused layers beside the CPU, with dropout beside PyTorch's layers, and resumed; CUDA only."""
    if settings.device != "cuda":
        return {}
    base = ["--backend", "cuda", "--precision", "bf16"]
    full = [*base, "--max-steps", str(settings.steps)]
    wanted = {
        "cpu": _on_the_cpu(settings),
        **{
            f"fused-{layout}": [*full, *FUSED, *NO_DROPOUT, "--layout", layout]
            for layout in ("unpadded", "padded")
        },
        "fused-dropout": [*full, *FUSED],
        "fp8": [*full, "--set", "cuda.fp8=true"],
        "dropout": full,
    }
    kept = [*base, *FUSED, "--max-steps", "60", "--save-every", "10"]
    whole = _pretrain(settings, *kept)
    return {
        **{name: _once(_pretrain(settings, *words)) for name, words in wanted.items()},
        "resume-fused": _once(whole),
        "resume-fused-again": _once(whole),
        "resume-fused-stopped": _stopped(whole),
    }


def _graph_runs(settings: Settings) -> dict[str, Script]:
    """Recorded steps beside the CPU, with dropout beside steps that are run, resumed; CUDA only."""
    if settings.device != "cuda":
        return {}
    base = ["--backend", "cuda", "--precision", "bf16"]
    full = [*base, "--max-steps", str(settings.steps)]
    micro = ["--micro-batch-size", "4" if settings.small else "8"]
    wanted = {
        "cpu": _on_the_cpu(settings),
        **{
            f"graphs-{layout}": [*full, *GRAPHS, *NO_DROPOUT, "--layout", layout]
            for layout in ("unpadded", "packed")
        },
        "graphs-micro": [*full, *GRAPHS, *NO_DROPOUT, *micro],
        "graphs-dropout": [*full, *GRAPHS],
        "graphs-fused-compiled": [*full, *GRAPHS, *FUSED, "--compile"],
        "dropout": full,
    }
    wanted["graphs-unpadded"] += _evaluated(settings)
    whole = _pretrain(settings, *base, *GRAPHS, "--max-steps", "60", "--save-every", "10")
    return {
        **{name: _once(_pretrain(settings, *words)) for name, words in wanted.items()},
        "resume-graphs": _once(whole),
        "resume-graphs-again": _once(whole),
        "resume-graphs-stopped": _stopped(whole),
    }


def _compiled_runs(settings: Settings) -> dict[str, Script]:
    """The layouts with torch.compile, once with activations computed again; CUDA only."""
    if settings.device != "cuda":
        return {}
    base = ["--backend", "cuda", "--precision", "bf16", "--compile"]
    calm = [*base, *NO_DROPOUT, "--max-steps", str(settings.steps)]
    short = [*base, "--max-steps", "30"]
    wanted = {
        **{f"compiled-{layout}": [*calm, "--layout", layout] for layout in LAYOUTS},
        "compiled-recompute": [*short, "--recompute"],
        "resume-compiled": short,
        "resume-compiled-again": short,
    }
    wanted["compiled-unpadded"] += _evaluated(settings)
    return {name: _once(_pretrain(settings, *words)) for name, words in wanted.items()}


def _evaluated(settings: Settings) -> list[str]:
    valid = str(settings.work / "valid-128")
    return ["--eval-input", valid, "--eval-every", str(settings.steps // 2)]


def _resumed_runs(settings: Settings) -> dict[str, Script]:
    """The same run uninterrupted, again, stopped and resumed, killed and resumed."""
    words = ["--backend", settings.device, "--max-steps", "60", "--save-every", "10"]
    words += ["--precision", settings.precision]
    whole = _pretrain(settings, *words)

    def killed(log: RunLog) -> list[int | str]:
        process = log.start(whole)
        while process.poll() is None and not log.out_of_time and _last_step(log.folder) < 20:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        return [log.finish(process), log.finish(log.start(whole))]

    return {
        "resume-whole": _once(whole),
        "resume-again": _once(whole),
        "resume-stopped": _stopped(whole),
        "resume-killed": killed,
    }


def failed(status: Any) -> bool:
    """True unless a run's status, or each of several, is one that its script means to have.

    75 is that of a run which stops after a part of its steps; only the first of several may
    have been killed.
    """
    *earlier, last = status if isinstance(status, list) else [status]
    return last not in (0, 75) or any(code not in (0, 75, -signal.SIGKILL) for code in earlier)


def _logged(folder: Path) -> list[Mapping[str, Any]]:
    """The training lines of a run's metrics, also while it is written."""
    path = folder / "metrics.jsonl"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    whole = (json.loads(line) for line in text.split("\n")[:-1])
    return [line for line in whole if line.get("kind") == "train"]


def _last_step(folder: Path) -> int:
    return max((int(line["step"]) for line in _logged(folder)), default=0)


def compare(settings: Settings, findings: Findings) -> None:
    """Losses of all runs beside the CPU's, and weights of resumed runs bit by bit."""
    place = settings.work / "run"
    for folder in sorted(path for path in place.glob("*") if path.name != "cpu"):
        if not folder.name.startswith("resume-"):
            other = place / REFERENCES.get(folder.name, "cpu")
            findings.attempt(f"run {folder.name}", lambda f=folder, o=other: _beside(f, o))
    for first, second in (
        ("resume-whole", "resume-again"),
        ("resume-whole", "resume-stopped"),
        ("resume-whole", "resume-killed"),
        ("resume-compiled", "resume-compiled-again"),
        ("resume-fused", "resume-fused-again"),
        ("resume-fused", "resume-fused-stopped"),
        ("resume-graphs", "resume-graphs-again"),
        ("resume-graphs", "resume-graphs-stopped"),
    ):
        if (place / first).is_dir():
            findings.attempt(
                f"weights of {first} and {second}",
                lambda a=first, b=second: _same_weights(place / a, place / b),
            )


def _beside(folder: Path, other: Path) -> dict[str, Any]:
    lines = _logged(folder)
    reference = {line["step"]: line["loss"] for line in _logged(other)}
    if not lines:
        return {"failed": "no step was logged"}
    pairs = [(line["loss"], reference[line["step"]]) for line in lines if line["step"] in reference]
    found = {
        "steps": lines[-1]["step"],
        "first loss": round(lines[0]["loss"], 4),
        "last loss": round(lines[-1]["loss"], 4),
        "tokens per second": round(lines[-1]["tokens_per_second"]),
    }
    if pairs:
        found[f"loss of {other.name} there"] = round(pairs[-1][1], 4)
        found["largest relative difference"] = round(max(_apart(*pair) for pair in pairs), 5)
    return found


def _apart(one: float, other: float) -> float:
    """The difference of two losses, relative to the second; endless beside a loss of 0."""
    return abs(one - other) / other if other else float("inf")


def _same_weights(one: Path, other: Path) -> dict[str, Any]:
    import torch
    from safetensors.torch import load_file

    a, b = (
        load_file(max(run.glob("step-*/model.safetensors"), key=lambda path: path.parent.name))
        for run in (one, other)
    )
    return {
        "same bits": all(torch.equal(a[name], b[name]) for name in a),
        "largest difference": max(float((a[name] - b[name]).abs().max()) for name in a),
    }
