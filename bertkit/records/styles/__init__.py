"""The table of record styles; a new style is one file here and one line in `TABLE`.

A style's file holds its class (`style.RecordStyle` says what it must tell) and the object in
the table. Styles of other packages are added with `register`.

    style      what a style is
    google     Google's and MLPerf's sentence pairs
    nvidia     the same in HDF5, also Habana's
    hf         the same as JSON lines
    cerebras   Cerebras' order of files, and its windows of running text
"""

from __future__ import annotations

from bertkit.named_table import NamedTable
from bertkit.records.styles.cerebras import CEREBRAS
from bertkit.records.styles.google import GOOGLE, MLPERF
from bertkit.records.styles.hf import HF
from bertkit.records.styles.nvidia import NVIDIA
from bertkit.records.styles.style import RecordStyle

__all__ = [
    "CEREBRAS",
    "CHOICES",
    "GOOGLE",
    "HF",
    "MLPERF",
    "NVIDIA",
    "TABLE",
    "RecordStyle",
    "help_text",
    "register",
    "register_missing",
    "registered",
    "style_named",
]

# In the order of the help.
_TABLE = NamedTable[RecordStyle]("record style", [GOOGLE, MLPERF, CEREBRAS, NVIDIA, HF])
TABLE = _TABLE.rows
# The words for `--style`; grows with the table.
CHOICES = _TABLE.choices
register, registered = _TABLE.register, _TABLE.registered
register_missing, style_named = _TABLE.register_missing, _TABLE.named


def help_text() -> str:
    """The help of `--style`: every style with whose records it makes."""
    styles = (style.name + (f" ({style.help})" if style.help else "") for style in TABLE)
    return f"Whose records: {'; '.join(styles)}."
