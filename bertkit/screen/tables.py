"""Formats tables as text that fits the terminal and breaks no word, name, number or path."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Sequence

_GAPS = (3, 2)  # spaces between columns; the narrow ones where the wide ones do not fit
_READABLE = 24  # a column of sentences is not made narrower than this
_INDENT = 4
_SHORT = 12  # words as short as this never stand below their row
# Of so many cells of a column one may stand below its row, the fewest that make the others fit.
_OUTLIERS = (32, 16, 8, 4)


def width() -> int:
    """Columns of the terminal: COLUMNS if that is set, and 80 where nobody watches."""
    return max(20, shutil.get_terminal_size((80, 24)).columns)


def shown(value: object) -> str:
    """A plain value of a manifest or a plan as people write it, without quotes and brackets."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ", ".join(f"{key} {_inner(item)}" for key, item in value.items()) or "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_inner, value)) or "-"
    return str(value)


def _inner(value: object) -> str:
    nested = isinstance(value, (dict, list, tuple)) and len(value) > 0
    return f"({shown(value)})" if nested else shown(value)


def wrapped(text: str, columns: int, indent: int = 0, later: int | None = None) -> str:
    """Text in lines of at most so many columns, if its longest word allows that.

    Args:
        text: paragraphs, one per line.
        columns: of the terminal.
        indent: spaces before the first line.
        later: spaces before the other lines; as many as before the first by default.
    """
    follow = indent if later is None else later
    lines = _lines(text, columns - max(indent, follow))
    margins = [" " * indent, *[" " * follow] * (len(lines) - 1)]
    return "\n".join((margin + line).rstrip() for margin, line in zip(margins, lines, strict=True))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> str:
    """Rows as an aligned text table, with numbers right-aligned.

    Where the terminal is too narrow, long texts are wrapped between words; a few cells that are
    too wide for their column, such as paths, stand below their rows; where even that is not
    enough, the names of rows with numbers stand above them, and else each row becomes a block of
    `heading  value` lines.

    Args:
        columns: headings.
        rows: their cells; `shown` turns each into text.
        title: a line above the table; may be empty.
    """
    body = [[shown(cell) for cell in row] for row in rows]
    head = [*([title] if title else [])]
    numeric = [bool(body) and all(map(is_number, cells)) for cells in _columns(columns, body)]
    laid = _laid(columns, body, width())
    if laid:
        gap, widths = laid
        lines = [*_row(columns, widths, numeric, gap), _rule(widths, gap)]
        for row in body:
            lines += _row(row, widths, numeric, gap)
        return "\n".join([*head, *lines])
    # Numbers stay below each other where the names of the rows alone are too wide.
    inner = [row[1:] for row in body]
    laid = _laid(columns[1:], inner, width() - _INDENT) if any(numeric[1:]) else None
    if laid:
        gap, widths = laid
        lines = [columns[0], *_indented(_row(columns[1:], widths, numeric[1:], gap))]
        lines.append("─" * _INDENT + _rule(widths, gap))
        for row, cells in zip(body, inner, strict=True):
            lines += [row[0], *_indented(_row(cells, widths, numeric[1:], gap))]
        return "\n".join([*head, *lines])
    return "\n".join([*head, _blocks(columns, body)])


def _columns(columns: Sequence[str], body: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[row[index] for row in body] for index in range(len(columns))]


def _laid(
    columns: Sequence[str], body: Sequence[Sequence[str]], room: int
) -> tuple[int, list[int]] | None:
    """Spaces between columns and the width of each; None where they do not fit."""
    between = len(columns) - 1
    tries = ((gap, _widths(columns, body, room - gap * between)) for gap in _GAPS)
    return next(((gap, found) for gap, found in tries if found), None)


def _rule(widths: Sequence[int], gap: int) -> str:
    return "─" * (sum(widths) + gap * (len(widths) - 1))


def _indented(lines: Sequence[str]) -> list[str]:
    return [" " * _INDENT + line for line in lines]


def is_number(text: str) -> bool:
    """Whether a text is a number as people write it: 1,234 or 5.0% or 1e-05; or stands for none."""
    plain = text.replace(",", "").rstrip("%").strip()
    if plain in ("", "-"):
        return plain == "-"
    try:
        float(plain)
    except ValueError:
        return False
    return plain[-1].isdigit()


def _size(text: str) -> int:
    """Columns that a text takes; letters of East Asia take two."""
    from rich.cells import cell_len

    return max(map(cell_len, text.split("\n")))


def _lines(text: str, columns: int) -> list[str]:
    """A text wrapped between words; scripts that write none between letters wrap anywhere."""
    if _size(text) <= columns:
        return text.split("\n")
    if len(text) < _size(text):
        from rich.console import Console
        from rich.text import Text

        console = Console(width=columns, color_system=None)
        return [line.plain.rstrip() for line in Text(text).wrap(console, columns)] or [""]
    wrapper = textwrap.TextWrapper(columns, break_long_words=False, break_on_hyphens=False)
    return [line for part in text.split("\n") for line in wrapper.wrap(part) or [""]]


def _longest_word(text: str) -> int:
    words = text.split()
    if any(len(word) < _size(word) for word in words):
        return min(_READABLE, _size(text))
    return max((_size(word) for word in words), default=0)


def _widths(columns: Sequence[str], body: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """The width of each column; None where the rows do not fit beside each other."""
    cells = _columns(columns, body)
    found = _fitting(columns, cells, room)
    for part in _OUTLIERS:
        if found is None:
            found = _fitting(columns, [cells[0], *(_usual(c, part) for c in cells[1:])], room)
    return found


def _usual(column: Sequence[str], part: int) -> list[str]:
    """The cells of a column without those with the longest words, one in so many."""
    ordered = sorted(column, key=_longest_word)
    count = len(column) - len(column) // part
    return ordered[:count] + [cell for cell in ordered[count:] if _longest_word(cell) <= _SHORT]


def _fitting(columns: Sequence[str], body: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """The width of each column for its cells; None where they do not fit beside each other."""
    cells = [[name, *column] for name, column in zip(columns, body, strict=True)]
    natural = [max(map(_size, column)) for column in cells]
    if sum(natural) <= room:
        return natural
    least = [
        max(min(full, _READABLE), *map(_longest_word, column))
        for full, column in zip(natural, cells, strict=True)
    ]
    # What is too long for the last column, such as a checksum, stands below its row.
    left = room - sum(least[:-1])
    if left >= min(natural[-1], _READABLE):
        least[-1] = min(least[-1], left)
    if sum(least) > room:
        return None
    found = list(least)
    # The rest goes to the columns that are still too narrow, the least narrow ones first.
    spare = room - sum(found)
    for index in sorted(range(len(found)), key=lambda index: natural[index] - least[index]):
        more = min(spare, natural[index] - found[index])
        found[index] += more
        spare -= more
    return found


def _row(
    cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool], gap: int
) -> list[str]:
    """The lines of one row."""
    wide = [_longest_word(cell) > width for cell, width in zip(cells, widths, strict=True)]
    below = [cell for cell, is_wide in zip(cells, wide, strict=True) if is_wide]
    cells = ["" if is_wide else cell for cell, is_wide in zip(cells, wide, strict=True)]
    parts = [_lines(cell, width) for cell, width in zip(cells, widths, strict=True)]
    lines = []
    for number in range(max(map(len, parts))):
        texts = [part[number] if number < len(part) else "" for part in parts]
        padded = [
            " " * (width - _size(text)) + text if right else text + " " * (width - _size(text))
            for text, width, right in zip(texts, widths, numeric, strict=True)
        ]
        lines.append((" " * gap).join(padded).rstrip())
    return [*lines, *(wrapped(cell, width(), _INDENT) for cell in below)]


def _blocks(columns: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Each row as lines of heading and value, below its first cell."""
    label = max(map(_size, columns[1:]), default=0)
    blocks = []
    for row in body:
        lines = [f"{columns[0]} {row[0]}".strip()]
        for name, cell in zip(columns[1:], row[1:], strict=True):
            text = f"  {name}{' ' * (label - _size(name))}   "
            room = width() - len(text)
            if _longest_word(cell) > room:
                lines += [text.rstrip(), wrapped(cell, width(), _INDENT)]
            else:
                lines.append(text + ("\n" + " " * len(text)).join(_lines(cell, room)))
        blocks.append("\n".join(line.rstrip() for line in lines))
    return "\n\n".join(blocks)
