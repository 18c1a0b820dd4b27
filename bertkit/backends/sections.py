"""Collects the settings of all backends as sections of a command's configuration.

Light: imports no torch. A section reaches its adapter as the `options` of `Adapter.start` and
`StepPlan`; other backends never see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from bertkit import log
from bertkit.backends import registry
from bertkit.configuration.config import ASSIGNMENT, COMMAND_LINE, Resolved
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


def completed_sections(saved: Mapping[str, Any]) -> dict[str, Any]:
    """A run's saved settings by dotted name, with what the backends say of their own.

    Args:
        saved: settings of a checkpoint, of whatever version. A class of settings may have a
            static `completed`: of its settings as they were saved, what they meant in that run,
            for those that a run keeps, whatever is chosen for others by now.
    """
    values = dict(saved)
    for name in section_names():
        completed = getattr(registry.row(name).options_class(), "completed", None)
        if completed is not None:
            begin = f"{name}."
            own = {k.removeprefix(begin): v for k, v in saved.items() if k.startswith(begin)}
            values |= {f"{begin}{key}": value for key, value in completed(own).items()}
    return values


def options_of(config: Any, backend: str) -> Any:
    """The section of a configuration that belongs to a backend, or None."""
    return getattr(config, backend) if backend in section_names() else None


def warn_of_other_backends(resolved: Resolved[Any], backend: str) -> None:
    """Say which settings of the command line do nothing, as they are those of another backend.

    Files may have them for several machines, and what turns something off asks for nothing.
    """
    for key, origin in resolved.origins.items():
        section, _, name = key.partition(".")
        typed = origin in (COMMAND_LINE, ASSIGNMENT)
        if not typed or section == backend or section not in section_names():
            continue
        options = getattr(resolved.config, section)
        value = getattr(options, name)
        if value is not False and value != getattr(type(options)(), name):
            log.logger.warning(
                "%s=%s does nothing here: the backend is %s", key, log.shown(value), backend
            )
