"""`make demo` with a program in place of bertkit that trains nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from slow_cases import slow

ROOT = Path(__file__).resolve().parents[2]
BERTKIT = """\
import json, subprocess, sys
from pathlib import Path

words = sys.argv[1:]
with open({seen!r}, "a") as seen:
    print(json.dumps(words), file=seen)
if words[0] == "download":
    sys.exit(subprocess.call([sys.executable, "-m", "bertkit", *words]))
if words[0].startswith("finetune"):
    run = Path(words[words.index("--output") + 1])
    run.mkdir(parents=True)
    (run / "scores.json").write_text(json.dumps({{"accuracy": 0.5, "f1": 20.0}}, indent=1))
"""
pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="`make demo` needs make")


@pytest.fixture
def demo(tmp_path):
    """Runs `make demo` with more words; gives the commands that it called."""
    place = tmp_path / "venv" / "bin"
    place.mkdir(parents=True)
    (place.parent / ".ready").touch()  # nothing is installed then
    script, seen = tmp_path / "bertkit.py", tmp_path / "seen"
    script.write_text(BERTKIT.format(seen=str(seen)))
    for name, more in (("bertkit", f" {script}"), ("python", "")):
        (place / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{more} "$@"\n')
        (place / name).chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if k not in ("BACKEND", "FLAGS")}
    environment["PYTHONPATH"] = str(ROOT)

    def run(*words: str, **settings: str) -> list[list[str]]:
        folders = [f"VENV={place.parent}", f"DEMO={tmp_path / 'demo'}"]
        command = ["make", "-C", str(ROOT), "demo", *folders, *words]
        done = subprocess.run(command, env=environment | settings, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "F1 20; the last three words of each passage: F1 " in done.stdout
        return [json.loads(line) for line in seen.read_text().splitlines()]

    return run


@pytest.mark.parametrize(
    ("words", "settings", "backend"),
    [
        (("BACKEND=cuda",), {}, "cuda"),
        *slow(((), {}, "auto")),
        ((), {"BACKEND": "accel", "FLAGS": "--layout padded"}, "accel"),
    ],
)
def test_all_that_computes_runs_on_the_device_that_was_asked_for(demo, words, settings, backend):
    called = demo(*words, **settings)
    computing = [
        command
        for command in called
        if command[0] in ("pretrain", "eval", "finetune-squad", "finetune", "predict")
    ]
    assert len(computing) == 6
    for command in computing:
        assert command[command.index("--backend") + 1] == backend
        trains = command[0] not in ("eval", "predict")
        assert (command[-2:] == ["--layout", "padded"]) == (trains and "FLAGS" in settings)
