"""The packages for gpu_check.sh: which are there, and which that bertkit declares are not.

Imports nothing but Python's own library, so that it can say so of any other package.
"""

from __future__ import annotations

import configparser
import re
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from gpu_common import Findings, Settings

SETUP = Path(__file__).resolve().parents[1] / "setup.cfg"
# Declared, but for commands that nothing here calls: rules for sentences, other programs' records.
NOT_CALLED = {"spacy", "tfrecord"}
OTHERS = ("triton", "transformers", "accelerate", "pytest", "hypothesis", "h5py", "torchao")


def packages(settings: Settings, findings: Findings) -> None:
    """The version of every package, and one line on those that are missing.

    Raises:
        SystemExit: one is missing without which nothing here can run; status 1.
    """
    versions = {name: installed(name) for name in (*declared(), *OTHERS)}
    findings.put("packages", versions)
    missing = [name for name in declared() if versions[name] is None]
    if missing:
        findings.put("missing", missing_line(missing))
    if set(missing) - NOT_CALLED:
        sys.exit(1)


def declared(setup: Path = SETUP) -> list[str]:
    """Names of the packages that bertkit needs on Linux, from setup.cfg."""
    found = configparser.ConfigParser()
    found.read(setup, encoding="utf-8")
    lines = found["options"]["install_requires"].split("\n")
    # A condition follows `;` only where another system needs more.
    return [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines if line and ";" not in line]


def installed(package: str) -> str | None:
    """The version of a package; None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def missing_line(names: Iterable[str]) -> str:
    """What is missing, what that means, and what to do about it."""
    names = list(names)
    blocking = [name for name in names if name not in NOT_CALLED]
    if not blocking:
        return f"not installed, and not called here: {', '.join(names)}"
    return (
        f"not installed: {', '.join(names)}; nothing but `env` was run. "
        f"Try: pip install {' '.join(blocking)}"
    )
