"""Parses YAML that others wrote: bounded in depth and size, with one kind of error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bertkit.errors import ConfigError

# Far more than any configuration has. An alias counts as all that it stands for.
MOST_VALUES = 20_000
MOST_DEPTH = 64
_MOST_BYTES = 2 << 20
_LONGEST_NUMBER = 1000


def parse(text: str | bytes, source: str | Path, *, numbers: bool = True) -> Any:
    """The value of a YAML document.

    Args:
        text: the document.
        source: what names it in messages.
        numbers: read numbers as YAML 1.2 does and PyYAML does not: `1e-4` is one, `010`
            is ten and not eight, `1:30` is text and not ninety.

    Raises:
        ConfigError: not YAML, or nested too deep, too large, with a key twice in one
            mapping, or several documents; names the line.
    """
    found = list(parse_all(text, source, numbers=numbers))
    if len(found) > 1:
        raise ConfigError(f"{source}: not YAML: {len(found)} documents in one file")
    return found[0] if found else None


def parse_all(text: str | bytes, source: str | Path, *, numbers: bool = False) -> Iterator[Any]:
    """The values of all documents of a YAML text, see `parse`."""
    import yaml

    if len(text) > _MOST_BYTES:
        raise ConfigError(f"{source}: {len(text):,} bytes are no configuration")
    try:
        yield from yaml.load_all(text, Loader=_loader(numbers))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{source}:{mark.line + 1}" if mark else str(source)
        what = " ".join(str(getattr(error, "problem", error)).split())
        raise ConfigError(f"{where}: not YAML: {what}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        # Of values that PyYAML takes for dates, numbers or its own tags, and cannot make.
        raise ConfigError(f"{source}: a value in it cannot be read: {error}") from error


def _loader(numbers: bool) -> Any:
    """A safe loader that counts what it composes."""
    import re

    import yaml

    class Loader(yaml.SafeLoader):
        def __init__(self, stream: Any) -> None:
            super().__init__(stream)
            self._depth = self._values = 0
            self._sizes: dict[str, int] = {}

        def compose_node(self, parent: Any, index: Any) -> Any:
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            before = self._values
            self._depth += 1
            is_alias = type(event) is yaml.AliasEvent
            if is_alias:
                if event.anchor in self.anchors and event.anchor not in self._sizes:
                    what = f"&{event.anchor} holds itself"
                    raise yaml.composer.ComposerError(None, None, what, event.start_mark)
                self._values += self._sizes.get(event.anchor, 0)
            self._values += 1
            for count, most in ((self._depth, MOST_DEPTH), (self._values, MOST_VALUES)):
                if count > most:
                    what = f"nested deeper than {most}" if most == MOST_DEPTH else "too large"
                    raise yaml.composer.ComposerError(None, None, what, event.start_mark)
            node = super().compose_node(parent, index)
            if isinstance(node, yaml.MappingNode) and not is_alias:
                _refuse_twice(node)
            if anchor := getattr(event, "anchor", None):
                self._sizes.setdefault(anchor, self._values - before)
            self._depth -= 1
            return node

    Loader.add_constructor("tag:yaml.org,2002:int", _whole_number if numbers else _old_number)
    if numbers:
        Loader.add_constructor("tag:yaml.org,2002:float", _number)
        pattern = re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$")
        Loader.add_implicit_resolver("tag:yaml.org,2002:float", pattern, list("-+0123456789"))
    return Loader


def _refuse_twice(mapping: Any) -> None:
    """Refuse a mapping that has a key twice: PyYAML takes the last one and says nothing."""
    import yaml

    seen: dict[str, int] = {}
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
            continue
        line = key.start_mark.line
        if key.value in seen:
            what = f"the key {key.value} stands in line {seen[key.value] + 1} already"
            raise yaml.composer.ComposerError(None, None, what, key.start_mark)
        seen[key.value] = line


def _whole_number(loader: Any, node: Any) -> Any:
    """A whole number of YAML 1.2."""
    if ":" in node.value:
        return node.value
    if (digits := node.value.lstrip("+-").replace("_", "")).isdecimal():
        return -int(digits) if node.value.startswith("-") else int(digits)
    return _old_number(loader, node)


def _old_number(loader: Any, node: Any) -> Any:
    """A whole number of YAML 1.1; in hexadecimal it could have more digits than Python prints."""
    if len(node.value) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(node.value):,} digits")
    return loader.construct_yaml_int(node)


def _number(loader: Any, node: Any) -> Any:
    """A number of YAML 1.2."""
    return node.value if ":" in node.value else loader.construct_yaml_float(node)
