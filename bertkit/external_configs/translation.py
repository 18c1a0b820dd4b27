"""Other systems' configuration files as our settings: what became of every key.

A format is a table from key to rule. A rule maps the key, leaves it out for a reason that
the user is told, or refuses it; a key without a rule is refused, so nothing a file asks
for is dropped in silence.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bertkit.errors import ConfigError

MAPPED, IGNORED, REFUSED = "mapped", "ignored", "refused"
_VARIABLE = re.compile(r"\$\{?[A-Za-z_]")


@dataclass(frozen=True)
class Fate:
    """What became of one key.

    Attributes:
        key: as the file spells it, nested keys joined by dots.
        value: as the file gives it.
        kind: `mapped`, `ignored` or `refused`.
        text: our settings, or the reason.
    """

    key: str
    value: Any
    kind: str
    text: str


@dataclass
class Translation:
    """A file of another system in our terms.

    Attributes:
        source: the file's name.
        title: the system whose form it has.
        values: our settings by dotted key.
        fates: of every key, in the order of the file.
    """

    source: str
    title: str
    values: dict[str, Any] = field(default_factory=dict)
    fates: list[Fate] = field(default_factory=list)

    def rows(self) -> list[tuple[str, str, str]]:
        """(key, value, what became of it) for people."""
        return [(fate.key, str(fate.value), f"{fate.kind}: {fate.text}") for fate in self.fates]

    def warnings(self) -> list[str]:
        """One line for every key that was left out."""
        return [f"{self.source}: {fate.key} ignored: {fate.text}" for fate in self.of_kind(IGNORED)]

    def of_kind(self, kind: str) -> list[Fate]:
        """The keys that share a fate."""
        return [fate for fate in self.fates if fate.kind == kind]

    def require_taken(self) -> None:
        """Check that no key was refused.

        Raises:
            ConfigError: lists those that were, each with the reason.
        """
        refused = self.of_kind(REFUSED)
        if refused:
            texts = "; ".join(f"{fate.key} ({fate.value}): {fate.text}" for fate in refused)
            raise ConfigError(
                f"{self.source} ({self.title}): {texts}", "remove these keys, or change them"
            )


class Refusal(Exception):
    """A value that bertkit cannot do; its text says why."""


class Ignore(Exception):
    """A value that has no meaning here; its text says why."""


@dataclass(frozen=True)
class Rule:
    """What a key becomes.

    Attributes:
        text: the same for people, for the documentation.
        apply: gives the settings of a value; raises `Refusal` or `Ignore` for the other fates.
    """

    text: str
    apply: Callable[[Any], Mapping[str, Any]]


def to(*names: str, convert: Callable[[Any], Any] = lambda value: value) -> Rule:
    """The value, converted, under our names."""
    text = ", ".join(f"`{name}`" for name in names)
    return Rule(text, lambda value: dict.fromkeys(names, convert(value)))


def words(name: str, table: Mapping[str, Any]) -> Rule:
    """A word of theirs as one of ours; upper and lower case are the same."""

    def apply(value: Any) -> Mapping[str, Any]:
        key = str(value).lower()
        if key not in table:
            raise Refusal(f"bertkit knows {', '.join(table)} here")
        return {name: table[key]}

    pairs = (f"{word}: {ours}" if word != ours else word for word, ours in table.items())
    return Rule(f"`{name}` ({', '.join(pairs)})", apply)


def only(*allowed: Any, because: str) -> Rule:
    """Nothing to set, as long as the value is one that bertkit always has."""

    def apply(value: Any) -> Mapping[str, Any]:
        if value not in allowed:
            raise Refusal(because)
        raise Ignore("always so here")

    return Rule(f"only {' or '.join(str(value) for value in allowed)}: {because}", apply)


def ignored(reason: str) -> Rule:
    """Left out, whatever the value."""

    def apply(value: Any) -> Mapping[str, Any]:
        raise Ignore(reason)

    return Rule(f"ignored: {reason}", apply)


def refused(reason: str) -> Rule:
    """Not possible, whatever the value."""

    def apply(value: Any) -> Mapping[str, Any]:
        raise Refusal(reason)

    return Rule(f"refused: {reason}", apply)


def translate(
    source: str,
    title: str,
    entries: Iterable[tuple[str, str, Any]],
    table: Mapping[str, Rule],
) -> Translation:
    """Apply a table of rules to every key of a file.

    Args:
        source: the file's name.
        title: of the system.
        entries: (key as in the file, key in the table, value).
        table: key → rule; a key that ends with `.*` stands for all keys below it.
    """
    found = Translation(source, title)
    for key, name, value in entries:
        settings, kind, text = _apply(_rule(table, name), value)
        found.values |= settings
        found.fates.append(Fate(key, value, kind, text))
    return found


def _apply(rule: Rule, value: Any) -> tuple[Mapping[str, Any], str, str]:
    """(our settings, fate, its text) of one value."""
    if isinstance(value, str):
        value = os.path.expandvars(value)
        if _VARIABLE.search(value):
            return {}, IGNORED, "holds a variable that is not set; give the setting itself"
    try:
        settings = rule.apply(value)
    except Ignore as reason:
        return {}, IGNORED, str(reason)
    except (Refusal, ValueError, TypeError) as reason:
        return {}, REFUSED, str(reason)
    return settings, MAPPED, ", ".join(f"{name} = {given}" for name, given in settings.items())


def _rule(table: Mapping[str, Rule], name: str) -> Rule:
    if name in table:
        return table[name]
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        wide = ".".join(parts[:length]) + ".*"
        if wide in table:
            return table[wide]
    close = difflib.get_close_matches(name, list(table), n=1)
    hint = f", did you mean {close[0]}?" if close else ""
    return refused(f"unknown key{hint}")


def flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """(dotted key, value) of nested mappings, spelled as in the file; lists stay whole."""
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            found += flat(value, name + ".")
        else:
            found.append((name, value))
    return found
