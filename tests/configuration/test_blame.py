"""Errors name the file that a setting came from."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from bertkit.configuration.blame import where_from
from bertkit.configuration.config import Layer, resolve


@dataclass
class _Settings:
    precision: str = "fp32"
    max_steps: int = 1
    vocab: str = "v.txt"
    input: list[str] = field(default_factory=list)


@pytest.fixture
def resolved(tmp_path):
    file = tmp_path / "params.yaml"
    file.touch()
    found = {"precision": "fp16", "max_steps": 5, "vocab": "../v/a.txt", "input": ["data/x", "y"]}
    layers = [Layer(str(file), found), Layer("command line", {"max_steps": 7})]
    return str(file), resolve(_Settings, layers)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("--precision fp16 does not work on cpu", True),
        ("no vocabulary ../v/a.txt", True),
        ("no such file: data/x", True),
        ("--max-steps 7 is too many", False),  # typed
        ("--precision-of-others is wrong", False),
        ("no such file: y", False),  # may be any word
    ],
)
def test_what_a_file_set_is_said(resolved, message, said):
    file, settings = resolved
    assert where_from(message, settings) == (f"{file} says so" if said else "")


def test_the_command_adds_it_to_the_hint(bertkit, tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text("precision: fp16\ninput: [none/here]\n")
    run = bertkit("pretrain", "--config", file, "--backend", "cpu", "--output", tmp_path / "run")
    assert run.status == 3 and f"{file} says so" in run.err.replace("\n", " ")
