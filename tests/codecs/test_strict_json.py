"""JSON that other programs can read: RFC 8259 has no NaN and no Infinity."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

import bertkit
from bertkit.codecs.strict_json import json_text


def strict(text):
    """The value of a text, by a parser that takes no NaN."""

    def refuse(name):
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_what_is_not_finite_becomes_null():
    value = {"a": math.nan, "b": [1.5, -math.inf, {"c": np.float64("nan")}], "d": (math.inf, 2)}
    text = json_text(value)
    assert strict(text) == {"a": None, "b": [1.5, None, {"c": None}], "d": [None, 2]}


def test_finite_values_are_as_json_has_them():
    value = {"b": 1e-300, "a": [True, None, "é", 0.1]}
    assert json_text(value) == json.dumps(value)
    assert json_text(value, indent=1, readable=True) == json.dumps(
        value, indent=1, ensure_ascii=False
    )
    assert json_text(value, sort_keys=True, compact=True) == json.dumps(
        value, sort_keys=True, separators=(",", ":")
    )


def test_scalars_of_numpy_are_plain():
    values = [np.float32(0.5), np.int64(7), np.float32("inf"), np.bool_(True)]
    assert strict(json_text(values)) == [0.5, 7, None, True]
    with pytest.raises(TypeError, match="set is not plain data"):
        json_text({1, 2})


def test_paths_that_are_not_utf8_can_be_written():
    name = b"J\xf6rg".decode("utf-8", "surrogateescape")
    text = json_text({"path": name}, readable=True)
    text.encode("utf-8")
    assert json.loads(text)["path"] == name


def test_results_and_files_of_runs_are_written_by_this_function_alone():
    """Digests of settings may use the standard library's."""
    package = Path(bertkit.__file__).parent
    places = [package / name for name in ("train", "report", "commands", "tasks")]
    paths = [path for place in places for path in place.rglob("*.py")]
    paths += [*(package / "manifests").rglob("*.py"), *(package / "model").rglob("run_state.py")]
    found = {
        path.relative_to(package).as_posix()
        for path in paths
        if re.search(r"\bjson\.dumps?\(", path.read_text())
    }
    digests = {"tasks/squad/window_cache.py", "tasks/summarise/oracle_cache.py"}
    assert found <= {"train/agreement.py", *digests}
