"""Decides Gaudi's execution mode, and what the environment must say of it. Imports no torch.

Intel's package reads PT_HPU_LAZY_MODE once, at import. Lazy mode was its default until 1.20;
from 1.21 on the default is eager mode with torch.compile, and lazy mode is kept for old
programs. "1" is lazy mode in every release; eager mode was "2" before 1.14, and is "0" since.
With torch 2.5 and later `import torch` imports the package by itself, unless the mode is lazy
(github.com/HabanaAI/Model-References, gaudi-pytorch-bridge; docs.habana.ai, Runtime Flags).
"""

from __future__ import annotations

import importlib.metadata
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bertkit.backends.hpu.options import AUTO, HpuOptions

VARIABLE = "PT_HPU_LAZY_MODE"
PACKAGE = "habana-torch-plugin"
# Releases from which on things are so.
EAGER_IS_ZERO, LAZY_IS_LEGACY, AUTOGRAD_IS_COMPILED = (1, 14), (1, 21), (1, 23)
NEWEST = (1, 23)


def version() -> str:
    """Of Intel's package for PyTorch; empty where that is not known."""
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return ""


def release() -> tuple[int, int] | None:
    """Major and minor version of the installed package; None where that is not known."""
    found = re.match(r"(\d+)\.(\d+)", version())
    return (int(found[1]), int(found[2])) if found else None


def default_variable(found: tuple[int, int] | None) -> str:
    """What the package takes for a variable that is not set."""
    return "0" if found and found >= LAZY_IS_LEGACY else "1"


def variable_of(mode: str, found: tuple[int, int] | None) -> str:
    """The value of PT_HPU_LAZY_MODE for a mode.

    Args:
        mode: lazy, eager or compile.
        found: the release; None where it is not known.
    """
    if mode == "lazy":
        return "1"
    return "2" if mode == "eager" and found and found < EAGER_IS_ZERO else "0"


def decided(
    options: HpuOptions, found: tuple[int, int] | None, environment: Mapping[str, str] = os.environ
) -> HpuOptions:
    """The settings with the mode, and with what follows from it.

    Args:
        options: as given; `auto` follows HPU graphs and compiled autograd, which work in one mode
            only, else the environment, else the default of the release.
        found: the release; None where it is not known.
        environment: of the process.
    """
    mode = options.mode
    if mode == AUTO and options.graphs:
        mode = "lazy"
    elif mode == AUTO and options.compiled_autograd:
        mode = "compile"
    elif mode == AUTO:
        given = environment.get(VARIABLE) or default_variable(found)
        # "0" was no mode yet before 1.14.
        eager = "lazy" if found and found < EAGER_IS_ZERO else "compile"
        mode = {"1": "lazy", "2": "eager"}.get(given, eager)
    autograd = options.compiled_autograd
    if autograd is None:
        autograd = mode == "compile" and bool(found and found >= AUTOGRAD_IS_COMPILED)
    return replace(options, mode=mode, compiled_autograd=autograd)


def variables(options: Any) -> dict[str, str]:
    """What a launcher sets for every process; see `bertkit.backends.registry.Backend`.

    Where the package is not installed on the launching machine, `auto` is the mode of the
    newest release.
    """
    found = release() or NEWEST
    chosen = decided(options or HpuOptions(), found)
    return {VARIABLE: variable_of(chosen.mode, found)}
