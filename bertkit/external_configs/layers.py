"""Makes settings of a configuration file: bertkit's own YAML, or another system's file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from bertkit import log
from bertkit.configuration.config import Layer, Resolved, load_settings, resolve
from bertkit.train.without_effect import warn_without_effect

C = TypeVar("C")
# Layers of settings, lowest first; and another system's file translated, or None.
File = tuple[list[Layer], Any]


def file_layers(name: str | None, translate_file: Callable[[str], Any] | None) -> File:
    """The layers of a configuration file; none without one.

    Args:
        name: of the file.
        translate_file: reads files of other systems, see
            `bertkit.external_configs.detect.translate_file`.
    """
    external = translate_file(name) if name and translate_file else None
    if not external:
        return [Layer(name, load_settings(name))] if name else [], None
    for line in external.warnings():
        log.logger.warning("%s", line)
    return external.layers(), external


def resolve_with(
    kind: type[C], layers: Sequence[Layer], external: Any, whole: bool = True
) -> Resolved[C]:
    """`resolve`, for layers of which some come from another system's file.

    Args:
        kind: the configuration dataclass.
        layers: lowest first.
        external: the file translated; None where there is none.
        whole: it must say all that its program needs.
    """
    resolved = resolve(kind, layers)
    warn_without_effect(resolved.config, resolved.origins)
    if external is None:
        return resolved
    if whole:
        external.require_given(resolved.origins)
    return dataclasses.replace(resolved, external=tuple(external.rows()))
