"""Imports packages that only some features need, with a clear error where one is missing."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from typing import Any

from bertkit.errors import MissingDependencyError

_alone = False


def take_process() -> None:
    """Note that this process runs bertkit alone, and what it imports is nobody else's affair."""
    global _alone
    _alone = True


@contextlib.contextmanager
def spared(*packages: str) -> Iterator[None]:
    """A block in which another package does without those that it would import if they are there.

    Nothing is hidden in a program that uses bertkit and may need them itself, nor what is
    imported already.

    Args:
        packages: names at the top level.
    """
    hidden = [name for name in packages if _alone and name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: not to be imported
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def require(module: str, purpose: str, extra: str = "", hint: str = "") -> Any:
    """Import an optional module.

    Args:
        module: dotted name, such as `matplotlib.figure`; its first part names the package.
        purpose: what needs it, such as `HDF5 files`; for the message.
        extra: bertkit's installation extra that brings the package.
        hint: what to do about a missing package, where no extra brings it.

    Returns:
        The module.

    Raises:
        MissingDependencyError: it cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0].replace("_", "-")  # its name in the index
        raise MissingDependencyError(
            f"the package {package} is not installed, needed for {purpose}",
            hint or f"pip install 'bertkit[{extra}]'",
        ) from error
