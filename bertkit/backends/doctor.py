"""Collects what `bertkit doctor` reports: versions, packages, backends, memory and disk."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import time
import unicodedata
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bertkit import __version__
from bertkit.backends.registry import probe_all
from bertkit.log import table
from bertkit.storage.files import free_bytes, human_bytes
from bertkit.system import container_limits, memory
from bertkit.system.processes import core_count

# Distribution name → the extra of bertkit that installs it; empty where it always belongs.
PACKAGES = {
    "click": "",
    "numpy": "",
    "numba": "",
    "torch": "",
    "tokenizers": "",
    "spacy": "",
    "tfrecord": "",
    "cramjam": "",
    "crc32c": "",
    "safetensors": "",
    "fsspec": "",
    "tqdm": "",
    "rich": "",
    "pyyaml": "",
    "matplotlib": "plot",
    "h5py": "hdf5",
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "mlflow": "mlflow",
    "trackio": "trackio",
    "aiohttp": "remote",
    "s3fs": "remote",
    "gcsfs": "remote",
    "huggingface_hub": "hub",
    "distributed": "dask",
    "gdown": "drive",
    "pyarrow": "parquet",
    "zstandard": "zstd",
    "mwparserfromhell": "wiki",
    "nltk": "punkt",
    "jsonschema": "kubernetes",
    "kubernetes-validate": "kubernetes",
    "rouge-score": "summarise",
}


def examine(folder: str | Path = ".") -> dict[str, Any]:
    """Look at this machine.

    Args:
        folder: where the free disk space is measured.

    Returns:
        Plain values: `bertkit`, `python`, `unicode`, `platform`, `cores` (that may be used),
        `core_limit` of a container (None without one), `memory_bytes` (of the machine),
        `memory_limit_bytes` of a container, `available_bytes` (None where unknown),
        `disk_free_bytes`, `kernel_cache` (folder of compiled record kernels, None where none can
        be written), `packages` (name → version, or None with the `install` line), `data` (what
        packages that are installed need for some of their uses → whether it is here, and the
        `install` line), `backends` (one entry per backend with `present`, `reason`, `hint`),
        `problems` (texts; empty on a healthy machine).
    """
    begin = time.perf_counter()
    packages = {name: _package(name, extra) for name, extra in PACKAGES.items()}
    missing = [
        f"{name} is missing: {entry['install']}"
        for name, entry in packages.items()
        if entry["version"] is None and not entry["extra"]
    ]
    cache, warning = _kernel_cache()
    return {
        "bertkit": __version__,
        "python": platform.python_version(),
        "unicode": unicodedata.unidata_version,
        "platform": platform.platform(),
        "cores": core_count(),
        "core_limit": container_limits.cores(),
        "memory_bytes": memory.of_machine(),
        "memory_limit_bytes": container_limits.memory(),
        "available_bytes": memory.available(),
        "disk_free_bytes": free_bytes(folder),
        "packages": packages,
        "backends": [asdict(probe) for probe in probe_all()],
        "kernel_cache": cache,
        "data": _data(packages),
        "problems": missing + ([f"{warning}; set NUMBA_CACHE_DIR"] if warning else []),
        "seconds": time.perf_counter() - begin,
    }


def describe(found: dict[str, Any]) -> str:
    """The result of `examine` for people, ready to be pasted into a bug report."""
    machine = [
        ("bertkit", found["bertkit"]),
        ("Python", f"{found['python']} (Unicode {found['unicode']})"),
        ("system", found["platform"]),
        ("cores", _cores(found["cores"], found["core_limit"])),
        ("memory", _size(found)),
        ("disk", f"{human_bytes(found['disk_free_bytes'])} free here"),
        ("compiled kernels", found["kernel_cache"] or "not kept"),
    ]
    packages = [
        (name, entry["version"] or "missing", "" if entry["version"] else entry["install"])
        for name, entry in found["packages"].items()
    ]
    backends = [
        (
            entry["name"],
            "ready" if entry["present"] else "missing",
            "\n".join(filter(None, (entry["reason"], _on_lines(entry["hint"])))),
        )
        for entry in found["backends"]
    ]
    parts = [
        table(["machine", ""], machine),
        table(["backend", "state", "what was found"], backends),
        table(["package", "version", "to install it"], packages),
    ]
    parts.append(
        table(
            ["data", "state", "what for, and how to get it"],
            [
                (name, "here" if entry["present"] else "missing", _on_lines(entry["text"]))
                for name, entry in found["data"].items()
            ],
        )
    )
    ending = found["problems"] or ["No problem found."]
    return "\n\n".join([*parts, "\n".join(ending)])


def _on_lines(hint: str) -> str:
    """A hint with its command on a line of its own, which a narrow terminal does not wrap."""
    return re.sub(r": (?=(pip|bash|python) )", ":\n", hint)


def _package(name: str, extra: str) -> dict[str, str | None]:
    try:
        version: str | None = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        version = None
    wanted = f"bertkit[{extra}]" if extra else name
    return {"version": version, "extra": extra, "install": f"pip install '{wanted}'"}


def _data(packages: dict[str, dict[str, str | None]]) -> dict[str, dict[str, Any]]:
    """What NLTK and spaCy read besides their packages, where they are installed."""
    found: dict[str, dict[str, Any]] = {}
    if packages.get("nltk", {}).get("version"):
        install = "python -m nltk.downloader punkt_tab"
        text = "--chain mlperf, --splitter punkt"
        found["punkt_tab (NLTK)"] = _datum(_has_punkt(), install, text)
    if packages.get("spacy", {}).get("version"):
        model = "en_core_web_sm"
        here = importlib.util.find_spec(model) is not None
        text = f"--splitter spacy:{model}"
        found[f"{model} (spaCy)"] = _datum(here, f"python -m spacy download {model}", text)
    return found


def _datum(present: bool, install: str, use: str) -> dict[str, Any]:
    text = f"for {use}" if present else f"for {use}: {install}"
    return {"present": present, "install": install, "text": text}


def _has_punkt() -> bool:
    try:
        importlib.import_module("nltk.data").find("tokenizers/punkt_tab/english/")
    except Exception:  # whatever is wrong with it, it cannot be read
        return False
    return True


def _kernel_cache() -> tuple[str | None, str]:
    """(folder of compiled kernels or None, what is wrong with it or "")."""
    try:
        from bertkit.kernels import jit
    except ImportError:  # numba is missing, which is said elsewhere
        return None, ""
    folder, warning = jit.choose_cache()
    return folder or (os.environ["NUMBA_CACHE_DIR"] if folder == "" else None), warning


def _cores(usable: int, limit: float | None) -> str:
    return str(usable) if limit is None else f"{usable} (a limit of {limit:g} here)"


def _size(found: dict[str, Any]) -> str:
    total, limit, available = (
        found[f"{name}_bytes"] for name in ("memory", "memory_limit", "available")
    )
    if total is None:
        return "unknown"
    most = "" if limit is None else f", a limit of {human_bytes(limit)} here"
    free = f", {human_bytes(available)} available" if available is not None else ""
    return human_bytes(total) + most + free
