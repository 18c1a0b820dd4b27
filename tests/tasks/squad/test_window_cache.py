from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.tasks.squad import prepare
from bertkit.tasks.squad.config import SquadConfig
from bertkit.tasks.squad.features import WindowMaker
from bertkit.tasks.squad.finetune import finetune
from bertkit.tasks.squad.questions import read_questions
from bertkit.tasks.squad.window_cache import cached_windows, key, load, save
from tasks.squad.world import PEOPLE, RIVERS, paragraph, squad


def same(ours, theirs):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        for name in (
            "unique_id", "example", "index", "question", "query", "query_ids", "spans", "start",
            "end", "tokens", "length",
        ):  # fmt: skip
            assert getattr(one, name) == getattr(other, name), name
        assert one.passage.tokens == other.passage.tokens
        assert one.passage.first_token == other.passage.first_token
        for name in ("ids", "word_of_token"):
            before, after = getattr(one.passage, name), getattr(other.passage, name)
            assert before.dtype == after.dtype
            np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("training", [True, False])
def test_kept_windows_are_the_windows(write, tokenizer, tmp_path, training):
    path = write("x.json", squad(RIVERS, PEOPLE))
    questions = read_questions(path, training=True)
    questions[1].answers[0] = type(questions[1].answers[0])("not there", 3)  # left out
    made = WindowMaker(tokenizer, 20, 4, 8).windows(questions, training)
    assert len(made) > len(questions)
    save(tmp_path / "kept.npz", questions, made)
    same(load(tmp_path / "kept.npz", questions, tokenizer.vocab), made)


def test_real_questions(shared, uncased, tmp_path):
    questions = read_questions(shared / "data/squad/dev-v1.1.json", limit=700)
    made = WindowMaker(uncased).windows(questions, training=False)
    save(tmp_path / "kept.npz", questions, made)
    same(load(tmp_path / "kept.npz", questions, uncased.vocab), made)


def test_the_key_knows_everything_that_decides(tokenizer):
    facts = {"file": "a", "limit": 0}
    assert key(facts, tokenizer.vocab) == key(dict(reversed(facts.items())), tokenizer.vocab)
    assert key(facts, tokenizer.vocab) != key({**facts, "limit": 1}, tokenizer.vocab)


@pytest.mark.parametrize("size", [0, 100, -40])
def test_a_damaged_file_is_made_again(write, tokenizer, tmp_path, size):
    questions = read_questions(write("x.json", squad(RIVERS)))

    def make():
        return WindowMaker(tokenizer, 20, 4, 8).windows(questions, False)

    folder = tmp_path / "cache"
    first = cached_windows(folder, {}, questions, tokenizer.vocab, make)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:size])
    same(cached_windows(folder, {}, questions, tokenizer.vocab, make), first)
    assert file.read_bytes() == whole
    assert [path.name for path in folder.iterdir()] == [file.name]


def test_a_run_uses_its_cache_and_gives_the_same(settings, tmp_path, monkeypatch):
    def run(output, **more):
        given = {**settings, "output": str(tmp_path / output), "max_steps": 4, **more}
        result = finetune(SquadConfig(**given), CpuAdapter())
        return result.train["span_loss"], (
            tmp_path / output / "nbest_predictions.json"
        ).read_bytes()

    plain = run("plain")
    assert run("first", cache=str(tmp_path / "cache")) == plain
    assert len(list((tmp_path / "cache").glob("squad-*.npz"))) == 2

    def fail(*_):
        raise AssertionError("the windows were made again")

    monkeypatch.setattr(prepare.WindowMaker, "windows", fail)
    assert run("second", cache=str(tmp_path / "cache")) == plain
    with pytest.raises(AssertionError, match="made again"):
        run("third", cache=str(tmp_path / "cache"), doc_stride=15)
    changed = squad(RIVERS, paragraph("Anna wrote a poem.", ("Who wrote a poem?", "Anna")))
    Path(settings["train_file"]).write_text(json.dumps(changed))
    with pytest.raises(AssertionError, match="made again"):
        run("fourth", cache=str(tmp_path / "cache"))
