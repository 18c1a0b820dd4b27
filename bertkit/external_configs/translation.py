"""Translates the keys of another system's configuration into our settings, by a table.

A table has a rule for every key. A rule maps the key to settings, ignores it for a reason that
is reported, or refuses it. A key without a rule is refused, so that nothing a file asks for is
dropped silently.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bertkit.configuration.config import ExternalOrigin, Layer
from bertkit.errors import ConfigError, listed

MAPPED, IGNORED, REFUSED = "mapped", "ignored", "refused"
# The reason to ignore what bertkit does whatever a file says: no difference, and no warning.
ALWAYS = "always so here"
NOTE = "a note of transformers, which says nothing of the shape"
PRETRAIN, FINETUNE_SQUAD, FINETUNE = "pretrain", "finetune-squad", "finetune"
_VARIABLE = re.compile(r"\$[({]?[A-Za-z_]|`")
# Refused keys, and letters of a value, that a message shows.
_MOST, _LONGEST = 5, 60
_PLACEHOLDER = re.compile(r"<[A-Za-z][\w.-]*>")


@dataclass(frozen=True)
class KeyResult:
    """What became of one key.

    Attributes:
        key: as the file spells it, nested keys joined by dots.
        value: as the file gives it.
        outcome: `mapped`, `ignored`, `refused`, or `default of PROGRAM` for a key that the file
            leaves out.
        text: our settings, or the reason.
        name: of the key in the table of rules.
    """

    key: str
    value: Any
    outcome: str
    text: str
    name: str = ""


@dataclass
class Translation:
    """A configuration file of another system as our settings.

    Attributes:
        source: the file's name.
        title: the system it belongs to.
        values: our settings by dotted key, from what the file gives.
        keys: what became of every key, in the order of the file.
        command: of bertkit, whose settings these are.
        program: the other system's, that reads such files.
        defaults: our settings by dotted key, for what the file leaves to the program's own
            defaults; `values` override them.
        needed: keys that the program has no default for, and our settings of which one is
            enough for each.
    """

    source: str
    title: str
    values: dict[str, Any] = field(default_factory=dict)
    keys: list[KeyResult] = field(default_factory=list)
    command: str = PRETRAIN
    program: str = ""
    defaults: dict[str, Any] = field(default_factory=dict)
    needed: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def add_defaults(
        self, program: str, entries: Iterable[tuple[str, str, Any]], table: Mapping[str, Rule]
    ) -> None:
        """Fill in what the file leaves out, by the other program's defaults.

        Args:
            program: its name.
            entries: (key as in a file, key in the table, its default) of every key left out.
            table: the rules that the given keys went through.
        """
        self.program = program
        for key, name, value in entries:
            settings, outcome, text = _apply(_rule(table, name), value)
            if settings and settings.keys() <= self.values.keys():
                continue  # given under another name
            self.defaults |= {k: v for k, v in settings.items() if k not in self.values}
            if outcome == REFUSED:
                text = f"{self.default_origin}: {text}"
                self.keys.append(KeyResult(key, value, REFUSED, text, name))
                continue
            reason = text if outcome == MAPPED else f"{outcome}: {text}"
            self.keys.append(KeyResult(key, value, self.default_origin, reason, name))

    def add_fixed(self, program: str, settings: Mapping[str, Any]) -> None:
        """Settings of ours that no key of a file changes: the program always computes so.

        Args:
            program: its name.
            settings: ours, by dotted key.
        """
        self.program = program
        for name, value in settings.items():
            if name not in self.values:
                self.defaults[name] = value
                text = f"{name} = {value}"
                self.keys.append(KeyResult("(no key)", value, self.default_origin, text))

    def take(self, name: str, otherwise: Any = None) -> Any:
        """Remove a value that only serves to work out settings.

        Args:
            name: of it.
            otherwise: the result where neither the file nor the program's defaults have it.
        """
        default = self.defaults.pop(name, otherwise)
        return self.values.pop(name, default)

    def given(self, name: str) -> bool:
        """Whether the file itself has the key of this name in the table."""
        return any(key.name == name and key.outcome != self.default_origin for key in self.keys)

    def tell(self, name: str, text: str, outcome: str = "") -> None:
        """Say what became of a key that is worked out together with others.

        Args:
            name: of the key in the table.
            text: our settings, or the reason.
            outcome: `ignored` or `refused`; left out, it stays as it was, and keys that are
                ignored keep their reason.
        """
        self.keys = [
            dataclasses.replace(key, text=text, outcome=outcome or key.outcome)
            if key.name == name and (outcome or key.outcome != IGNORED)
            else key
            for key in self.keys
        ]

    @property
    def default_origin(self) -> str:
        """Where the settings in `defaults` come from, for people."""
        return f"default of {self.program}"

    def all_values(self) -> dict[str, Any]:
        """The settings, whether the file gives them or its program's defaults do."""
        return self.defaults | self.values

    def layers(self) -> list[Layer]:
        """The settings by origin, those of the file last."""
        origin = ExternalOrigin(self.default_origin)
        found = [Layer(origin, self.defaults)] if self.defaults else []
        return [*found, Layer(ExternalOrigin(self.source), self.values)]

    def require_command(self, command: str) -> None:
        """Check that the file is for this command of bertkit.

        Raises:
            ConfigError: it is for another one.
        """
        if self.command != command:
            raise ConfigError(
                f"{self.source} ({self.title}) is for `bertkit {self.command}`,"
                f" not for `bertkit {command}`",
                f"bertkit {self.command} --config {self.source} ...",
            )

    def rows(self) -> list[tuple[str, str, str]]:
        """(key, value, what became of it) for people."""
        return [(key.key, str(key.value), f"{key.outcome}: {key.text}") for key in self.keys]

    def warnings(self) -> list[str]:
        """One line for every key that was left out, unless it asks for what is done anyway."""
        return [
            f"{self.source}: {key.key} ignored: {key.text}"
            for key in self.with_outcome(IGNORED)
            if key.text not in (ALWAYS, NOTE)
        ]

    def with_outcome(self, outcome: str) -> list[KeyResult]:
        """The keys that were mapped, ignored or refused."""
        return [key for key in self.keys if key.outcome == outcome]

    def require_nothing_refused(self) -> None:
        """Check that no key was refused.

        Raises:
            ConfigError: lists those that were, each with the reason.
        """
        refused = self.with_outcome(REFUSED)
        if refused:
            texts = listed(
                [f"{key.key} ({_short(key.value)}): {key.text}" for key in refused], _MOST
            )
            hint = "remove these keys, or change them"
            raise ConfigError(f"{self.source} ({self.title}): {texts}", hint)

    def require_given(self, origins: Mapping[str, str]) -> None:
        """Check that nothing that the other program has no default for takes ours.

        Args:
            origins: dotted setting → where it comes from, of all that are given.

        Raises:
            ConfigError: names the keys that are missing.
        """
        missing = [key for key, names in self.needed.items() if not origins.keys() & set(names)]
        if missing:
            raise ConfigError(
                f"{self.source} ({self.title}): no {', '.join(missing)}, for which its own program"
                " has no default",
                "add it to the file, or give bertkit's setting for it",
            )


class Refuse(Exception):
    """Raised by a rule for a value that bertkit does not support; its text says why."""


class Ignore(Exception):
    """Raised by a rule for a value that has no effect here; its text says why."""


@dataclass(frozen=True)
class Rule:
    """What a key becomes.

    Attributes:
        text: description for the documentation.
        apply: value → our settings; raises `Refuse` or `Ignore` for the other outcomes.
    """

    text: str
    apply: Callable[[Any], Mapping[str, Any]]


def to(*names: str, convert: Callable[[Any], Any] = lambda value: value) -> Rule:
    """Rule: the value, converted, under our names."""
    text = ", ".join(f"`{name}`" for name in names)
    return Rule(text, lambda value: dict.fromkeys(names, convert(value)))


def one_of(name: str, table: Mapping[str, Any]) -> Rule:
    """Rule: one of their words as one of ours; upper and lower case are the same."""

    def apply(value: Any) -> Mapping[str, Any]:
        key = str(value).lower()
        if key not in table:
            raise Refuse(f"bertkit knows {', '.join(table)} here")
        return {name: table[key]}

    pairs = (f"{word}: {ours}" if word != ours else word for word, ours in table.items())
    return Rule(f"`{name}` ({', '.join(pairs)})", apply)


def only(*allowed: Any, because: str) -> Rule:
    """Rule: ignored for the values that bertkit always has, else refused."""

    def apply(value: Any) -> Mapping[str, Any]:
        if value not in allowed:
            raise Refuse(because)
        raise Ignore(ALWAYS)

    return Rule(f"only {' or '.join(str(value) for value in allowed)}: {because}", apply)


def part(name: str, text: str, convert: Callable[[Any], Any] = lambda value: value) -> Rule:
    """Rule: a value that makes settings together with others; see `Translation.take`."""
    return Rule(text, lambda value: {name: convert(value)})


def ignored(reason: str) -> Rule:
    """Rule: ignored, whatever the value."""

    def apply(value: Any) -> Mapping[str, Any]:
        raise Ignore(reason)

    return Rule(f"ignored: {reason}", apply)


def refused(reason: str) -> Rule:
    """Rule: refused, whatever the value."""

    def apply(value: Any) -> Mapping[str, Any]:
        raise Refuse(reason)

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
        settings, outcome, text = _apply(_rule(table, name), value)
        found.values |= settings
        found.keys.append(KeyResult(key, value, outcome, text, name))
    return found


def _apply(rule: Rule, value: Any) -> tuple[Mapping[str, Any], str, str]:
    """(our settings, outcome, its text) of one value."""
    if isinstance(value, str):
        value = os.path.expandvars(value)
        if _VARIABLE.search(value):
            return {}, IGNORED, "holds a variable that is not set; give the setting itself"
        if _PLACEHOLDER.search(value):
            return {}, IGNORED, "a placeholder; give the setting itself"
    try:
        settings = rule.apply(value)
    except Ignore as reason:
        return {}, IGNORED, str(reason)
    except (Refuse, ValueError, TypeError, OverflowError) as reason:
        return {}, REFUSED, str(reason)
    return settings, MAPPED, ", ".join(f"{name} = {given}" for name, given in settings.items())


def _short(value: Any) -> str:
    """A value for people, on one line of a message."""
    shown = " ".join(str("" if value is None else value).split()) or "no value"
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."


def _rule(table: Mapping[str, Rule], name: str) -> Rule:
    if name in table:
        return table[name]
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        wide = ".".join(parts[:length]) + ".*"
        if wide in table:
            return table[wide]
    if any(key.startswith(f"{name}.") for key in table):
        return refused("this is a section: its settings stand below it, each by its own key")
    close = difflib.get_close_matches(name, list(table), n=1)
    hint = f", did you mean {close[0]}?" if close else ""
    return refused(f"unknown key{hint}")


def flattened(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """(dotted key, value) of nested mappings, spelled as in the file; lists stay whole."""
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            found += flattened(value, name + ".")
        else:
            found.append((name, value))
    return found
