"""What commands propose next runs as it stands, on files that are there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from spoken_lines import check_next, flags_of_hint, known_flags

from bertkit.cli import COMMANDS
from bertkit.command_line import next_step

FLAG = re.compile(r"(?<![\\w-])--[a-z][a-z0-9-]+(?![\\w*])")


def followed(err: str) -> list[str]:
    """The words of the `Next:` line."""
    (line,) = re.findall(r"^Next: bertkit (.*)$", err, re.MULTILINE)
    return shlex.split(line)


def test_following_the_lines_leads_from_text_to_records(bertkit, tmp_path, monkeypatch):
    """Each proposed command is run as it stands, on names with spaces."""
    monkeypatch.chdir(tmp_path)
    raw = tmp_path / "my texts"
    raw.mkdir()
    paragraph = "The whale dives deep. It comes up again. The ship sails on without it. "
    for number in range(60):
        (raw / f"{number}.txt").write_text(f"{paragraph}It is text {number}.\n")
    small = ["--workers", 1]
    done = bertkit("extract", "--input", raw, "--output", "data/docs", *small)
    names = ["extract"]
    while (words := followed(done.err))[0] not in names and len(names) < 9:
        if words[0] == "inspect":
            break
        names.append(words[0])
        more = ["--size", 99] if words[0] == "train-vocab" else []
        done = bertkit(*words, *more, *small)
        assert done.status == 0, done.err
    assert names == ["extract", "split", "train-vocab", "make-records"]
    assert words == ["inspect", "data/records", "--vocab", "vocab.txt"]
    assert bertkit(*words).status == 0
    # A second time nothing that is there would be refused.
    assert "--output data/records-2" in next_step.after_split("data/split", ["train"], "hash")


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("hash", "--vocab vocab.txt"),
        ("mlperf", "--style mlperf --msl 512"),
        ("lists", "--style cerebras"),
    ],
)
def test_records_after_each_method_of_split(tmp_path, monkeypatch, method, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s/train").mkdir(parents=True)
    line = next_step.after_split("s", ["train", "valid"], method)
    assert line == "bertkit train-vocab --input s/train --output vocab.txt"
    (tmp_path / "vocab.txt").touch()
    line = next_step.after_split("s", ["train", "valid"], method)
    assert words in line
    check_next(line)
    (tmp_path / "s/valid.txt").touch()
    assert "--input s/valid.txt" in next_step.after_split("s/", ["valid"], method)


def test_an_encoder_is_named_where_one_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["dev-v1.1.json", "train-v1.1.json"]
    after = next_step.after_download("questions", "data/squad", names, "")
    assert after == "bertkit finetune-squad --help"
    assert next_step.after_pretraining("runs/a") == (
        "bertkit download squad-v1.1 --output data/squad"
    )
    for name in (
        "data/squad/train-v1.1.json",
        "data/squad/dev-v1.1.json",
        "runs/a/step-1/state.json",
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    for line in (
        next_step.after_download("questions", "data/squad", names, ""),
        next_step.after_pretraining("runs/a"),
    ):
        assert "--init-checkpoint runs/a" in line and "data/squad/train-v1.1.json" in line
        check_next(line)
    line = next_step.after_download("questions", "data/squad", names, "")
    assert "--predict-file data/squad/dev-v1.1.json" in line
    assert next_step.after_download("questions", "data/squad", ["dev-v1.1.json"], "") == ""
    line = next_step.after_download("examples", "g", [], "finetune --preset glue-cola --data-dir g")
    Path("g").mkdir()
    check_next(line)


def test_after_the_other_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("docs", "kept", "data/valid", "data/train", "data/eval"):
        Path(name).mkdir(parents=True)
    Path("data/train/manifest.json").touch()
    Path("vocab.txt").touch()
    line = next_step.after_clean(["docs"], "", ["near", "language"])
    assert "--drop near " in line
    check_next(line)
    line = next_step.after_clean(["docs"], "", ["exact", "overlap"], ["test.txt"])
    assert "--drop exact,overlap " in line and "--against test.txt" in line
    check_next(line)
    check_next(next_step.after_clean(["docs"], "", []))
    assert "split --input docs" in next_step.after_clean(["docs"], "", ["language"])
    assert next_step.after_clean(["a/docs"], "", []).endswith("--output a/split")
    assert next_step.after_clean(["a/docs"], "a/clean", ["near"]).endswith("--output a/split")
    assert next_step.after_clean(["a/docs"], "", ["near"]).endswith("--output a/clean")
    assert "split --input kept" in next_step.after_clean(["docs"], "kept", ["exact"])
    assert "extract" in next_step.after_train_vocab(["docs"], "vocab.txt", raw=True)
    check_next(next_step.after_train_vocab(["docs"], "vocab.txt", raw=False))
    line = next_step.after_pick_eval(["data/valid"], "data/eval")
    assert "--input data/train --eval-input data/eval" in line
    check_next(line)
    check_next(next_step.questions("docs"))
    assert next_step.split_folder("data/docs") == "data/split"
    assert next_step.after_download("checkpoint", "m", ["a.zip"], "") == ""
    assert "convert m/b.index" in next_step.after_download("checkpoint", "m", ["b.index"], "")


def test_a_line_that_names_what_is_not_there_is_noticed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for line in (
        "bertkit split --input nothing --output x",
        "bertkit eval --vocab x --input y",
        "bertkit nothing",
    ):
        with pytest.raises(AssertionError):
            check_next(line)
    with pytest.raises(AssertionError, match="eval has no"):
        flags_of_hint("Hint: `bertkit eval --vokab x`")
    assert flags_of_hint("Hint: give --vocab, or pip install --upgrade x") == ["--vocab"]


def test_every_flag_in_a_message_of_the_source_is_one_of_some_command():
    """Static: in the words that errors are raised with; which command has it, the runs check."""
    known = {flag for name in COMMANDS for flag in known_flags(name)}
    strange: dict[str, set[str]] = {}
    for path in sorted((Path(next_step.__file__).parents[1]).rglob("*.py")):
        if "external_configs" in path.parts or "launch" in path.parts:
            continue  # flags of other systems and launchers
        for text in re.findall(
            r"Error\(\s*((?:f?\"[^\"\n]*\"[\s,]*)+)", path.read_text(encoding="utf-8")
        ):
            found = set(FLAG.findall(text)) - known - FOREIGN
            if found:
                strange[path.name] = strange.get(path.name, set()) | found
    assert not strange


# Flags of programs that messages tell to run, and beginnings of flags that a name completes.
FOREIGN = {
    "--no-", "--set",
    "--num-instances", "--num-replicas", "--gpus-per-node", "--gpus-per-task", "--nproc-per-node",
    "--rdzv-backend", "--rdzv-endpoint", "--rdzv-id", "--standalone", "--force", "--upgrade",
    "--type",
}  # fmt: skip
