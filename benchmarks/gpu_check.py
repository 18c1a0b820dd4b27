"""The phases of gpu_check.sh: facts, records, small runs, kernels, profiles and the summary.

Run by gpu_check.sh: python benchmarks/gpu_check.py PHASE --work DIR [--device cuda] [...]

Every phase leaves its findings in DIR/results/PHASE.json, after each one of them, so that
nothing is lost when a phase runs out of time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from gpu_common import Findings, Settings
from gpu_runs import failed


def env(settings: Settings, findings: Findings) -> None:
    """The machine, its driver and its PyTorch."""
    import torch

    cuda = settings.device == "cuda"
    memory = torch.cuda.get_device_properties(0).total_memory if cuda else 0
    facts = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "gpu": torch.cuda.get_device_name() if cuda else None,
        "capability": torch.cuda.get_device_capability() if cuda else None,
        "memory_gib": round(memory / 2**30, 1),
    }
    findings.put("env", facts)
    if cuda:
        query = "name,driver_version,clocks.max.sm,power.limit,memory.total"
        words = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]
        findings.attempt(
            "nvidia-smi", lambda: subprocess.run(words, capture_output=True, text=True).stdout
        )


def sample(settings: Settings, findings: Findings) -> None:
    """Sentence files, a vocabulary and records from the built-in sample, without spaCy."""
    work = settings.work
    _bertkit("download", "sample", "--output", work / "raw")
    texts = []
    for path in sorted((work / "raw" / "text").iterdir()):
        words = " ".join(path.read_text(encoding="utf-8").split())
        texts.append([line for line in re.split(r"(?<=[.!?]) ", words) if line])
    vocab = work / "vocab.txt"
    for name, part, times in (("train", texts[4:], 10), ("valid", texts[:4], 2)):
        text = work / f"{name}.txt"
        text.write_text("\n\n".join(map("\n".join, part)) + "\n", encoding="utf-8")
        if name == "train":
            _bertkit("train-vocab", "--input", text, "--output", vocab, "--size", 4096)
        records = ("--input", text, "--vocab", vocab, "--output", work / f"{name}-128")
        _bertkit("make-records", *records, "--msl", 128, "--dupe-factor", times, "--workers", 1)
    findings.put("sample", {"documents": len(texts)})


def _bertkit(*words: Any) -> None:
    command = [sys.executable, "-m", "bertkit", *map(str, words)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def summary(settings: Settings, findings: Findings) -> None:
    """Everything that was found, as one object on standard output."""
    work, found = settings.work, dict[str, Any]()
    for path in sorted((work / "results").glob("*.json")):
        found.update(json.loads(path.read_text()))
    # What explains the rest comes first.
    whole = {"missing": found.pop("missing")} if "missing" in found else {}
    whole["failed small runs"] = {
        name: last_words(work / "log" / f"{name}.log")
        for key, status in found.items()
        if key.startswith("status ") and failed(status)
        for name in [key.removeprefix("status ")]
    }
    lines = (work / "phases.jsonl").read_text().splitlines()
    whole["phases"] = [json.loads(line) for line in lines]
    for phase in whole["phases"]:
        log = work / "log" / f"{phase['phase']}.log"
        if phase["status"] != 0 and phase["phase"] != "packages" and log.is_file():
            phase["tail"] = log.read_text(errors="replace")[-700:]
    whole.update(found)
    if (work / "tiles.json").is_file():
        whole["best tiles"] = json.loads((work / "tiles.json").read_text())
    for log in sorted((work / "log").glob("*.log")):
        text = log.read_text(errors="replace")
        if log.stem.startswith(("bench-", "tiles", "trial")):
            whole[log.stem] = _objects(text)
        elif log.stem.startswith("pytest"):
            whole[log.stem] = tests_of(text)
    # A line for each, so that all of it can be read where only some thousand letters are shown.
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in whole.items()]
    print("{" + ",\n ".join(lines) + "}")


def last_words(log: Path) -> str:
    """The line that a log ends with; a hint comes with the error before it."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    count = 2 if lines and lines[-1].startswith("Hint:") else 1
    return " ".join(lines[-count:])[-400:] or "nothing in its log"


def tests_of(log: str) -> list[str]:
    """How tests ended, by the log of `pytest -v`: its last lines, or counts where it has none."""
    ends = re.compile(r"(FAILED|ERROR) |=+ .*\b(passed|failed|error)|\d+ (passed|failed)")
    lines = [" ".join(line.split()) for line in log.split("\n")]
    found = [line[:200] for line in lines if ends.match(line)][-24:]
    if found:
        return found
    words = ("PASSED", "FAILED", "ERROR")
    ended = {word: [line for line in lines if word in line.split()] for word in words}
    counts = ", ".join(f"{len(ended[word])} {word}" for word in words)
    wrong = [line[:200] for word in words[1:] for line in ended[word]]
    return [f"cut off after {counts}", *wrong[-24:]]


def _objects(text: str) -> list[dict[str, Any]]:
    """The JSON objects among the lines, which may be mixed with a library's warnings."""
    found = []
    for line in text.split("\n"):
        if line.startswith("{"):
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return found


def _of(module: str, name: str) -> Callable[[Settings, Findings], None]:
    """A phase whose module is imported when it runs: it needs packages that may be missing."""

    def phase(settings: Settings, findings: Findings) -> None:
        getattr(import_module(module), name)(settings, findings)

    return phase


PHASES = {
    "packages": _of("gpu_packages", "packages"),
    "env": env,
    "sample": sample,
    "runs": _of("gpu_runs", "runs"),
    "compare": _of("gpu_runs", "compare"),
    "kernels": _of("gpu_kernels", "kernels"),
    "repeat": _of("gpu_kernels", "repeat"),
    "profile": _of("gpu_profile", "profile"),
    "profile-compiled": _of("gpu_profile", "profile_compiled"),
    "profile-fused": _of("gpu_profile", "profile_fused"),
    "summary": summary,
}


def main() -> None:
    """Run one phase."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("phase", choices=PHASES)
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--size", default="full", choices=("full", "small"))
    parser.add_argument("--jobs", type=int, default=1, help="small runs at the same time")
    parser.add_argument("--seconds", type=float, default=600, help="for the small runs together")
    parser.add_argument(
        "--only", default="runs resume compiled fused graphs", help="groups of small runs"
    )
    parser.add_argument("--tiles", default="", help="file of gpu_tiles.py, for fused layers")
    given = parser.parse_args()
    small = given.size == "small"
    only = tuple(given.only.split())
    settings = Settings(
        given.work, given.device, small, given.jobs, given.seconds, only, given.tiles
    )
    PHASES[given.phase](settings, Findings(given.work, given.phase))


if __name__ == "__main__":
    main()
