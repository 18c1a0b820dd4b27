"""Compiles kernels: the decorators, and the folder where machine code is kept.

numba keys its cache by one source file only, so a kernel that calls another one would
keep running the old callee after an edit. The cache folder is therefore named after a
digest of all kernel sources.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
from llvmlite import binding
from numba.core import config as numba_config
from numba.core.options import DefaultOptions

from bertkit.log import logger
from bertkit.storage import shared_cache


def _without_linear_algebra() -> None:
    """Load what every kernel needs of numba without scipy's linear algebra, which none needs.

    numba asks whether there is BLAS by importing that, for as long as it takes to load itself.
    That scipy is installed answers it: who multiplies matrices in kernels of their own still
    gets it then.
    """
    from numba.np import linalg

    found = getattr(linalg, "ensure_blas", None)
    name = "numba.np.arraymath"
    if found is None or name in sys.modules or importlib.util.find_spec("scipy") is None:
        return
    linalg.ensure_blas = lambda: None
    try:
        importlib.import_module(name)
    finally:
        linalg.ensure_blas = found
    sys.modules[name].ensure_blas = found  # type: ignore[attr-defined]


_without_linear_algebra()
F = TypeVar("F", bound=Callable[..., Any])

# `BERTKIT_PORTABLE=1` compiles without instructions that only some processors have.
PORTABLE = os.environ.get("BERTKIT_PORTABLE", "") not in ("", "0")


def has_feature(name: str) -> bool:
    """Whether kernels may use an instruction set, by LLVM's name, that some x86 lack."""
    return not PORTABLE and bool(binding.get_host_cpu_features().get(name))


def cache_folder() -> Path:
    """Where compiled kernels of exactly these sources are kept (not created here)."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parents[1].glob("**/kernels/*.py")):
        digest.update(source.read_bytes())
    kind = "portable" if PORTABLE else "native"
    return shared_cache.cache_folder() / "kernels" / f"{digest.hexdigest()[:16]}-{kind}"


def choose_cache() -> tuple[str | None, str]:
    """Where compiled kernels are kept, and what is unusual about that place.

    The usual folder may be out of reach, as in containers with a read-only file system. Then
    a folder of this user below the temporary one takes its place; where that fails as well,
    kernels are compiled anew by every process.

    Returns:
        (folder, or "" for the one that NUMBA_CACHE_DIR names, or None for nowhere; a text for
        a warning, or "").
    """
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen and _usable(Path(chosen)):
        return "", ""
    folder = cache_folder()
    if not chosen and _usable(folder):
        return str(folder), ""
    wanted = chosen or str(folder)
    if sys.platform == "win32":  # where nobody else can write to the user's folders
        return None, f"no folder to keep compiled kernels: cannot write {wanted}"
    try:
        owner = str(os.getuid())
        temporary = Path(tempfile.gettempdir()) / f"bertkit-{owner}" / folder.name
    except FileNotFoundError:  # no temporary folder at all
        return None, f"no folder to keep compiled kernels: cannot write {wanted}"
    if _usable(temporary) and _is_ours(temporary.parent):
        return str(temporary), f"cannot write {wanted}: compiled kernels are kept in {temporary}"
    text = f"cannot write {wanted} or {temporary}: every process compiles the kernels again"
    return None, text


def _usable(folder: Path) -> bool:
    """Make the folder, readable by others at the most, and see whether it can be written."""
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, mode=0o755, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _is_ours(folder: Path) -> bool:
    """Nobody else may put machine code there."""
    if sys.platform == "win32":
        return False
    found = folder.lstat()
    return found.st_uid == os.getuid() and not found.st_mode & 0o022 and folder.is_dir()


_CACHE, CACHE_WARNING = choose_cache()
if CACHE_WARNING and multiprocessing.parent_process() is None:  # workers need not repeat it
    logger.warning("%s (set NUMBA_CACHE_DIR to a folder that can be written)", CACHE_WARNING)
elif _CACHE and not any(Path(_CACHE).iterdir()):
    logger.info("compiling kernels for this machine, once; it takes half a minute")

_OPTIONS: dict[str, Any] = {
    "cache": _CACHE is not None,
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


def fused(function: F) -> F:
    """As `inlined`; a product and a sum may become one instruction, which rounds once."""
    return _compiled(function, forceinline=True, fastmath={"contract", "nsz"})


def arithmetic(function: F) -> F:
    """A kernel that may add floats in any order, so that sums use vector instructions.

    The order is fixed when it is compiled: the same machine code gives the same numbers.
    """
    return _compiled(function, forceinline=False, fastmath={"reassoc", "contract", "nsz"})


def _compiled(function: F, forceinline: bool, fastmath: set[str] | bool = False) -> F:
    before = numba_config.CACHE_DIR
    try:
        if _CACHE:
            numba_config.CACHE_DIR = _CACHE  # read once, while the cache is attached below
        compiled: F = numba.njit(forceinline=forceinline, fastmath=fastmath, **_OPTIONS)(function)
        return compiled
    finally:
        numba_config.CACHE_DIR = before
