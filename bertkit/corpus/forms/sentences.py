"""Reads documents that are already one sentence per line, as `extract` writes them."""

from __future__ import annotations

from bertkit.corpus.forms.documents import read_blocks, spans_of
from bertkit.corpus.forms.form import Form

FORM = Form(
    name="sentences",
    help="already one per line",
    read=read_blocks,
    written_by=("extract", "clean", "split"),
    one_sentence_per_line=True,
    spans=spans_of,
)
