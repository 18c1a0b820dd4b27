from __future__ import annotations

import json

import fsspec
import pytest

from bertkit.cli import main

every_command = pytest.mark.parametrize(
    "words",
    [
        ["pick-eval", "--output", "{tmp}/out"],
        ["train-vocab", "--output", "{tmp}/out"],
        ["eval", "--checkpoint", "memory://nowhere/step-1"],
    ],
    ids=lambda words: words[0],
)


@every_command
def test_a_dry_run_looks_for_the_input(words, tmp_path, capsys):
    given = [word.format(tmp=tmp_path) for word in words]
    given += ["--input", str(tmp_path / "a.txt"), "--dry-run", "--json"]
    assert main(given) == 3
    assert f"no such file: {tmp_path / 'a.txt'}" in capsys.readouterr().err
    (tmp_path / "a.txt").write_text("Hello.\n")
    if words[0] == "pick-eval":
        assert main(given) == 3
        assert "a.txt holds text, not record files" in capsys.readouterr().err
        (tmp_path / "a.txt").write_text('{"input_ids": [1]}\n')
    assert main(given) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["files"] == 1


@every_command
def test_a_dry_run_says_what_would_be_copied(words, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    system = fsspec.filesystem("memory")
    system.pipe("/dry/a.txt", b"seven..")
    given = [word.format(tmp=tmp_path) for word in words]
    given += ["--input", "memory://dry/a.txt", "--dry-run", "--json"]
    try:
        assert main(given) == 0
    finally:
        system.rm("/dry", recursive=True)
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (said["files_to_copy"], said["copied_bytes"]) == (1, 7)
    assert str(tmp_path / "cache") in said["to_copy"]
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.rglob("a.txt"))
