"""Writes down the public names and how each is called: `python -m api.signatures` in tests/.

What it writes, public_names.txt, is compared with the package by a test, so that no change of a
stable name goes unseen. Settings, which are fields of the `...Config` and `...Options` classes,
are held by docs/cli.md.
"""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import bertkit

FILE = Path(__file__).with_name("public_names.txt")


def lines() -> list[str]:
    """A line per public name, and per public method or attribute of a public class."""
    found: list[str] = []
    for name in bertkit.__all__:
        item = getattr(bertkit, name)
        if inspect.isfunction(item):
            found.append(f"{name}{inspect.signature(item)}")
        elif inspect.isclass(item):
            found += _of_class(name, item)
        else:
            found.append(name)
    return found


def _of_class(name: str, kind: type) -> list[str]:
    base = next((b.__name__ for b in kind.__bases__ if b.__module__.startswith("bertkit")), "")
    found = [f"class {name}({base})" if base else f"class {name}"]
    if dataclasses.is_dataclass(kind) and not name.endswith(("Config", "Options")):
        found += [f"{name}.{item.name}: {item.type}" for item in dataclasses.fields(kind)]
    for member, value in vars(kind).items():
        if member.startswith("_") and member not in ("__call__", "__len__", "__getitem__"):
            continue
        if inspect.isfunction(value):
            found.append(f"{name}.{member}{inspect.signature(value)}")
        elif isinstance(value, property):
            found.append(f"{name}.{member}: {inspect.signature(value.fget).return_annotation}")
    return found


if __name__ == "__main__":
    FILE.write_text("\n".join(lines()) + "\n", encoding="utf-8")
