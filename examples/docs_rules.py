"""Which commands of the pages `run_docs.py` runs, plans or leaves out; how they become small."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from stand_ins import BATCH, SETTINGS_NAME, SHAPE, World, as_flags

# Commands by their beginning, and why they are not run.
LEFT_OUT = {
    "make ": "sets up an environment and runs for minutes; CI does it",
    "pip install": "changes the environment; the package's own tests do it",
    "sbatch ": "needs a cluster with Slurm",
    "kubectl ": "needs a Kubernetes cluster",
    "dask ": "starts a cluster; a small one in this process takes its place",
}
LAUNCHERS = {"torchrun": "starts several processes"}
DEVICES = ("accel", "cs", "cuda", "hpu", "ipu")
SCHEDULER = "tcp://scheduler:8786"

# Command → flags that make it small; `--set` wins over flags and presets.
SMALLER = {
    "train-vocab": ("--size", "2000"),
    "make-records": ("--set", "dupe_factor=1"),
    "eval": ("--limit", "16"),
}
_WORKERS = ("extract", "clean", "split", "train-vocab", "make-records", "inspect", "verify")
_COMPUTE = ("pretrain", "eval", "finetune", "finetune-squad", "predict")


def left_out(words: Sequence[str]) -> str:
    """Why a command cannot be run on this machine; empty if it can."""
    if words[1] in ("extract", "split") and "mlperf" in words and not _has_punkt():
        return "needs NLTK's punkt_tab, which is not on this machine"
    return ""


def _has_punkt() -> bool:
    """Whether NLTK's sentence models lie where it looks for them."""
    places = [*os.environ.get("NLTK_DATA", "").split(os.pathsep), str(Path.home() / "nltk_data")]
    return any((Path(place) / "tokenizers/punkt_tab").is_dir() for place in places if place)


def planned(words: Sequence[str], world: World) -> str:
    """Why a command is only planned with --dry-run; empty if it is run."""
    if words[1] == "download" and words[2] != "sample":
        return "downloads files"
    if "--backend" in words and words[1] != "launch":
        backend = words[words.index("--backend") + 1]
        return f"needs a device of the backend {backend}" if backend in DEVICES else ""
    if SCHEDULER in words and not world.has_dask():
        return "needs bertkit[dask], and its workers this process"
    return ""


def inputs(words: Sequence[str]) -> list[str]:
    """The words of a command that may name files which it reads."""
    if words[1] == "launch" and words[2] != "check":
        return []
    flags = ("-o", "--output")
    if "settings.yaml" in words:
        words = [*words, *SETTINGS_NAME]
    return [
        word.removeprefix("@")
        for before, word in itertools.pairwise(words)
        if before not in flags and not word.startswith("-")
    ]


def statuses(words: Sequence[str]) -> tuple[int, ...]:
    """The exit statuses that are right for stand-ins."""
    if "--reference" in words:
        return (3,)  # a stand-in is not what MLPerf has published
    if words[1] == "pretrain" and "mlperf" in words and "--dry-run" not in words:
        return (5,)  # two steps do not reach the target
    return (0,)


def smaller(words: Sequence[str], *, plan: bool, world: World) -> list[str]:
    """The arguments of a command with what makes it small, or with --dry-run.

    Args:
        words: the command, without `bertkit`.
        plan: it is to be planned only.
        world: where the stand-ins are.
    """
    name = words[0]
    redirect = next((n for n, word in enumerate(words) if word in "<>"), len(words))
    found, rest = list(words[:redirect]), list(words[redirect:])
    if SCHEDULER in found:
        found[found.index(SCHEDULER)] = world.scheduler()
    if plan or "--dry-run" in found:
        found += ["--dry-run"] if "--dry-run" not in found else []
        return [*found, *(["--no-mock"] if name == "pretrain" else []), *rest]
    found += SMALLER.get(name, ())
    found += ["--workers", "1"] if name in _WORKERS and "dask" not in found else []
    settings: list[str] = []
    if name == "split":
        settings = ["num_test_articles=2"] if "mlperf" in found else ["valid=0.2"]
    if name in ("pretrain", "finetune", "finetune-squad") and "--predictions" not in found:
        settings = [*BATCH, "max_steps=2", "epochs=null"]
    if name == "pretrain":
        settings += ["warmup_steps=0", "save_every=1"]
        settings += [f"model.{key}={value}" for key, value in SHAPE.items()]
    if "--seeds" in found:
        found += ["--seeds", "2"]
    if name in _COMPUTE and "--backend" not in found:
        found += ["--backend", "cpu"]
    return [*found, *as_flags(*settings), *rest]
