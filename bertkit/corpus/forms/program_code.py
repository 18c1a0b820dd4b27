"""Notices program code, which is text to train on, but has no sentences to split."""

from __future__ import annotations

import re

_LOOKED_AT = 4096
_LEAST = 3
_SHARE = 8  # one of so many lines
_ENDS = frozenset((b":", b";", b"{", b")", b"}"))
_BEGINS = re.compile(rb"#!\s*/|<\?php\b|#\s*include\s*[<\"]|package [\w.]+;?\n")
# Whole lines, or their beginnings, of Python, C and its kin, Java, JavaScript, Go and Rust.
_LINES = (
    rb"#\s*include\s*[<\"]",
    rb"(?:async )?def \w+\(|class \w+\s*[(:{]|from [\w.]+ import |import [\w.{*]+(?:;|$)",
    rb"(?:export )?(?:async )?function\b[ \w$]*\(|(?:var|let|const) \w+\s*[:=]",
    rb"(?:public|private|protected|static) \w|using [\w.:]+;|(?:pub )?fn \w+|func \w+\(",
    rb"(?:if|for|while|switch|else if)\s*\([^\n]*\{$|return\b[^\n]*[;)]$",
    rb"[\w.\[\]]+\s*=\s*[^\n]*;$|[})\];]+;?$",
)
_LINE = re.compile(rb"(?m)^[ \t]*(?:" + b"|".join(_LINES) + rb")")


def is_code(text: bytes) -> bool:
    """Whether the beginning of a file looks like the source of a program.

    Args:
        text: its first bytes, as UTF-8.
    """
    head = text[:_LOOKED_AT]
    if _BEGINS.match(head):
        return True
    lines = head.split(b"\n")
    if len([line for line in lines if line[-1:] in _ENDS]) < _LEAST:  # prose ends here
        return False
    found = len(_LINE.findall(head))
    return found >= _LEAST and found * _SHARE >= len(lines)
