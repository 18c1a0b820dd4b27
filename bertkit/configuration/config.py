"""Builds configuration dataclasses from defaults, files, environment and flags, with origins.

The configuration of a command is a dataclass whose fields are made with `setting`. The
command line derives its flags from the same fields, so defaults, help texts and checks are
written once. `resolve` merges the layers (default < preset < config file < environment <
command line), checks the values and reports all problems at once.
"""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from bertkit import log
from bertkit.codecs import safe_yaml
from bertkit.configuration.setting_values import convert
from bertkit.configuration.settings import FIXED, ordered_fields
from bertkit.errors import ConfigError, UsageError, listed
from bertkit.storage.files import open_binary, package_file

C = TypeVar("C")

# Origins of values that the user typed: a wrong value there is a usage error.
COMMAND_LINE = "command line"
ASSIGNMENT = "--set"
# Around the settings of a run.
_BEGIN, _END = "# The settings of a run, to the line '# end'.", "# end"
_PRESET = "preset "  # begins the origin of a preset's values


def setting(
    default: Any = MISSING,
    help: str = "",
    *,
    factory: Any = MISSING,
    flags: Sequence[str] = (),
    off: str = "",
    choices: Sequence[str] = (),
    minimum: float | None = None,
    maximum: float | None = None,
    on_resume: str = FIXED,
    group: str = "",
    first: bool = False,
    metavar: str = "",
    example: str = "",
    mistaken: str = "",
) -> Any:
    """A dataclass field that is also a command-line option.

    Args:
        default: the value if no layer gives one; without it the setting is required.
        help: what the option does, in one sentence.
        factory: makes the default if it is mutable.
        flags: further spellings, such as `--msl`.
        off: the flag that turns a boolean off, if it is not `--no-<name>`.
        choices: the allowed values; a list may grow after this call.
        minimum: smallest allowed number.
        maximum: largest allowed number.
        on_resume: whether it may change between the calls of a run: `FREE`, `ROUNDING` or
            `FIXED` of `bertkit.configuration.settings`.
        group: of the help page, see `bertkit.configuration.option_groups`.
        first: whether `--help` shows it; `--help-all` shows all.
        metavar: the word for its value, such as `PATH`, see `bertkit.command_line.values`.
        example: a value, where its form is not plain.
        mistaken: of choices: what to say to a number, `{0}`, meant for another setting.
    """
    metadata = {
        "help": help,
        "flags": tuple(flags),
        "off": off,
        "choices": choices,
        "minimum": minimum,
        "maximum": maximum,
        "on_resume": on_resume,
        "group": group,
        "first": first,
        "metavar": metavar,
        "example": example,
        "mistaken": mistaken,
    }
    if factory is not MISSING:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Layer:
    """Settings from one place; `values` may be nested or use dotted keys."""

    origin: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Resolved(Generic[C]):
    """A checked configuration, and the origin of each value.

    Attributes:
        config: the settings.
        origins: dotted key → name of the layer that set it.
        external: (key, value, what it became) for every key of another system's file.
    """

    config: C
    origins: dict[str, str]
    external: tuple[tuple[str, str, str], ...] = ()

    def rows(self, used: Any = None) -> list[tuple[str, str, str]]:
        """(key, value, origin) of every setting, for a dry run.

        Args:
            used: the settings as a run would use them, with what it fills in; values that
                differ from the given ones are `derived`.
        """
        given = flatten(as_dict(self.config))
        return [
            (key, log.shown(value), self._origin(key) if given.get(key) == value else "derived")
            for key, value in flatten(as_dict(used or self.config)).items()
        ]

    def table(self, used: Any = None, unused: Sequence[str] = ()) -> str:
        """`rows` for people, below what another system's file became.

        Args:
            used: as for `rows`.
            unused: keys, or their beginnings, that decide nothing here; where they are
                defaults, one row stands for them all.
        """
        hidden = tuple(unused)
        rows = [
            row for row in self.rows(used) if row[2] != "default" or not row[0].startswith(hidden)
        ]
        if hidden:
            sections = dict.fromkeys(name.partition(".")[0] for name in hidden)
            rows.append((", ".join(f"{name}.*" for name in sections), "-", "not used here"))
        found = log.table(("setting", "value", "from"), rows)
        if not self.external:
            return found
        became = log.table(("their key", "value", "became"), self.external)
        return f"{became}\n\n{found}"

    def _origin(self, key: str) -> str:
        return self.origins.get(key, "default")


def as_dict(config: Any) -> dict[str, Any]:
    """A dataclass as nested plain values, for JSON and YAML."""
    return {
        item.name: as_dict(value) if dataclasses.is_dataclass(value) else value
        for item in ordered_fields(config)
        for value in [getattr(config, item.name)]
    }


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one mapping with dotted keys; hyphens in keys become underscores.

    Raises:
        ConfigError: two keys become the same one, such as `max-steps` and `max_steps`.
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = prefix + str(key).replace("-", "_")
        inner = flatten(value, name + ".") if isinstance(value, Mapping) else {name: value}
        if twice := sorted(flat.keys() & inner.keys()):
            raise ConfigError(f"{twice[0]}: given twice, in two spellings", "remove one of them")
        flat.update(inner)
    return flat


def resolve(kind: type[C], layers: Sequence[Layer]) -> Resolved[C]:
    """Build a configuration from layers; later layers override earlier ones.

    A dataclass may define `problems(self) -> list[str]` for rules that involve several
    settings; they are checked once each value is valid by itself.

    Raises:
        ConfigError: lists every problem and the layer that it comes from.
        UsageError: the same, if all of them come from the command line.
    """
    known = _leaf_fields(kind)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    problems: list[str] = []
    elsewhere = False
    for layer in layers:
        typed = layer.origin in (COMMAND_LINE, ASSIGNMENT)
        for key, value in flatten(layer.values).items():
            converted, problem = _take(key, value, known)
            if problem:
                where = _flag(key) if layer.origin == COMMAND_LINE else f"{layer.origin}: {key}"
                problems.append(f"{where}: {problem}")
                elsewhere |= not typed
            else:
                values[key], origins[key] = converted, layer.origin
    missing = [
        key
        for key, (_, item) in known.items()
        if key not in values and item.default is MISSING and item.default_factory is MISSING
    ]
    problems += [f"{_flag(key)} is required" for key in missing]
    if problems:
        raise (ConfigError if elsewhere else UsageError)(listed(problems))
    config = _build(kind, values, "")
    rules = _all_problems(config)
    if rules:
        raise ConfigError("; ".join(rules))
    return Resolved(config, origins)


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        ConfigError: not YAML, or not a mapping; names the line.
        DataError: cannot be read.
    """
    with open_binary(path) as stream:
        found = parse_yaml(stream.read(), path)
    if not found:
        log.logger.warning("%s is empty: no setting is taken from it", path)
    return found or {}


def load_settings(path: str | Path) -> dict[str, Any]:
    """`load_yaml` without the `description` that presets have."""
    return {key: value for key, value in load_yaml(path).items() if key != "description"}


def _refuse_other_kind(path: str | Path) -> None:
    """Refuse a vocabulary, records and the like by their name, where settings were expected."""
    from bertkit.kinds.misplaced import misplaced_kind  # which needs manifests, they this module
    from bertkit.kinds.recognise import SETTINGS, TEXT, kind_of

    found = kind_of(path)
    if found and found.name != TEXT and (error := misplaced_kind(path, found, SETTINGS)):
        raise error


def parse_yaml(blob: bytes, path: str | Path) -> dict[str, Any] | None:
    """The mapping in a YAML file's bytes; None where it is empty.

    Raises:
        ConfigError: as `load_yaml`.
    """
    if is_of_a_run(blob) and not blob.rstrip().endswith(_END.encode()):
        raise ConfigError(f"{path}: cut off: its last line is not {_END!r}")
    try:
        loaded = safe_yaml.parse(blob, path)
    except ConfigError:
        _refuse_other_kind(path)
        raise
    if loaded is not None and not isinstance(loaded, dict):
        raise ConfigError(f"{path}: expected `key: value` lines, found {type(loaded).__name__}")
    return loaded


def is_of_a_run(blob: bytes) -> bool:
    """Whether a file's bytes begin as `dump_whole_yaml` writes them."""
    return blob.startswith(_BEGIN.encode())


def dump_whole_yaml(values: Mapping[str, Any]) -> str:
    """`dump_yaml` between two comments, by which `load_yaml` notices a file that is cut off."""
    return f"{_BEGIN}\n{dump_yaml(values)}{_END}\n"


def dump_yaml(values: Mapping[str, Any]) -> str:
    """Values as YAML text, in the given order."""
    import yaml

    return str(yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True))


def parse_assignments(texts: Sequence[str], quiet: bool = False) -> dict[str, Any]:
    """`["model.hidden_size=256"]` as a mapping; values are read as YAML.

    Of a key that is given twice the last value counts, and a warning says so, unless `quiet`.

    Raises:
        UsageError: a text has no `=`, or a value that is no YAML.
    """
    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(
                f"--set {text!r} is not key=value",
                "example: --set seed=7; `bertkit schema COMMAND` lists the keys of a command",
            )
        name = key.strip()
        try:
            found = safe_yaml.parse(value, f"--set {name}")
        except ConfigError as error:
            raise UsageError(error.message) from error
        if not quiet and name in values and values[name] != found:
            log.logger.warning(
                "--set %s is given twice: %s counts, %s does not", name, found, values[name]
            )
        values[name] = found
    return values


def preset_names() -> list[str]:
    """Names of the presets that ship with the package."""
    return sorted(path.stem for path in package_file("presets").glob("*.yaml"))


def preset_layer(name: str) -> Layer:
    """The settings of a preset as a layer.

    Raises:
        ConfigError: there is no such preset.
    """
    return Layer(_PRESET + name, load_preset(name))


def is_preset(origin: str | None) -> bool:
    """Whether a value came from a preset, so that what the user gave may change it."""
    return (origin or "").startswith(_PRESET)


class ExternalOrigin(str):
    """Where a value comes from, if that is another system's file or its program's defaults."""


def load_preset(name: str) -> dict[str, Any]:
    """The settings of a preset.

    Raises:
        ConfigError: there is no such preset.
    """
    path = package_file("presets", f"{name}.yaml")
    if not path.is_file():
        raise ConfigError(f"no preset {name!r}", f"presets: {', '.join(preset_names())}")
    return load_settings(path)


def _leaf_fields(kind: Any, prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """Dotted key → (type, dataclass field) of every setting below `kind`."""
    hints = typing.get_type_hints(kind)
    leaves: dict[str, tuple[Any, Any]] = {}
    for item in dataclasses.fields(kind):
        if dataclasses.is_dataclass(hints[item.name]):
            leaves.update(_leaf_fields(hints[item.name], f"{prefix}{item.name}."))
        else:
            leaves[prefix + item.name] = (hints[item.name], item)
    return leaves


def _take(key: str, value: Any, known: Mapping[str, tuple[Any, Any]]) -> tuple[Any, str]:
    """(converted value, what is wrong with it or an empty text)."""
    if key not in known:
        return None, f"unknown setting{_suggest(key, known)}"
    try:
        return convert(value, *known[key]), ""
    except ValueError as error:
        return None, str(error)


def _build(kind: Any, values: Mapping[str, Any], prefix: str) -> Any:
    hints = typing.get_type_hints(kind)
    arguments = {}
    for item in dataclasses.fields(kind):
        key = prefix + item.name
        if dataclasses.is_dataclass(hints[item.name]):
            arguments[item.name] = _build(hints[item.name], values, key + ".")
        elif key in values:
            arguments[item.name] = values[key]
    return kind(**arguments)


def _all_problems(config: Any) -> list[str]:
    found = list(config.problems()) if hasattr(config, "problems") else []
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if dataclasses.is_dataclass(value):
            found += _all_problems(value)
    return found


def _suggest(key: str, known: Mapping[str, tuple[Any, Any]]) -> str:
    if key == "preset" and "max_steps" in known:
        return " (presets are named on the command line: --preset NAME)"
    flag = "--" + key.replace("_", "-")
    named = [name for name, (_, item) in known.items() if flag in item.metadata.get("flags", ())]
    # The last part of a dotted key, or a key without its section.
    last = key.rpartition(".")[2]
    named = named or [name for name in known if name != key and name.rpartition(".")[2] == last]
    meant = named if len(named) == 1 else difflib.get_close_matches(key, list(known), n=1)
    return f" (did you mean {meant[0]!r}?)" if meant else ""


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-") if "." not in key else key
