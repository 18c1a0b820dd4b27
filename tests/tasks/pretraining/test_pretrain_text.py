"""Pretraining straight from text: as from its record files, and resumed bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bertkit.backends import registry
from bertkit.errors import ConfigError, DataError, StoppedError
from bertkit.records.config import RecordsConfig
from bertkit.records.make import make_records
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS, save_vocab
from bertkit.train.checkpoints.run_state import load_state

CPU = registry.get("cpu")
RULES = RecordsConfig(max_seq_length=32, dupe_factor=2)


@pytest.fixture
def from_text(settings, tmp_path):
    words = [f"w{number}" for number in range(50)]
    save_vocab(tmp_path / "vocab.txt", [*SPECIAL_TOKENS, *words])
    random = np.random.default_rng(1)
    for part in range(2):
        lines = [" ".join(random.choice(words, 7)) for _ in range(30)]
        (tmp_path / f"part-{part}.txt").write_text("\n".join(lines) + "\n")
    return settings(
        input=[], text=[str(tmp_path / "part-*.txt")], vocab=str(tmp_path / "vocab.txt"),
        records=RULES, max_steps=8, log_every=4,
    )  # fmt: skip


def weights(result):
    return load_file(f"{result.checkpoint}/model.safetensors")


def assert_equal(one, two):
    first, second = weights(one), weights(two)
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def test_text_and_its_records_give_the_same_run(from_text, tmp_path):
    one = pretrain(from_text, CPU)
    make_records(RULES, from_text.text, tmp_path / "records", from_text.vocab, workers=1)
    other = replace(
        from_text, text=[], input=[str(tmp_path / "records")], output=str(tmp_path / "two")
    )
    assert_equal(one, pretrain(other, CPU))


@pytest.mark.parametrize("changes", [{"mask": "dynamic"}, {"new_pairs": True}])
def test_a_resumed_run_is_the_whole_run(from_text, tmp_path, changes):
    # Long enough that epochs end: dynamic masks and new pairs differ from then on.
    config = replace(from_text, max_steps=12, **changes)
    whole = pretrain(replace(config, output=str(tmp_path / "whole")), CPU)
    assert load_state(whole.checkpoint).epoch > 1
    with pytest.raises(StoppedError):
        pretrain(replace(config, steps_this_run=9), CPU)
    assert_equal(whole, pretrain(config, CPU))
    static = pretrain(replace(from_text, max_steps=12, output=str(tmp_path / "static")), CPU)
    assert any(
        not torch.equal(value, weights(static)[name]) for name, value in weights(whole).items()
    )


def test_other_record_settings_are_refused_on_resume(from_text):
    pretrain(from_text, CPU)
    with pytest.raises(DataError, match="other records"):
        pretrain(replace(from_text, records=replace(RULES, dupe_factor=3)), CPU)


def test_contradictions_are_named(from_text):
    problems = replace(from_text, vocab=None, mask="dynamic", input=["x"]).problems()
    assert {"--text needs --vocab", "--input and --text exclude each other"} <= set(problems)
    with pytest.raises(ConfigError, match="--style google or mlperf"):
        pretrain(replace(from_text, records=replace(RULES, style="nvidia")), CPU)
