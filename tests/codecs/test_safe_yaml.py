"""YAML that is meant to harm, or is broken in ways that PyYAML has no error for."""

from __future__ import annotations

import pytest

from bertkit.codecs import safe_yaml
from bertkit.codecs.safe_yaml import parse
from bertkit.configuration.config import load_yaml, parse_assignments, resolve
from bertkit.errors import ConfigError, UsageError
from bertkit.launch.launch import check_files
from bertkit.tasks.pretraining.config import PretrainConfig


def laughs(depth):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for number in range(1, depth):
        before = ", ".join([f"*a{number - 1}"] * 10)
        lines.append(f"a{number}: &a{number} [{before}]")
    return "\n".join([*lines, f"output: *a{depth - 1}"])


BAD = {
    "alias bomb": (laughs(12), "too large"),
    "merge bomb": (laughs(9).replace("output:", "<<:"), "too large"),
    "recursive": ("a: &a [*a]", "&a holds itself"),
    "deep lists": ("a: " + "[" * 5000, "nested deeper than 64"),
    "deep maps": ("a: " + "{b: " * 5000, "nested deeper than 64"),
    "deep blocks": ("\n".join(" " * n + "a:" for n in range(300)), "nested deeper than 64"),
    "long": ("a: [" + "1," * 1001 + "]", "too large"),
    "date": ("a: 2020-99-99", "cannot be read"),
    "tag": ("a: !!bool maybe", "cannot be read"),
    "time": ("a: !!timestamp soon", "cannot be read"),
    "number": ("a: " + "1" * 5000, "cannot be read"),
    "code": ("a: !!python/object/apply:os.system [true]", "not YAML"),
    "two": ("a: 1\n---\nb: 2\n", "2 documents"),
    "bytes": (b"a: \xff", "not YAML"),
    "cut": ("a: [1, 2", "not YAML"),
    "key twice": ("a: 1\nb: 2\na: 3\n", ":3: .*the key a stands in line 1 already"),
    "inner key twice": ("m:\n  a: 1\n  a: 1\n", ":3: .*the key a stands in line 2"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_yaml_is_refused_at_once(tmp_path, monkeypatch, name):
    monkeypatch.setattr(safe_yaml, "MOST_VALUES", 1000)
    text, message = BAD[name]
    path = tmp_path / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=message) as caught:
        load_yaml(path)
    assert str(path) in caught.value.message
    assert len(caught.value.message) < 500
    if name != "two":
        with pytest.raises(ConfigError):
            check_files([str(path)])
    if isinstance(text, str) and "\n" not in text and text.startswith("a: "):
        with pytest.raises(UsageError):
            parse_assignments([f"a={text[3:]}"])


def test_aliases_of_ordinary_size_are_read():
    assert parse(laughs(3), "x")["output"][9][9][9] == "x"
    assert parse("base: &b {x: 1e-4}\nmore:\n  <<: *b\n  y: 2\n", "f")["more"] == {
        "x": 1e-4,
        "y": 2,
    }


@pytest.mark.parametrize("key", ["max_steps", "learning_rate", "output", "resume", "deterministic"])
def test_a_value_of_any_size_makes_a_short_message(key):
    from bertkit.configuration.config import Layer

    layers = [Layer("f", {"input": "x", "output": "y", key: [["x"] * 1000] * 100})]
    with pytest.raises(ConfigError) as caught:
        resolve(PretrainConfig, layers)
    assert len(caught.value.message) < 400


def test_numbers_are_those_of_yaml_1_2():
    """Of YAML 1.1 `010` is eight and `1:30` is ninety; `--seed 010` is ten."""
    text = "{a: 010, b: -010, c: 1:30, d: 1:30.5, e: 1_000, f: 0x10, g: 1e-4, h: +7, i: 0, j: .5}"
    assert parse(text, "f") == {
        "a": 10, "b": -10, "c": "1:30", "d": "1:30.5", "e": 1000, "f": 16, "g": 1e-4, "h": 7,
        "i": 0, "j": 0.5,
    }  # fmt: skip
    assert parse(text, "f", numbers=False)["a"] == 8  # their programs read YAML 1.1


def test_keys_of_two_merges_are_not_twice():
    text = "x: &x {a: 1}\ny: &y {b: 2}\nz: {<<: *x, <<: *y, a: 3}"
    assert parse(text, "f")["z"] == {"a": 3, "b": 2}


@pytest.mark.parametrize("numbers", [True, False])
def test_numbers_that_python_cannot_print_are_refused(numbers):
    with pytest.raises(ConfigError, match=r"a number of 5,002 digits"):
        list(safe_yaml.parse_all(f"a: 0x{'f' * 5000}", "x", numbers=numbers))
