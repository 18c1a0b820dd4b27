"""Decides whether a run's layers are fused: by a trial on its GPU, made once.

The trial is a process of its own (`trial`), so that whatever goes wrong in it leaves the
run as it was. Its answer is kept in the user's cache folder, for this GPU, these versions and
sizes; of several runs that begin at once, one tries.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from bertkit import __version__, log
from bertkit.backends.run_size import RunSize
from bertkit.backends.torch.fused.trial import Answer, Case
from bertkit.errors import BertkitError
from bertkit.model.fused.dispatch import gpu_has_kernels, what_does_not_fit
from bertkit.storage.files import write_text
from bertkit.storage.shared_cache import cache_folder, one_process_at_a_time
from bertkit.system.side_process import run_beside

# Operations of a process's run from which on a trial pays: some ten minutes of an H100.
WORTH_TRYING = 2e17
_ANSWER = "answer.json"
_PACKAGES = (
    "bertkit.backends.torch.fused",
    "bertkit.model.fused",
    "bertkit.model.fused.checks",
    "bertkit.train.optimization",
)
_GAIN = 0.97  # of the usual time, that fused layers may take at most
_MOST_ROWS = 1 << 15  # enough to keep a GPU busy, and its host ahead of it
_LIMIT = 300.0  # seconds of a trial; compilers need most of them
# Imports what this process does, not what lies in the current folder.
_PROGRAM = f"""import sys
sys.path[:] = sys.argv.pop(1).split({os.pathsep!r})
from bertkit.system.side_process import end_with_parent
end_with_parent()
from bertkit.backends.torch.fused.trial import main
main()"""
_STARTER = (sys.executable, "-c", _PROGRAM, os.pathsep.join(sys.path))


class TrialError(Exception):
    """A trial that ended without an answer; says how."""


@dataclass(frozen=True)
class Trial:
    """A case to try on one of this machine's GPUs.

    Attributes:
        case: what is tried.
        index: of the GPU.
    """

    case: Case
    index: int

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the answer depends on."""
        try:
            import triton  # the package that it comes in has several names

            version = str(triton.__version__)
        except ImportError:  # the trial will say what is wrong with it
            version = ""
        return {
            "case": asdict(self.case),
            "device": torch.cuda.get_device_name(self.index),
            "bertkit": __version__,
            "torch": torch.__version__,
            "cuda": str(torch.version.cuda),
            "triton": version,
            "kernels": _digest_of_kernels(),
        }

    @property
    def place(self) -> Path:
        """The folder of the answer, whether it is there or not."""
        digest = hashlib.sha256(json.dumps(self.facts, sort_keys=True).encode()).hexdigest()
        return cache_folder() / "fused-layers" / digest[:40]

    def kept(self) -> Answer | None:
        """The answer that is known."""
        try:
            found = json.loads((self.place / _ANSWER).read_text())
            return Answer.read(found["answer"]) if found["facts"] == self.facts else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def found(self) -> Answer:
        """The answer that is known, by now, or that of a new trial.

        Raises:
            TrialError: it ended without one.
        """
        with one_process_at_a_time(self.place):
            return self.kept() or self.made()

    def made(self) -> Answer:
        """The answer of a new trial, kept from now on.

        Raises:
            TrialError: it ended without one.
        """
        said = _output_of(json.dumps(asdict(self.case)), str(self.index))
        try:
            answer = Answer.read(json.loads(said))
        except (ValueError, TypeError):
            raise TrialError(f"it wrote '{said[:200]}'") from None
        try:
            content = {"facts": self.facts, "answer": asdict(answer)}
            write_text(self.place / _ANSWER, json.dumps(content, indent=2))
        except (OSError, BertkitError) as error:
            log.logger.debug("the answer of the trial is not kept: %s", error)
        return answer


def choose_fused(size: RunSize, compiled: bool, dynamic: bool, index: int) -> bool | None:
    """Whether fused layers are right and faster on a GPU; None: it has not been tried.

    Args:
        size: of the run. One that is resumed goes on as it began, and a short one computes as
            PyTorch does, whatever has been tried. A plan made where there is no GPU stays open.
        compiled: the layers would be compiled otherwise.
        dynamic: for any number of rows.
        index: of the GPU.
    """
    head = size.model.hidden_size // size.model.num_attention_heads
    fits = size.precision == "bf16" and not what_does_not_fit(head, size.model.hidden_act)
    elsewhere = size.planned_only and not torch.cuda.is_available()
    if not fits or not (elsewhere or gpu_has_kernels()):
        return False
    if size.before is not None:
        return bool(size.before.get("fused"))
    if size.operations < WORTH_TRYING:
        return False
    if elsewhere:
        return None
    trial = Trial(case_of(size, compiled, dynamic), index)
    answer = trial.kept()
    if answer is None and size.planned_only:
        return None
    if answer is None:
        log.logger.info("trying cuda.fused on this GPU, for this and later runs: up to two minutes")
        try:
            answer = trial.found()
        except TrialError as error:
            log.logger.warning(
                "cuda.fused=false: its trial on this GPU failed: %s"
                " (--set cuda.fused=false runs without a trial)",
                error,
            )
            return False
    return _judged(answer)


def _output_of(*words: str) -> str:
    """The last line that a trial writes.

    Raises:
        TrialError: it fails, or takes too long.
    """
    try:
        ended = run_beside([*_STARTER, *words], _LIMIT)
    except OSError as error:
        raise TrialError(str(error)) from error
    log.logger.debug("the trial wrote:\n%s", ended.errors)
    if ended.status is None:
        raise TrialError(f"it took more than {_LIMIT:.0f} seconds")
    lines = ended.output.splitlines()
    if ended.status or not lines:
        said = ended.errors.strip().splitlines()
        raise TrialError(said[-1] if said else f"it ended with status {ended.status}")
    return lines[-1]


def _judged(answer: Answer) -> bool:
    """Whether the kernels are to be used; says why."""
    if answer.wrong:
        log.logger.warning("cuda.fused=false: on this GPU %s", answer.wrong)
        return False
    faster = answer.fused <= _GAIN * answer.usual
    log.logger.info(
        "cuda.fused=%s: on this GPU a layer takes %.3g ms with it and %.3g without",
        str(faster).lower(), answer.fused, answer.usual,
    )  # fmt: skip
    return faster


def case_of(size: RunSize, compiled: bool, dynamic: bool) -> Case:
    """What stands for a run in a trial: the same for runs that differ little."""
    rows = 1 << max(4, round(math.log2(max(1, min(size.rows, _MOST_ROWS)))))
    return Case.of(size.model, rows=rows, longest=size.longest, compiled=compiled, dynamic=dynamic)


def _digest_of_kernels() -> str:
    """Of the program text of kernels and of their trial: others are tried anew."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        folder = resources.files(package)
        for file in sorted(folder.iterdir(), key=lambda file: file.name):
            if file.name.endswith(".py"):
                digest.update(file.read_bytes())
    return digest.hexdigest()
