"""A model as a module: guesses for masks, what is saved, and what it refuses."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

import bertkit
from bertkit.errors import ConfigError, DataError, UsageError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "##d", "."]


@pytest.fixture
def vocab(tmp_path):
    place = tmp_path / "vocab.txt"
    place.write_text("\n".join(WORDS) + "\n")
    return place


@pytest.fixture
def model(small, vocab):
    return bertkit.new_model(replace(small, vocab_size=16), vocab=vocab)


def test_masks_are_guessed(model):
    found = model.fill_mask("a [MASK] c [MASK].", count=4)
    assert [len(guesses) for guesses in found] == [4, 4]
    assert model.training  # as it was
    for guesses in found:
        shares = [guess.probability for guess in guesses]
        assert shares == sorted(shares, reverse=True)
        assert all(guess.token == WORDS[guess.number] for guess in guesses)
    # Rows of padding are no tokens: ten tokens share all the probability.
    (whole, _) = model.fill_mask("a [MASK] c [MASK].", count=100)
    assert len(whole) == len(WORDS)
    assert sum(guess.probability for guess in whole) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.slow
def test_the_pipeline_of_transformers_guesses_the_same(model, tmp_path):
    transformers = pytest.importorskip("transformers")
    # Without padding rows, which theirs may guess.
    model = bertkit.new_model(
        replace(model.config, vocab_size=len(WORDS)), vocab=tmp_path / "vocab.txt"
    )
    model.save(tmp_path / "saved")
    pipeline = transformers.pipeline("fill-mask", str(tmp_path / "saved"), top_k=3)
    wanted = pipeline("a b [MASK] .")
    (found,) = model.fill_mask("a b [MASK] .", count=3)
    assert [guess.number for guess in found] == [row["token"] for row in wanted]
    assert [guess.probability for guess in found] == pytest.approx(
        [row["score"] for row in wanted], rel=1e-4
    )


def test_what_is_saved_opens_again_with_its_vocabulary(model, tmp_path):
    assert model.save(tmp_path / "saved") == str(tmp_path / "saved")
    again = bertkit.load_model(tmp_path / "saved")
    assert again.fill_mask("[MASK] b")[0] == model.fill_mask("[MASK] b")[0]
    assert again.tokenizer.facts.normalisation == model.tokenizer.facts.normalisation
    with pytest.raises(UsageError, match="exists"):
        model.save(tmp_path / "saved")


def test_weights_that_are_not_finite_are_not_saved(model, tmp_path):
    model.network.cls.predictions.bias.data[3] = torch.nan
    with pytest.raises(DataError, match=r"cls\.predictions\.bias"):
        model.save(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_a_model_can_be_copied_and_moved(model):
    other = copy.deepcopy(model).double()
    inputs = model.tokenizer(["a b", "c"])
    torch.testing.assert_close(
        other.eval()(**inputs).logits.float(), model.eval()(**inputs).logits, rtol=1e-4, atol=1e-4
    )
    assert model.labels == []


def test_refusals(model, small, tmp_path):
    with pytest.raises(UsageError, match=r"no \[MASK\]"):
        model.fill_mask("a b")
    with pytest.raises(ConfigError, match="vocabulary is not known"):
        bertkit.new_model(small).fill_mask("[MASK]")
    labels = torch.zeros(1, 3).long()
    ids = torch.ones(1, 3).long()
    for wrong, message in [
        ({"input_ids": ids[0]}, r"shape \[3\]"),
        ({"input_ids": ids, "attention_mask": torch.ones(1, 4)}, "attention_mask has the shape"),
        ({"input_ids": torch.ones(1, 50).long()}, "40 positions"),
        ({"input_ids": ids * 16}, "token number 16"),
    ]:
        with pytest.raises(DataError, match=message):
            model(**wrong)
    with pytest.raises(UsageError, match="no use for start_positions"):
        model(ids, start_positions=labels[0], end_positions=labels[0])
    with pytest.raises(UsageError, match="needs labels"):
        model(ids, next_sentence_label=labels[0, :1])
