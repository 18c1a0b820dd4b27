"""Files of other programs are known by their first bytes; text is not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bertkit.kinds.marks import marked


def test_what_other_programs_write():
    with open(sys.executable, "rb") as program:
        assert marked(program.read(80)) == ("a program", "")
    for folder, ending, what in (("matplotlib", "png", "a PNG image"), ("numpy", "npy", "NumPy")):
        package = Path(pytest.importorskip(folder).__file__).parent
        path = next(package.rglob(f"*.{ending}"), None)
        if path is not None:
            with open(path, "rb") as stream:
                found = marked(stream.read(80))
            assert found is not None and what in found[0]


def test_text_is_no_marked():
    for text in (b"", b"BM is a name. MZ too. ORC? II*\n", b"GIF images are old.\n", b"Rar\n"):
        assert marked(text) is None
