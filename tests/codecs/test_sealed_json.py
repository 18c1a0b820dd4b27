"""Checksums of JSON files, in the files themselves."""

from __future__ import annotations

import json

import pytest

from bertkit.codecs.sealed_json import require_sealed, sealed
from bertkit.errors import DataError


def test_a_seal_breaks_when_anything_changes(tmp_path):
    values = {"step": 3, "loss": 0.1, "nested": {"a": [1, None, "é"], "b": float("nan")}}
    kept = json.loads(json.dumps(sealed(values)))
    require_sealed(kept, tmp_path)
    assert sealed(kept) == sealed(values) or kept["nested"]["b"] != kept["nested"]["b"]
    require_sealed({"step": 4}, tmp_path)  # nothing is known of it
    for changed in ({**kept, "step": 4}, {**kept, "more": 1}):
        with pytest.raises(DataError, match="damaged, or changed by hand"):
            require_sealed(changed, tmp_path)
