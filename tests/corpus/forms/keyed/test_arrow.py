from __future__ import annotations

import pytest

from bertkit.corpus.forms.keyed.arrow import PARQUET, is_arrow, is_parquet
from bertkit.errors import MissingDependencyError
from corpus.forms.reading import read, write


def test_marks():
    assert is_parquet(b"PAR1\x15")
    assert not is_parquet(b"PARSE this")
    assert is_arrow(b"ARROW1\0\0")
    assert is_arrow(b"\xff\xff\xff\xff\x10\x01\0\0")
    assert not is_arrow(b"\xff\xff\xff\xff\x11\x01\0\0")
    assert not is_arrow(b"ARROWS fly")


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError) as caught:
        read(PARQUET, write(tmp_path, "a.parquet", b"PAR1"))
    assert "bertkit[parquet]" in caught.value.hint
