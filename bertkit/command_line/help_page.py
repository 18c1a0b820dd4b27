"""Lays a help page out: options in groups, and no line wider than the terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

import click

from bertkit.command_line.option import Option
from bertkit.configuration.option_groups import ORDER, OTHERS

FEW = 16  # a command with no more options than these shows them all at once
_WIDEST = 26  # of the column of flags
_GAP = 2
_PROGRAMS = ("bertkit ", "python ", "torchrun ")
_FACT = re.compile(r"\[default: [^\]]{0,20}\]")  # not parted, if it is short
# A word of a command line: what stands in quotation marks is not parted.
_WORD = re.compile(r"""(?:"[^"]*"|'[^']*'|[^\s"'])+""")


def in_groups(options: Iterable[click.Option]) -> list[tuple[str, list[click.Option]]]:
    """(group, its options) in the order of a page; the options in their own order."""
    groups: dict[str, list[click.Option]] = {name: [] for name in (*ORDER, OTHERS)}
    for option in options:
        groups[group_of(option)].append(option)
    return [(name, found) for name, found in groups.items() if found]


def group_of(option: click.Option) -> str:
    """The group that an option declares."""
    return option.group if isinstance(option, Option) else OTHERS


def write_options(
    formatter: click.HelpFormatter, ctx: click.Context, options: Iterable[click.Option]
) -> None:
    """A section for every group, with the texts of all of them below one another."""
    pages = [
        (group, [row for row in (option.get_help_record(ctx) for option in found) if row])
        for group, found in in_groups(options)
    ]
    widths = [len(flags) for _, rows in pages for flags, _ in rows]
    column = max([min(width, _WIDEST) for width in widths], default=0)
    for group, rows in pages:
        with formatter.section(group):
            for flags, text in rows:
                _write_row(formatter, flags, text, column)


def _write_row(formatter: click.HelpFormatter, flags: str, text: str, column: int) -> None:
    indent = " " * formatter.current_indent
    room = formatter.width - formatter.current_indent
    lines = wrapped(flags, room, "    ")
    texts = wrapped(text, max(room - column - _GAP, 10)) or [""]
    if len(lines) == 1 and len(flags) <= column:
        lines = [f"{flags:{column}}{' ' * _GAP}{texts.pop(0)}".rstrip()]
    lines += [" " * (column + _GAP) + line for line in texts if line]
    formatter.write("".join(f"{indent}{line}\n" for line in lines))


def wrapped(text: str, width: int, after: str = "") -> list[str]:
    """Lines of a text; names such as `--max-steps` and short defaults are not parted."""
    whole = _FACT.sub(lambda found: found.group().replace(" ", "\xa0"), text)
    lines = textwrap.wrap(whole, width, subsequent_indent=after, break_on_hyphens=False)
    return [line.replace("\xa0", " ") for line in lines]


def write_text(formatter: click.HelpFormatter, text: str) -> None:
    """Paragraphs, and the lines of those that begin with \\b folded where they are too wide."""
    width = formatter.width - formatter.current_indent
    paragraphs = text.split("\n\n")
    formatter.write_text("\n\n".join(_paragraph(part, width) for part in paragraphs))


def _paragraph(text: str, width: int) -> str:
    first, *lines = text.split("\n")
    lines = folded(lines, width) if first == "\b" else wrapped(text, width)
    return "\n".join(["\b", *lines])


def folded(lines: Sequence[str], width: int) -> list[str]:
    """Lines of which none is wider: commands go on behind a backslash, others indented."""
    found: list[str] = []
    whole: list[str] = []
    for line in lines:
        whole.append(line)
        if not line.endswith("\\"):
            found += whole if max(map(len, whole)) <= width else _folded(whole, width)
            whole = []
    return found + whole


def _folded(lines: Sequence[str], width: int) -> list[str]:
    first = lines[0]
    begin = first[: len(first) - len(first.lstrip())]
    text = " ".join(line.rstrip("\\").strip() for line in lines)
    if text.startswith(_PROGRAMS):
        return _folded_command(text, begin, width)
    column = re.match(r"\s*\S+\s{2,}", first)
    after = " " * len(column.group() if column else begin + "  ")
    return wrapped(begin + first.strip(), width, after)


def _folded_command(text: str, begin: str, width: int) -> list[str]:
    """A command line over several lines; an option and its value stay together."""
    parts: list[str] = []
    for word in _WORD.findall(text):
        if parts and _takes(parts[-1]) and not word.startswith("-"):
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    lines = [begin + parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + 1 + len(part) + 2 <= width:
            lines[-1] += f" {part}"
        else:
            lines.append(f"{begin}    {part}")
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]


def _takes(part: str) -> bool:
    return part.startswith("-") and " " not in part and part != "--"
