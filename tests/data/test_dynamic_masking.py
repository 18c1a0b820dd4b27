"""New masks on the same sequences: BERT's rules, from (seed, epoch, number) alone."""

from __future__ import annotations

import numpy as np
import pytest
import synthetic

from bertkit.data.dynamic_masking import DynamicMasking, restored
from bertkit.data.record_source import RecordSource
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS, Vocab

TOKENS = [*SPECIAL_TOKENS, *(f"w{number}" for number in range(39)), *(f"##p{n}" for n in range(20))]
VOCAB = Vocab(TOKENS, {token: number for number, token in enumerate(TOKENS)}, "", "")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    assert (VOCAB.cls_id, VOCAB.sep_id, VOCAB.mask_id) == (
        synthetic.CLS,
        synthetic.SEP,
        synthetic.MASK,
    )
    path = synthetic.write(tmp_path_factory.mktemp("masking") / "r.tfrecord", 400)
    return RecordSource([str(path)]).batch(np.arange(400))


NUMBERS = np.arange(400)


@pytest.mark.parametrize("whole_words", [False, True])
def test_the_sequences_stay_and_the_number_is_right(records, whole_words):
    masked = DynamicMasking(VOCAB, 0.15, 1, whole_words)(records, NUMBERS, 0)
    np.testing.assert_array_equal(restored(masked), restored(records))
    most = records["masked_lm_ids"].shape[1]
    lengths = records["input_mask"].sum(axis=1)
    wanted = [min(most, max(1, round(0.15 * int(length)))) for length in lengths]
    counts = (masked["masked_lm_weights"] > 0).sum(axis=1)
    if whole_words:
        assert (counts <= wanted).all() and counts.mean() > 0.7 * np.mean(wanted)
    else:
        np.testing.assert_array_equal(counts, wanted)
    for row in range(400):
        places = masked["masked_lm_positions"][row, : counts[row]]
        assert (np.diff(places) > 0).all()
        assert (masked["masked_lm_ids"][row, : counts[row]] >= synthetic.FIRST).all()
        assert not masked["masked_lm_weights"][row, counts[row] :].any()


def test_words_are_masked_whole(records):
    masked = DynamicMasking(VOCAB, 0.3, 1, whole_words=True)(records, NUMBERS, 0)
    ids = restored(masked)
    pieces = np.array([token.startswith("##") for token in TOKENS])
    for row in range(400):
        count = int((masked["masked_lm_weights"][row] > 0).sum())
        chosen = set(masked["masked_lm_positions"][row, :count].tolist())
        candidates = [
            place
            for place in range(int(records["input_mask"][row].sum()))
            if ids[row, place] not in (VOCAB.cls_id, VOCAB.sep_id)
        ]
        word: list[int] = []
        words = [word]
        for place in candidates:
            if pieces[ids[row, place]] and word:
                word.append(place)
            else:
                words.append(word := [place])
        for word in words:
            assert len(chosen & set(word)) in (0, len(word))


def test_replacements_have_the_shares_of_bert(records):
    masking = DynamicMasking(VOCAB, 0.5, 1)
    shown, labels = [], []
    for epoch in range(100):
        masked = masking(records, NUMBERS, epoch)
        rows, slots = np.nonzero(masked["masked_lm_weights"] > 0)
        shown.append(masked["input_ids"][rows, masked["masked_lm_positions"][rows, slots]])
        labels.append(masked["masked_lm_ids"][rows, slots])
    tokens, before = np.concatenate(shown), np.concatenate(labels)
    assert len(tokens) > 100_000, "too few draws to tell shares apart by half a percent"
    by_chance = 0.1 / len(TOKENS)
    assert np.mean(tokens == VOCAB.mask_id) == pytest.approx(0.8 + by_chance, abs=0.005)
    assert np.mean(tokens == before) == pytest.approx(0.1 + by_chance, abs=0.005)
    others = tokens[(tokens != VOCAB.mask_id) & (tokens != before)]
    counts = np.bincount(others, minlength=len(TOKENS))
    assert counts[VOCAB.mask_id] == 0
    drawn = np.delete(counts, VOCAB.mask_id)
    assert drawn.min() > 0.7 * drawn.mean() and drawn.max() < 1.3 * drawn.mean()


def test_masks_depend_on_seed_epoch_and_number_only(records):
    masking = DynamicMasking(VOCAB, 0.15, 1)
    whole = masking(records, NUMBERS, 3)
    some = np.array([17, 5, 399])
    part = masking({name: values[some] for name, values in records.items()}, some, 3)
    for name, values in part.items():
        np.testing.assert_array_equal(values, whole[name][some])
    for other in (
        masking(records, NUMBERS, 4),
        DynamicMasking(VOCAB, 0.15, 2)(records, NUMBERS, 3),
    ):
        same = (other["masked_lm_positions"] == whole["masked_lm_positions"]).all(axis=1)
        assert same.mean() < 0.2
