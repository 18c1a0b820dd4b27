"""Writes the report as one HTML page: curves, numbers, settings and hardware."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bertkit.config import flatten, load_yaml
from bertkit.errors import DataError
from bertkit.files import read_json, write_text
from bertkit.train.run_files import CONFIG, MACHINE

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1200px; color: #222; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
svg { width: 100%; height: auto; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { border-bottom: 1px solid #ddd; padding: 0.25rem 0.8rem 0.25rem 0; text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
"""
# (kind of line, name in metrics.jsonl, heading, format)
_NUMBERS = (
    ("train", "loss", "loss", ".4f"),
    ("train", "mlm_accuracy", "MLM accuracy", ".4f"),
    ("train", "nsp_accuracy", "NSP accuracy", ".4f"),
    ("train", "span_accuracy", "both ends right", ".4f"),
    ("eval", "mlm_loss", "eval. MLM loss", ".4f"),
    ("eval", "mlm_accuracy", "eval. MLM accuracy", ".4f"),
    ("eval", "perplexity", "eval. perplexity", ",.2f"),
    ("train", "tokens_per_second", "real tokens/s", ",.0f"),
    ("train", "peak_share", "of measured peak", ".1%"),
    ("train", "seconds", "hours", ".2f"),
)


def write_page(
    output: str,
    runs: Mapping[str, str],
    last: Sequence[Mapping[str, Any]],
    picture: str,
    sections: Sequence[str] = (),
) -> None:
    """Write the page.

    Args:
        output: HTML file.
        runs: short name → folder.
        last: per run its name, last step and last numbers, as in `Report.runs`.
        picture: the curves as an SVG element; may be empty.
        sections: further parts of the page, as HTML.
    """
    title = f"Runs: {', '.join(runs)}" if runs else "Answers"
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        picture,
        *(["<h2>Last numbers</h2>", _last_numbers(last)] if last else []),
        *sections,
        *_settings({name: _config(folder) for name, folder in runs.items()}),
        *_machines({name: _machine(folder) for name, folder in runs.items()}),
    ]
    body = "\n".join(parts)
    write_text(
        output,
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n",
    )


def _last_numbers(last: Sequence[Mapping[str, Any]]) -> str:
    shown = [item for item in _NUMBERS if any(item[1] in run.get(item[0], {}) for run in last)]
    rows = []
    for run in last:
        cells = [str(run["run"]), f"{run['step']:,}"]
        for kind, key, _, form in shown:
            value = run.get(kind, {}).get(key)
            if key == "seconds" and value is not None:
                value /= 3600
            cells.append("-" if value is None else format(value, form))
        rows.append(cells)
    return html_table(("run", "step", *(item[2] for item in shown)), rows)


def _settings(configs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Settings that differ between the runs, and all of them folded away."""
    keys = list(dict.fromkeys(key for config in configs.values() for key in config))
    rows = [[key, *(str(config.get(key, "-")) for config in configs.values())] for key in keys]
    other = [row for row in rows if len(set(row[1:])) > 1 and row[0] != "output"]
    head = ("setting", *configs)
    parts = []
    if len(configs) > 1:
        found = html_table(head, other) if other else "<p>None.</p>"
        parts += ["<h2>Settings that differ</h2>", found]
    if rows:
        parts.append(f"<details><summary>All settings</summary>{html_table(head, rows)}</details>")
    return parts


def _machines(machines: Mapping[str, Mapping[str, Any]]) -> list[str]:
    keys = list(dict.fromkeys(key for machine in machines.values() for key in machine))
    rows = [[key, *(str(machine.get(key, "-")) for machine in machines.values())] for key in keys]
    return ["<h2>Hardware and software</h2>", html_table(("", *machines), rows)] if rows else []


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of plain text as an HTML table; numbers are aligned right."""
    top = "".join(f"<th>{html.escape(text)}</th>" for text in head)
    body = "\n".join(
        "<tr>" + "".join(_cell(number, text) for number, text in enumerate(row)) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{top}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(number: int, text: str) -> str:
    numeric = number > 0 and text.replace(",", "").replace(".", "").rstrip("%").isdecimal()
    return f"<td{' class=number' if numeric else ''}>{html.escape(text)}</td>"


def _config(folder: str) -> dict[str, Any]:
    path = Path(folder) / CONFIG
    return flatten(load_yaml(path)) if path.is_file() else {}


def _machine(folder: str) -> dict[str, Any]:
    path = Path(folder) / MACHINE
    found = read_json(path) if path.is_file() else {}
    if not isinstance(found, dict):
        raise DataError(f"{path}: not the facts of a machine", "remove the file to do without it")
    return found
