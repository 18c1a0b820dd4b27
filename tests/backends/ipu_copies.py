"""The IPU adapter under a stand-in for its engine, whole or with one line of it changed."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bertkit.backends

FAKES = Path(__file__).parent / "fakes"
# In the order of their imports.
PARTS = ("pipeline", "rules", "options", "optim", "model", "peers", "step", "")


@contextmanager
def engine() -> Iterator[types.ModuleType]:
    """The stand-ins on the path, with nothing compiled; gone again afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(FAKES))
    try:
        import poptorch

        yield poptorch
    finally:
        sys.path.remove(str(FAKES))
        # Also other vendors' stand-ins, which a look for every backend finds there.
        for name in set(sys.modules) - before:
            if _lies_in_fakes(sys.modules[name]):
                del sys.modules[name]


def _lies_in_fakes(module: types.ModuleType) -> bool:
    places = [getattr(module, "__file__", None) or "", *(getattr(module, "__path__", None) or ())]
    return any(str(place).startswith(str(FAKES)) for place in places)


def changed_adapter(part: str, old: str, new: str):
    """An adapter made from the same source with one text replaced.

    Its modules replace the real ones only while they are made.
    """
    names = [f"bertkit.backends.ipu{'_' + item if item else ''}" for item in PARTS]
    before = {name: sys.modules.get(name) for name in names}
    try:
        for name, item in zip(names, PARTS, strict=True):
            path = Path(bertkit.backends.__file__).parent / f"{name.rpartition('.')[2]}.py"
            text = path.read_text(encoding="utf-8")
            if item == part:
                assert text.count(old) == 1, f"{path.name} has {text.count(old)} times: {old}"
                text = text.replace(old, new)
            module = types.ModuleType(name)
            module.__file__ = str(path)
            sys.modules[name] = module
            exec(compile(text, str(path), "exec"), module.__dict__)
        return module.IpuAdapter()
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
