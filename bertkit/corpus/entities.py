"""Resolves the character references of HTML and XML, such as `&lt;` and `&#65;`."""

from __future__ import annotations

import html
import re

# Python refuses to read numbers of thousands of digits; eight say that there is no such character.
_LONG_NUMBER = re.compile(r"&#0*([1-9][0-9]{7})[0-9]{1000,}|&#0{1000,}(?=[0-9])")


def unescape(text: str) -> str:
    """Text with the characters that its references stand for, once; U+FFFD for numbers of none."""
    if "&" not in text:
        return text
    return html.unescape(_LONG_NUMBER.sub(lambda found: f"&#{found[1] or ''}", text))
