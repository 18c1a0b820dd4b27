"""Makes the parts of an HTML page: its frame, its style, and tables with aligned numbers."""

from __future__ import annotations

import html
from collections.abc import Sequence

from bertkit.screen.tables import is_number

_STYLE = """
:root { color-scheme: light dark; --text: #1f2328; --page: #ffffff; --line: #d5d9de;
  --soft: #f4f6f8; --quiet: #59636e; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e8eb; --page: #16191d;
  --line: #3a4048; --soft: #20252b; --quiet: #a2abb5; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; margin: 0 auto; padding: 1.5rem;
  max-width: 1240px; color: var(--text); background: var(--page); overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 1rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .4rem 0; } .quiet { color: var(--quiet); }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: .6rem 0; padding: 0; }
.legend li { list-style: none; } .legend i { display: inline-block; width: 1.4rem; height: 0;
  border-top: 3px solid; margin-right: .45rem; vertical-align: middle; }
input[name=axis] { position: absolute; opacity: 0; }
.axes { display: inline-block; margin: 0 .4rem .3rem 0; padding: .15rem .7rem; cursor: pointer;
  border: 1px solid var(--line); border-radius: 1rem; color: var(--quiet); }
input:checked + .axes { color: var(--text); border-color: var(--text); font-weight: 600; }
input:focus-visible + .axes { outline: 2px solid; outline-offset: 2px; }
.grid { display: none; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); }
#axis-step:checked ~ .step, #axis-tokens:checked ~ .tokens,
#axis-seconds:checked ~ .seconds { display: grid; }
.grid svg { width: 100%; height: auto; } .grid svg text { fill: currentColor; }
.scroll { overflow-x: auto; margin-bottom: 1.2rem; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem 1.1rem .3rem 0; text-align: left;
  vertical-align: top; overflow-wrap: normal; min-width: 4rem; }
th { color: var(--quiet); font-weight: 600; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.long { min-width: 13rem; }
pre { background: var(--soft); padding: .8rem; white-space: pre-wrap; border-radius: 4px; }
pre b { color: #b5480a; } @media (prefers-color-scheme: dark) { pre b { color: #f0a35e; } }
details { margin: .6rem 0; } summary { cursor: pointer; }
"""
_LONG = 40  # characters from which a cell is given room


def document(title: str, parts: Sequence[str]) -> str:
    """A whole page that needs nothing beside it, for light and dark screens of any width."""
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of plain text as a table; columns of numbers stand right, with their headings."""
    numeric = [
        index > 0 and bool(rows) and all(is_number(row[index]) for row in rows)
        for index in range(len(head))
    ]
    top = "".join(
        f"<th{' class=number' if right else ''}>{html.escape(text)}</th>"
        for text, right in zip(head, numeric, strict=True)
    )
    body = "\n".join(
        f"<tr>{''.join(_cell(text, right) for text, right in zip(row, numeric, strict=True))}</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{top}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(text: str, right: bool) -> str:
    kind = " class=number" if right else " class=long" if len(text) > _LONG else ""
    return f"<td{kind}>{html.escape(text)}</td>"
