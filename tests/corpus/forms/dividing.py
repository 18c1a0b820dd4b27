"""Puts the parts of `extract` together again, to compare them with one part."""

from __future__ import annotations

from pathlib import Path

from bertkit.corpus.document_names import names_beside


def joined(folder: Path) -> tuple[bytes, bytes]:
    """Text and names of the documents of all parts, as one part has them."""
    parts = sorted(folder.glob("part-*"))
    texts = [part.read_bytes() for part in parts]
    names = [Path(names_beside(str(part))).read_bytes() for part in parts]
    return b"\n".join(filter(None, texts)), b"".join(names)
