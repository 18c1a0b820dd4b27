"""Notices text that was never split into sentences where one sentence per line is expected."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bertkit import log
from bertkit.files import is_remote
from bertkit.text_files import open_text

# So much is looked at: the beginnings of the first files.
_FILES = 20
_BYTES = 200_000
# Sentences of encyclopaedias have some 130 characters, of laws some 200.
_LONG = 250
# A sentence ends inside a line: a mark, white space, and what begins the next; or a mark of
# East Asia, which needs no space.
_INSIDE = re.compile(
    r"""[.!?]["'\u201d\u2019)\]]*\s+["'\u201c(]?[A-Z\u00c0-\u00de\u0410-\u042f]|[。！？।۔]['"”’」』）]*\s*[^\s'"”’」』）]"""
)


def looks_unsplit(text: str) -> str:
    """Why text seems not to have one sentence per line; empty where it may have.

    Args:
        text: its beginning, some hundred thousand characters.
    """
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    if not lines:
        return ""
    if text.count("\r") - text.count("\r\n") > text.count("\n"):
        return "lines end in carriage returns alone, which end no line here"
    mean = sum(map(len, lines)) / len(lines)
    several = sum(len(_INSIDE.findall(line)) >= 1 for line in lines) / len(lines)
    if mean > _LONG:
        return f"lines have {mean:,.0f} characters on average"
    if several > 0.5 and mean > 60:
        return f"{several:.0%} of the lines hold several sentences"
    return ""


def warn_if_unsplit(paths: Sequence[str]) -> None:
    """Say so in the log if text files seem to be raw: pairs of sentences need sentences.

    Args:
        paths: of sentence files, local; the first few are looked at.
    """
    parts = []
    for path in [path for path in paths if not is_remote(path)][:_FILES]:
        with open_text(path) as stream:
            blob = stream.read(_BYTES // min(len(paths), _FILES))
        parts.append(blob.decode("utf-8", "replace"))
    if reason := looks_unsplit("\n".join(parts)):
        log.logger.warning(
            "%s: %s. One sentence per line is expected, and a blank line between documents: is"
            " this text that was not split yet? `bertkit extract` makes such files of it",
            paths[0] if len(paths) == 1 else f"{paths[0]} and others",
            reason,
        )
