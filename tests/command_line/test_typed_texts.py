"""Texts that options were given."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest

from bertkit.command_line.typed_texts import read_typed


def test_words_of_the_command_line_are_utf8_in_any_locale():
    """In a locale without UTF-8 Python hands bytes over as lone surrogates."""
    word = "Jos\u00e9".encode().decode("ascii", "surrogateescape")
    words = {"text": word, "pair": "Jos\u00e9 \U0001f389"}
    assert read_typed(words) == {"text": "Jos\u00e9", "pair": "Jos\u00e9 \U0001f389"}


def test_files_are_read_and_literal_words_are_not(tmp_path):
    (tmp_path / "a.txt").write_text("\ufeffwords", "utf-8")
    name = f"@{tmp_path / 'a.txt'}"
    assert read_typed({"text": name, "pair": name}) == {"text": "words", "pair": "words"}
    assert read_typed({"question": name}, literal=("question",)) == {"question": name}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_read_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    name = f"@{tmp_path / 'pipe'}"
    with pytest.raises(click.UsageError, match="--text and --pair are both to be read from one"):
        read_typed({"text": name, "pair": name})


def test_a_program_without_standard_input_says_so():
    """As daemons start programs; `sys.stdin` is None then."""
    code = (
        "import sys; from bertkit.cli import main; sys.stdin = None\n"
        "sys.exit(main(['predict', '--text', '-', '--init-checkpoint', '.']))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 2 and "standard input is closed" in ended.stderr
