"""Which processor this is: its maker and its instructions, as the system tells them.

Linux lists them in `/proc/cpuinfo`: `vendor_id` and `flags` on x86, `Features` on ARM (the
kernel's arch/arm64/elf_hwcaps lists their names). Elsewhere the instructions are not known.
"""

from __future__ import annotations

import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


def is_amd(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether AMD made it.

    Args:
        cpuinfo: the system's file about processors.
    """
    told = _first(cpuinfo).get("vendor_id") or platform.processor()  # Windows names the maker
    return "AuthenticAMD" in told


def features(cpuinfo: Path = _CPUINFO) -> frozenset[str]:
    """Names of its instructions as Linux has them, such as `avx512_bf16` or `bf16`; maybe none.

    Args:
        cpuinfo: the system's file about processors.
    """
    told = _first(cpuinfo)
    return frozenset((told.get("flags") or told.get("Features") or "").split())


def _first(cpuinfo: Path) -> dict[str, str]:
    """What is said of the first processor."""
    try:
        block = cpuinfo.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in block.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
