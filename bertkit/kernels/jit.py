"""Compiles kernels: the decorators, and the folder where machine code is kept.

numba keys its cache by one source file only, so a kernel that calls another one would
keep running the old callee after an edit. The cache folder is therefore named after a
digest of all kernel sources.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
from llvmlite import binding
from numba.core import config as numba_config
from numba.core.options import DefaultOptions

from bertkit.log import logger

F = TypeVar("F", bound=Callable[..., Any])

# `BERTKIT_PORTABLE=1` compiles without instructions that only some processors have.
PORTABLE = os.environ.get("BERTKIT_PORTABLE", "") not in ("", "0")


def has_feature(name: str) -> bool:
    """Whether kernels may use an instruction set, by LLVM's name, that some x86 lack."""
    return not PORTABLE and bool(binding.get_host_cpu_features().get(name))


def cache_folder() -> Path:
    """Where compiled kernels of exactly these sources are kept (not created here)."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parents[1].glob("**/kernels/*.py")):
        digest.update(source.read_bytes())
    kind = "portable" if PORTABLE else "native"
    return Path(root) / "bertkit" / "kernels" / f"{digest.hexdigest()[:16]}-{kind}"


def _usable_cache() -> str:
    """The folder as numba wants it, or "" to leave numba's own choice (also a user's)."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        return ""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True)
        logger.info("compiling record kernels for this machine, once; it takes half a minute")
    except FileExistsError:
        pass
    except OSError:
        return ""
    return str(folder) if os.access(folder, os.W_OK) else ""


_CACHE = _usable_cache()

_OPTIONS: dict[str, Any] = {
    "cache": True,
    "nogil": True,
    "boundscheck": False,
    "error_model": "numpy",
}
if "_nrt" in dict(inspect.getmembers(DefaultOptions)):
    # Kernels allocate nothing and keep nothing, so counting references to their arrays,
    # atomically and at every call, would only cost time: two thirds of it, measured.
    _OPTIONS["_nrt"] = False


def kernel(function: F) -> F:
    """Compile a function at its first call, without the GIL, and keep the machine code.

    Inside a kernel array indices are not checked and integers wrap; callers pass arrays
    that are large enough, as each docstring says.
    """
    return _compiled(function, forceinline=False)


def inlined(function: F) -> F:
    """A kernel that becomes part of each kernel calling it; for small steps of hot loops."""
    return _compiled(function, forceinline=True)


def _compiled(function: F, forceinline: bool) -> F:
    before = numba_config.CACHE_DIR
    try:
        if _CACHE:
            numba_config.CACHE_DIR = _CACHE  # read once, while the cache is attached below
        compiled: F = numba.njit(forceinline=forceinline, **_OPTIONS)(function)
        return compiled
    finally:
        numba_config.CACHE_DIR = before
