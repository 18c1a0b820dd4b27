"""Builds the pretended device beside this file and makes it PyTorch's accelerator.

Run with a folder to build in and a command line of bertkit:

    python pretend_device.py BUILD doctor
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import torch
from torch.utils import cpp_extension

NAME = "pretended"


def appear(folder: str) -> None:
    """Make the device PyTorch's accelerator; for this process, once and for all."""
    torch.utils.rename_privateuse1_backend(NAME)
    module = ModuleType(NAME)
    functions = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "set_device": lambda device: None,
        "synchronize": lambda device=None: None,
        "_is_in_bad_fork": lambda: False,
        "manual_seed_all": lambda seed: None,
        "get_amp_supported_dtype": lambda: [torch.bfloat16],
    }
    for name, function in functions.items():
        setattr(module, name, function)
    torch._register_device_module(NAME, module)
    Path(folder).mkdir(parents=True, exist_ok=True)
    cpp_extension.load(
        "pretend_device",
        [str(Path(__file__).with_suffix(".cpp"))],
        build_directory=folder,
        extra_cflags=["-O0"],
        is_python_module=False,
    )


if __name__ == "__main__":
    appear(sys.argv[1])
    from bertkit.cli import main

    sys.exit(main(sys.argv[2:]))
