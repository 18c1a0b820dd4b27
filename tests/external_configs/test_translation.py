"""Rules and tables: mapped, ignored and refused keys."""

from __future__ import annotations

import pytest

from bertkit.errors import ConfigError
from bertkit.external_configs.translation import (
    flattened,
    ignored,
    one_of,
    only,
    refused,
    to,
    translate,
)

TABLE = {
    "rate": to("learning_rate", convert=float),
    "both": to("a", "b"),
    "kind": one_of("optimizer", {"lamb": "nvlamb"}),
    "always": only(True, because="there is no other way"),
    "note": ignored("a note"),
    "wild.*": refused("not here"),
}


def run(**values):
    return translate("file", "System", [(key, key, value) for key, value in values.items()], TABLE)


def test_every_outcome_is_reported_in_the_order_of_the_file():
    found = run(rate="1e-3", note=7, both=2, kind="LAMB", always=True)
    assert found.values == {"learning_rate": 1e-3, "a": 2, "b": 2, "optimizer": "nvlamb"}
    assert [(key.key, key.outcome) for key in found.keys] == [
        ("rate", "mapped"),
        ("note", "ignored"),
        ("both", "mapped"),
        ("kind", "mapped"),
        ("always", "ignored"),
    ]
    assert found.rows()[2] == ("both", "2", "mapped: a = 2, b = 2")
    assert found.warnings()[0] == "file: note ignored: a note"
    found.require_nothing_refused()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"rat": 1}, r"rat \(1\): unknown key, did you mean rate\?"),
        ({"rate": "fast"}, "could not convert"),
        ({"kind": "sgd"}, "bertkit knows lamb here"),
        ({"always": False}, "there is no other way"),
        ({"wild.card": 1}, "not here"),
    ],
)
def test_what_is_refused_is_named_with_its_reason(values, reason):
    found = run(**values)
    assert [key.outcome for key in found.keys] == ["refused"]
    with pytest.raises(ConfigError, match=reason):
        found.require_nothing_refused()


def test_variables_of_the_shell(monkeypatch):
    monkeypatch.setenv("RATE", "0.5")
    monkeypatch.delenv("NO_RATE", raising=False)
    assert run(rate="$RATE").values == {"learning_rate": 0.5}
    found = run(rate="${NO_RATE}")
    assert found.values == {} and "variable that is not set" in found.warnings()[0]


def test_nested_keys_are_joined_by_dots():
    values = {"a": {"b": 1, "c": {"d": [2]}}, "e": {}}
    assert flattened(values) == [("a.b", 1), ("a.c.d", [2]), ("e", {})]
