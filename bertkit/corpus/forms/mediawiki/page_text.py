"""Takes the wikitext out of the XML of a page, which is nearly all of it, without an XML parser.

What is left of the page goes to the parser. So does the whole page where the text holds
anything that the parser would change or refuse: the result is always the parser's.
"""

from __future__ import annotations

_OPEN, _CLOSE = b"<text", b"</text>"
# As dumps escape text, `&amp;` last: what it gives back is no entity any more.
_ENTITIES = ((b"&lt;", "<"), (b"&gt;", ">"), (b"&quot;", '"'), (b"&amp;", "&"))
# No XML holds these; of a carriage return a parser makes another line end.
_OTHERS = bytes([*range(9), *range(0x0B, 0x20)])
_NO_CHARACTERS = (b"\xef\xbf\xbe", b"\xef\xbf\xbf")
# A smaller page takes the parser no longer.
_SMALL = 2000


def split_page(page: bytes) -> tuple[bytes, str | None]:
    """A page's XML without its text, and the text.

    Args:
        page: its XML as UTF-8, from `<page` to `</page>`.

    Returns:
        The page as it is and None where only a parser can tell the text, or that it is damaged.
    """
    whole = page, None
    if len(page) < _SMALL or page.count(_OPEN) != 1 or b"<!" in page:
        return whole
    start = page.index(_OPEN) + len(_OPEN)
    begin = page.find(b">", start) + 1
    end = page.find(b"<", begin)
    if not begin or page[start : start + 1] not in (b" ", b">") or page[begin - 2] == ord("/"):
        return whole
    if not page.startswith(_CLOSE, end):
        return whole
    text = _decoded(page[begin:end])
    return whole if text is None else (page[:begin] + page[end:], text)


def _decoded(body: bytes) -> str | None:
    """The characters of an element without others in it; None where a parser must tell them."""
    if b">" in body or len(body.translate(None, _OTHERS)) != len(body):
        return None
    if any(character in body for character in _NO_CHARACTERS):
        return None
    if body.count(b"&") != sum(body.count(entity) for entity, _ in _ENTITIES):
        return None
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    for entity, character in _ENTITIES:
        text = text.replace(entity.decode("ascii"), character)
    return text
