"""The examples of docs/extending.md: each section's files are written and its commands run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
# Runs the command line of this checkout, whatever is installed.
PROGRAMS = {"python": '"{python}" "$@"', "bertkit": '"{python}" -m bertkit "$@"'}


def sections() -> dict[str, list[tuple[str, str]]]:
    """Title → (language, text) of its code blocks, for the sections that have some."""
    parts = re.split(r"^## (.+)$", PAGE, flags=re.M)[1:]
    found = dict(zip(parts[::2], map(BLOCK.findall, parts[1::2]), strict=True))
    return {title: blocks for title, blocks in found.items() if blocks}


def install(folder: Path, project: str) -> None:
    """Write what installing a package with this pyproject.toml leaves of its entry points."""
    info = folder / "example-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 1.0\n")
    points = re.findall(r'^\[project\.entry-points\."(.+)"\]\n((?:.+\n)+)', project, re.M)
    assert points
    text = "".join(f"[{group}]\n{rows}" for group, rows in points).replace('"', "")
    (info / "entry_points.txt").write_text(text)


# These train or write with commands of their own, ten seconds and more each.
LONG = ("A backend", "A checkpoint format", "A task")
TITLES = [
    pytest.param(title, marks=pytest.mark.slow) if title in LONG else title for title in sections()
]


@pytest.mark.slow
@pytest.mark.parametrize("title", TITLES)
def test_an_example_runs(title, tmp_path):
    script = []
    for language, text in sections()[title]:
        if language == "sh":
            script.append(text)
            continue
        name = text.splitlines()[0].removeprefix("# ")
        (tmp_path / name).write_text(text, encoding="utf-8")
        if language == "toml":
            install(tmp_path, text)
    (tmp_path / "bin").mkdir()
    for name, command in PROGRAMS.items():
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\nexec {command.format(python=sys.executable)}\n")
        program.chmod(0o755)
    assert script, f"{title}: no commands"
    done = subprocess.run(
        ["sh", "-eu", "-c", "".join(script)],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_every_kind_in_the_table_has_an_example():
    rows = re.findall(r"^\| \[(.+?)\]\(#(.+?)\) \|", PAGE, re.M)
    titles = {title.lower().replace(" ", "-"): title for title in sections()}
    assert len(rows) == len(titles)
    for name, anchor in rows:
        assert titles[anchor].lower() == name
