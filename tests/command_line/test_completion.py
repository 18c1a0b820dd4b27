"""What the Tab key offers, in the words that the shells' scripts read, and in a real bash."""

from __future__ import annotations

import os
import select
import shutil
import sys
import time
from pathlib import Path

import pytest

from bertkit.cli import main
from bertkit.command_line import completion
from bertkit.command_line.values import Place
from tests.command_line.every import options

ROOT = Path(__file__).resolve().parents[2]
NOTHING = [("", "")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with text, and two runs of which one has a checkpoint."""
    for place in ("runs/tiny/step-0000010", "runs/squad", "data/with space"):
        (tmp_path / place).mkdir(parents=True)
    for place in ("runs/tiny/metrics.jsonl", "runs/squad/metrics.jsonl", "vocab.txt"):
        (tmp_path / place).touch()
    (tmp_path / "runs/tiny/step-0000010/state.json").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def asked(monkeypatch, capsys):
    """What a shell is told for the words before the cursor: a list of (type, value)."""

    def ask(words: str, shell: str = "bash") -> list[tuple[str, str]]:
        last = "" if words.endswith(" ") else words.split()[-1]
        number = len(words.split()) - bool(last)
        monkeypatch.setenv("_BERTKIT_COMPLETE", f"{shell}_complete")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", last if shell == "fish" else str(number))
        with pytest.raises(SystemExit):
            main([])
        lines = capsys.readouterr().out.splitlines()
        # Between lines for zsh; some releases of click write so for fish too.
        if shell == "zsh" or (shell == "fish" and lines and "," not in lines[0]):
            return list(zip(lines[::3], lines[1::3], strict=True))
        rows = [line.partition(",") for line in lines]
        return [(kind, value.partition("\t")[0]) for kind, _, value in rows]

    return ask


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("bertkit pretr", [("plain", "pretrain")]),
        ("bertkit finetune_s", [("plain", "finetune-squad")]),
        ("bertkit pretrain --preset ti", [("plain", "tiny")]),
        ("bertkit pretrain --preset = ti", [("plain", "tiny")]),  # as bash parts --preset=ti
        ("bertkit pretrain --optimizer max-weight-norm-", [("plain", "max_weight_norm_no_debias")]),
        ("bertkit eval --backend c", [("plain", "cpu"), ("plain", "cs"), ("plain", "cuda")]),
        ("bertkit launch torchrun --backend ip", [("plain", "ipu")]),
        ("bertkit launch tor", [("plain", "torchrun")]),
        ("bertkit launch torchrun -- pretrain --preset min", [("plain", "mini")]),
        ("bertkit download squad-v1", [("plain", "squad-v1.1")]),
        ("bertkit pretrain --vocab bertkit-u", [("plain", "bertkit-uncased-8k")]),
        ("bertkit pretrain --max_st", [("plain", "--max-steps")]),
        ("bertkit pretrain --set mod", [("key", "model_config="), ("key", "model.")]),
        ("bertkit pretrain --set model.hidden-s", [("key", "model.hidden_size=")]),
        ("bertkit pretrain --set model.hidden_act = gelu_", [("plain", "gelu_new")]),
        ("bertkit pretrain --set=model.hidden_act=r", [("plain", "relu")]),
        ("bertkit pretrain --set nsp = ", [("plain", "true"), ("plain", "false")]),
        ("bertkit pretrain --set config.seed = 1", NOTHING),
        ("bertkit pretrain --set model = ", NOTHING),
        ("bertkit pretrain --set vocab = vo", [("file", "vo")]),
        ("bertkit pretrain --set seed = 1 --preset ti", [("plain", "tiny")]),
        ("bertkit finetune --set text_c", [("key", "text_column=")]),
        ("bertkit extract --set langu", [("key", "language=")]),
        (
            "bertkit launch torchrun -- pretrain --set model.num_h",
            [("key", "model.num_hidden_layers=")],
        ),
        ("bertkit inspect d", [("file", "d")]),
        ("bertkit verify a b", [("file", "b")]),
        ("bertkit extract --input a b", [("file", "b")]),  # a second value
        ("bertkit make-records -i ", [("file", "")]),
        ("bertkit pretrain --text-cache d", [("dir", "d")]),
        ("bertkit pretrain --config c", [("file", "c")]),
        ("bertkit launch check f", [("file", "f")]),
        ("bertkit pretrain --init-checkpoint ", [("path", "runs/squad"), ("path", "runs/tiny")]),
        ("bertkit report runs/t", [("path", "runs/tiny")]),
        ("bertkit eval -c runs/tiny/", [("path", "runs/tiny/step-0000010")]),
        ("bertkit compare nothing", [("dir", "nothing")]),
    ],
)
def test_what_bash_is_told(words, expected, folder, asked):
    assert asked(words) == expected


def test_every_option_of_a_file_or_folder_completes_paths():
    beginnings = {"file", "folder", "files", "folders", "vocabulary", "config.json"}
    for name, option in options():
        words = {word.strip(",;:.").lower() for word in (option.help or "").split()[:1]}
        if option.needs_example and words & beginnings:
            raise AssertionError(f"{name} {option.opts} has no place: {option.help}")
    named = {flag for _, o in options() if isinstance(o.type, Place) for flag in o.opts}
    assert {"--input", "--output", "--train-file", "--model-config", "--checkpoint"} <= named


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_told_whole_words(shell, folder, asked):
    assert asked("bertkit pretrain --preset=ti", shell) == [("plain", "--preset=tiny")]
    assert asked("bertkit pretrain --config=vo", shell) == [("plain", "--config=vocab.txt")]
    assert asked("bertkit pretrain --output=r", shell) == [("plain", "--output=runs")]
    assert asked("bertkit pretrain --set=see", shell) == [("plain", "--set=seed=")]
    assert asked("bertkit pretrain --set model.hidden_s", shell) == [
        ("plain", "model.hidden_size=")
    ]
    value = "model.hidden_act=relu"
    for begin, word in (("--set ", value), ("--set=", f"--set={value}")):
        typed = f"bertkit pretrain {begin}{value[:-3]}"
        assert asked(typed, shell) == [("plain", word)]
    assert asked("bertkit pretrain --set vocab=vo", shell) == [("plain", "vocab=vocab.txt")]
    assert asked("bertkit report runs/t", shell) == [("plain", "runs/tiny")]
    assert asked("bertkit inspect d", shell) == [("file", "d")]


def test_hidden_opposites_and_given_options_are_not_offered(asked):
    values = [value for _, value in asked("bertkit pretrain --dry-run --no-")]
    assert "--no-nsp" in values and "--no-dry-run" not in values and "--no-json" not in values
    assert "--dry-run" not in [value for _, value in asked("bertkit pretrain --dry-run --")]


def test_each_shell_has_a_script(monkeypatch, capsys):
    for shell in ("bash", "zsh", "fish"):
        monkeypatch.setenv("_BERTKIT_COMPLETE", f"{shell}_source")
        with pytest.raises(SystemExit):
            main([])
        assert "_bertkit_completion" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("parted", "whole"),
    [((["--preset"], "="), (["--preset"], "")), ((["--preset", "="], "ti"), (["--preset"], "ti")),
     ((["a"], "b"), (["a"], "b")), (([], "="), ([], "=")), (([], ""), ([], "")),
     ((["--set", "a.b"], "="), (["--set"], "a.b=")),
     ((["--set", "a.b", "="], "c"), (["--set"], "a.b=c")),
     ((["--set", "=", "a.b", "="], "c"), (["--set"], "a.b=c")),
     ((["--set", "a", "=", "1", "--preset", "="], "t"), (["--set", "a=1", "--preset"], "t"))],
)  # fmt: skip
def test_what_bash_parts_is_joined(parted, whole):
    assert completion._joined(*parted) == whole


class Terminal:
    """A bash in a pseudo-terminal, as a person uses it."""

    def __init__(self, folder: Path) -> None:
        pty = pytest.importorskip("pty", reason="no such terminals on this system")
        self.process, self.terminal = pty.fork()
        if not self.process:
            os.chdir(folder)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], self.environment(folder))

    def environment(self, folder: Path) -> dict[str, str]:
        path = f"{folder}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "PS1": "> ", "TERM": "dumb", "COLUMNS": "200"}

    def until(self, wanted: str, seconds: float = 60) -> str:
        """What is shown, up to a text that is waited for."""
        shown, end = "", time.monotonic() + seconds
        while wanted not in shown and time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.2)[0]:
                shown += os.read(self.terminal, 65536).decode(errors="replace")
        assert wanted in shown, f"{wanted!r} is not in {shown!r}"
        return shown

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def close(self) -> None:
        self.type("\x15exit\n")
        os.close(self.terminal)
        os.waitpid(self.process, 0)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash here")
def test_the_tab_key_in_a_real_bash(folder):
    program = folder / "bertkit"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m bertkit "$@"\n')
    program.chmod(0o755)
    bash = Terminal(folder)
    try:
        bash.type('eval "$(_BERTKIT_COMPLETE=bash_source bertkit)"; echo re""ady\n')
        bash.until("ready")
        for typed, becomes in (
            ("bertkit pretr\t", "bertkit pretrain "),
            ("bertkit inspect da\t", "bertkit inspect data/"),
            ("bertkit inspect data/w\t", "data/with\\ space/"),
            ("bertkit pretrain --preset=ti\t", "--preset=tiny "),
            ("bertkit report runs/ti\t", "runs/tiny/"),
            ("bertkit pretrain --set model.hidden_a\tgelu_\t", "model.hidden_act=gelu_new "),
            ("bertkit extract --input data vo\t", "vocab.txt "),
        ):
            bash.type(typed)
            bash.until(becomes)
            bash.type("\x15")  # removes the line
    finally:
        bash.close()
