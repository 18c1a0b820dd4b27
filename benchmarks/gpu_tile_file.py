"""The file of tiles that gpu_tiles.py writes, and how other programs here use it.

    {"large-512": {"forward": [128, 64, 4, 3], "query": [...], "key_value": [...]}, ...}

For each case of gpu.py that was tried: queries, keys, warps and stages of the three attention
kernels of a fused layer. Imports neither torch nor bertkit until tiles are used.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PARTS = ("forward", "query", "key_value")
Found = dict[str, dict[str, list[int]]]


def read(path: str | Path) -> Found:
    """The tiles of a file.

    Raises:
        SystemExit: it is none; one line says why.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SystemExit(f"--tiles {path}: {error}") from None
    if not isinstance(found, dict) or not found:
        raise SystemExit(f"--tiles {path}: no cases. Make it with benchmarks/gpu_tiles.py --output")
    for case, parts in found.items():
        for part in PARTS:
            values = parts.get(part) if isinstance(parts, dict) else None
            four = isinstance(values, list) and [type(value) for value in values] == [int] * 4
            if not four:
                raise SystemExit(
                    f"--tiles {path}: {case}, {part}: four numbers belong there (queries, keys, "
                    f"warps, stages), not {json.dumps(values)}"
                )
    return found


def nearest(found: Found, case: str) -> str:
    """The case of the file for a case of gpu.py: itself, one as long, or the first."""
    length = case.rsplit("-", 1)[-1]
    alike = [name for name in found if name.rsplit("-", 1)[-1] == length]
    return case if case in found else (alike or list(found))[0]


def use(path: str | Path, case: str) -> str:
    """Put a file's tiles for a case in place of the chosen ones, in this process.

    Returns:
        The case of the file that they are from.
    """
    from bertkit.model.fused import attention

    found = read(path)
    name = nearest(found, case)
    choice: Any = attention.TileChoice(*(attention.Tiles(*found[name][part]) for part in PARTS))
    attention.chosen_tiles = lambda size: choice  # type: ignore[assignment]
    return name
