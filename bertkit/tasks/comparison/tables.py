"""Writes a comparison as text, Markdown or LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bertkit import log
from bertkit.tasks.comparison.results import Column, Comparison, Summary

FORMATS = ("text", "markdown", "latex", "json")
_HEAD = ("checkpoint", "task", "score", "n", "mean", "deviation", "median", "best", "worst")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_"},
}


def as_text(found: Comparison) -> str:
    """Tables for a terminal: encoders against tasks, then every number."""
    parts = [log.table(_heads(found), _cells(found, "±")), _legend(found)]
    if _one_n(found) != 1:
        parts.append(log.table(_HEAD, _details(found)))
    return "\n\n".join([*parts, *_remarks(found)])


def as_markdown(found: Comparison) -> str:
    """The same tables in GitHub's Markdown."""
    parts = [_markdown(_heads(found), _cells(found, "±")), _legend(found)]
    if _one_n(found) != 1:
        parts.append(_markdown(_HEAD, _details(found), words=3))
    return "\n\n".join([*parts, *_remarks(found)])


def as_latex(found: Comparison) -> str:
    """A table of encoders against tasks for a paper, with booktabs; remarks are comments."""
    heads = _heads(found)
    rows = [
        [_latex(row[0]), *(_latex_score(cell) for cell in row[1:])] for row in _cells(found, r"\pm")
    ]
    comments = [f"% {line}" for part in _remarks(found) for line in part.splitlines()]
    lines = [
        "% needs \\usepackage{booktabs}",
        *comments,
        r"\begin{table}",
        r"  \centering",
        rf"  \begin{{tabular}}{{l{'c' * (len(heads) - 1)}}}",
        r"    \toprule",
        f"    {' & '.join(map(_latex, heads))} \\\\",
        r"    \midrule",
        *(f"    {' & '.join(row)} \\\\" for row in rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        rf"  \caption{{{_latex(_legend(found))}}}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _heads(found: Comparison) -> list[str]:
    heads = ["checkpoint", *(f"{column.name} {column.metric}" for column in found.columns)]
    return [*heads, "average"] if _averages(found) else heads


def _cells(found: Comparison, sign: str) -> list[list[str]]:
    """A row per encoder: its name, a score per column, and their average."""
    averages = _averages(found)
    rows = []
    for number, row in enumerate(found.rows):
        cells = [row.name]
        for column, cell in zip(found.columns, row.cells, strict=True):
            cells.append(_score(cell, column, sign, counted=_one_n(found) is None))
        if averages:
            average = averages[number]
            cells.append("-" if average is None else f"{average:.2f}")
        rows.append(cells)
    return rows


def _averages(found: Comparison) -> list[float | None]:
    """Mean over the tasks of each encoder that has all; empty where that means nothing."""
    columns = found.columns
    several = len({(column.name, column.task) for column in columns}) == len(columns) > 1
    if not several or not all(column.percent for column in columns):
        return []
    rows: list[float | None] = []
    for row in found.rows:
        means = [cell.mean for cell in row.cells if cell]
        rows.append(sum(means) / len(means) if len(means) == len(columns) else None)
    return rows if any(average is not None for average in rows) else []


def _score(cell: Summary | None, column: Column, sign: str, counted: bool) -> str:
    if cell is None:
        return "-"
    text = _number(cell.mean, column)
    if cell.deviation is not None:
        text += f" {sign} {_number(cell.deviation, column)}"
    return f"{text} ({cell.n})" if counted else text


def _one_n(found: Comparison) -> int | None:
    """The number of seeds, where it is the same in all cells."""
    numbers = {cell.n for row in found.rows for cell in row.cells if cell}
    return numbers.pop() if len(numbers) == 1 else None


def _legend(found: Comparison) -> str:
    number = _one_n(found)
    percent = _percent(found.columns)
    if number == 1:
        return f"Scores of one seed each (n = 1){percent}."
    count = f"n = {number} seeds" if number else "number of seeds n in parentheses"
    return f"Mean ± sample deviation, {count}{percent}."


def _percent(columns: Sequence[Column]) -> str:
    """In which unit the scores stand, as the end of a sentence."""
    others = dict.fromkeys(column.metric for column in columns if not column.percent)
    if len(others) == len({column.metric for column in columns}):
        return ""
    return ", in percent" + (f" but for {', '.join(others)}" if others else "")


def _details(found: Comparison) -> Iterable[list[str]]:
    for row in found.rows:
        for column, cell in zip(found.columns, row.cells, strict=True):
            if cell is None:
                continue
            deviation = "-" if cell.deviation is None else _number(cell.deviation, column)
            numbers = [_number(value, column) for value in (cell.median, cell.best, cell.worst)]
            mean = _number(cell.mean, column)
            head = [row.name, column.name, column.metric, str(cell.n)]
            yield [*head, mean, deviation, *numbers]


def _number(value: float, column: Column) -> str:
    return f"{value:.2f}" if column.percent else f"{value:.4f}"


def _remarks(found: Comparison) -> list[str]:
    """What was kept apart or left out, one part each."""
    parts = []
    if found.notes:
        parts.append("\n".join(f"Note: {note}." for note in found.notes))
    if found.left_out:
        lines = (f"  {run}: {reason}" for run, reason in found.left_out)
        parts.append("\n".join(["Left out:", *lines]))
    return parts


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A table whose first `words` columns are words, the others numbers."""

    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    rule = line(["---"] * words + ["---:"] * (len(heads) - words))
    return "\n".join([line(heads), rule, *map(line, rows)])


def _latex(text: str) -> str:
    plain = re.sub(r"[\\{}~^&%$#_]", lambda found: _LATEX[found[0]], text)
    return plain.replace("±", r"$\pm$")


def _latex_score(cell: str) -> str:
    number, *more = cell.partition(" (")
    return f"${number}$" + "".join(more) if number != "-" else "--"


def as_seeds(found: Comparison) -> str:
    """The scores of one encoder and task over seeds: each seed's, then what they come to."""
    return "\n\n".join([log.table(*seeds_table(found)), *notes_of_seeds(found)])


def notes_of_seeds(found: Comparison) -> list[str]:
    """What belongs below `seeds_table`: unit and number of seeds; what was left out."""
    return [_legend(found), *_remarks(found)]


def seeds_table(found: Comparison) -> tuple[list[str], list[list[str]]]:
    """The headings and rows of `as_seeds`."""
    seeds = list(
        dict.fromkeys(seed for row in found.rows for c in row.cells if c for seed in c.seeds)
    )
    heads = ["", *(column.metric for column in found.columns)]
    rows = [[f"seed {seed}", *_of_seed(found, seed)] for seed in seeds]
    for name in ("mean", "deviation", "median", "best"):
        cells = [
            (cell, column)
            for row in found.rows[:1]
            for cell, column in zip(row.cells, found.columns, strict=True)
        ]
        row = [_value(cell, column, name) for cell, column in cells]
        if set(row) != {"-"}:  # the deviation of one seed
            rows.append([name, *row])
    return heads, rows


def _of_seed(found: Comparison, seed: int | None) -> list[str]:
    cells = []
    for number, column in enumerate(found.columns):
        by_seed = {
            own: score
            for row in found.rows
            if (cell := row.cells[number])
            for own, score in zip(cell.seeds, cell.scores, strict=True)
        }
        cells.append(_number(by_seed[seed], column) if seed in by_seed else "-")
    return cells


def _value(cell: Summary | None, column: Column, name: str) -> str:
    value = getattr(cell, name, None)
    return "-" if value is None else _number(value, column)
