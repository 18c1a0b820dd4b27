"""Collects the settings of all backends as sections of a command's configuration.

Light: imports no torch. A section reaches its adapter as the `options` of `Adapter.start` and
`StepPlan`; other backends never see it.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

from bertkit.backends import registry
from bertkit.configuration.option_groups import MACHINE
from bertkit.configuration.settings import ROUNDING


class BackendSections:
    """Base of configurations: one field per backend that has settings of its own.

    A dataclass that names this base gets, after its own fields, a field `cuda`, `hpu`, ... of
    the backend's options class for every row of the registry that has one.
    """

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if BackendSections not in cls.__bases__:
            return  # inherits the fields
        for name in section_names():
            row = registry.row(name)
            kind = row.options_class()
            cls.__annotations__[name] = kind
            facts = {"options": row.flags, "on_resume": ROUNDING, "group": MACHINE}
            setattr(cls, name, field(default_factory=kind, metadata=facts))


def section_names() -> list[str]:
    """The backends that have settings of their own."""
    return [name for name, row in registry.backends().items() if row.options]


def other_sections(backend: str) -> list[str]:
    """The beginnings of the keys of settings that matter on other backends alone."""
    return [f"{name}." for name in section_names() if name != backend]


def section_prefixes() -> tuple[str, ...]:
    """What the dotted names of those settings begin with: `cuda.`, `hpu.`, ..."""
    return tuple(f"{name}." for name in section_names())


def options_of(config: Any, backend: str) -> Any:
    """The section of a configuration that belongs to a backend, or None."""
    return getattr(config, backend) if backend in section_names() else None
