"""All documents of a file, for the tests of the forms."""

from __future__ import annotations

from pathlib import Path

from bertkit.corpus.document import Found, Noticed
from bertkit.corpus.forms.form import Form, ReadOptions


def read(form: Form, path: str | Path, max_bytes: int = 64_000_000, **more) -> list[Found]:
    """The documents of a file, without what is only noticed; `more` are further `ReadOptions`."""
    found = form.documents(str(path), ReadOptions(max_bytes=max_bytes, **more))
    return [item for item in found if not isinstance(item, Noticed)]


def write(folder: Path, name: str, blob: bytes) -> str:
    """A file with these bytes; its path."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(blob)
    return str(path)
