"""Imports packages that only some features need, with a clear error where one is missing."""

from __future__ import annotations

import importlib
from typing import Any

from bertkit.errors import MissingDependencyError


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
