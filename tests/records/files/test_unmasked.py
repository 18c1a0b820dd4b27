from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from bertkit.data.dynamic_masking import DynamicMasking
from bertkit.data.record_source import RecordSource
from bertkit.errors import DataError
from bertkit.records.config import RecordsConfig
from bertkit.records.files.open import open_any_records, open_records
from bertkit.records.files.tfrecord.frames import write_records
from bertkit.records.files.unmasked import UnmaskedFile, UnmaskedRules
from bertkit.records.make import make_records
from bertkit.tokenization.vocabulary import load_vocab
from records.conftest import unmasked

WINDOWS = [["[CLS]", "the", "sea", "##s", "[SEP]"], ["[CLS]", "ship", "[SEP]"]]


@pytest.fixture
def rules(tmp_path) -> UnmaskedRules:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "sea", "##s", "ship", "x" * 150]
    (tmp_path / "vocab.txt").write_text("".join(f"{word}\n" for word in words))
    return UnmaskedRules(load_vocab(tmp_path / "vocab.txt"), 0.15)


def written(tmp_path, windows):
    write_records(tmp_path / "examples-1.tfrecords", [unmasked(tokens) for tokens in windows])
    return tmp_path / "examples-1.tfrecords"


def test_windows_read_as_records_with_nothing_masked(tmp_path, rules):
    file = open_records(written(tmp_path, WINDOWS), rules)
    assert isinstance(file, UnmaskedFile)
    assert (file.max_seq_length, file.max_predictions_per_seq) == (5, 4)
    for again in (file, pickle.loads(pickle.dumps(file))):
        batch = again.batch([1, 0, 1])
        assert batch["input_ids"][:, :3].tolist() == [[2, 8, 3], [2, 5, 6], [2, 8, 3]]
        assert batch["input_mask"].sum(axis=1).tolist() == [3, 5, 3]
        assert not batch["masked_lm_weights"].any()
        assert (batch["next_sentence_labels"] == -1).all()


def test_long_tokens_and_unknown_ones(tmp_path, rules):
    """Features of 128 bytes and more have longer length fields."""
    path = written(tmp_path, [["[CLS]", "x" * 150, "the", "[SEP]"]])
    assert open_records(path, rules).batch([0])["input_ids"][0].tolist() == [2, 9, 5, 3]
    path = written(tmp_path, [*WINDOWS, ["[CLS]", "boat", "[SEP]"]])
    with pytest.raises(DataError, match=r"record 2 holds the token 'boat', which the vocabulary"):
        open_records(path, rules).batch([0, 1, 2])


def test_sizes_are_those_noted_beside_the_file(tmp_path, rules):
    path = written(tmp_path, WINDOWS)
    noted = {"max_seq_length": 16, "max_predictions_per_seq": 3}
    (tmp_path / "data_params.json").write_text(json.dumps(noted))
    file = open_records(path, rules)
    assert (file.max_seq_length, file.max_predictions_per_seq) == (16, 3)
    (tmp_path / "data_params.json").write_text("{")
    with pytest.raises(DataError, match=r"data_params.json:1: not JSON"):
        open_records(path, rules)


def test_every_epoch_gets_its_masks_and_the_windows_stay(shared, tmp_path):
    """Real text, through make-records; what the masks hide is what the file says."""
    text = str(shared / "data/tfrecord_samples/graphcore/sample_text.txt")
    vocab_file = shared / "data/vocab/bert-base-uncased-vocab.txt"
    config = RecordsConfig(style="cerebras", objective="unmasked", max_seq_length=64)
    make_records(config, [text], tmp_path / "out", vocab_file, 1)
    path = tmp_path / "out/examples-1.tfrecords"
    with pytest.raises(DataError, match="unmasked tokens") as caught:
        RecordSource([str(tmp_path / "out")])
    assert "--mask dynamic" in caught.value.hint
    vocab = load_vocab(vocab_file)
    source = RecordSource([str(tmp_path / "out")], UnmaskedRules(vocab, 0.15))
    assert (source.max_seq_length, source.max_predictions_per_seq) == (64, config.predictions)
    numbers = np.arange(len(source))
    plain = source.batch(numbers)
    words = open_any_records(path)
    for row in (0, len(source) - 1):
        length = plain["input_mask"][row].sum()
        ids = plain["input_ids"][row, :length]
        assert [vocab.token(number) for number in ids] == words.tokens(row)
    masks = DynamicMasking(vocab, 0.15, seed=1)
    first, second = (masks(plain, numbers, epoch) for epoch in (0, 1))
    assert (first["masked_lm_weights"].sum(axis=1) >= 1).all()
    assert not np.array_equal(first["masked_lm_positions"], second["masked_lm_positions"])
    rows, slots = np.nonzero(first["masked_lm_weights"])
    places = first["masked_lm_positions"][rows, slots]
    assert np.array_equal(first["masked_lm_ids"][rows, slots], plain["input_ids"][rows, places])
    hidden = first["input_ids"][rows, places] == vocab.mask_id
    assert 0.6 < hidden.mean() < 0.95


@pytest.mark.parametrize("size", ['"128"', "-1", "1e3", "1" + "0" * 30])
def test_sizes_of_another_program_are_looked_at(tmp_path, rules, size):
    path = written(tmp_path, WINDOWS)
    (tmp_path / "data_params.json").write_text(f'{{"max_seq_length": {size}}}')
    with pytest.raises(DataError, match=r"data_params\.json: max_seq_length is '.*', not a size"):
        open_records(path, rules)


def test_two_lists_of_tokens_are_refused(tmp_path, rules):
    ship = unmasked(["[CLS]", "ship", "[SEP]"])
    path = tmp_path / "examples-1.tfrecords"
    write_records(path, [ship, ship + ship])
    with pytest.raises(DataError, match=r"record 1: .*two feature lists"):
        open_records(path, rules).batch([0, 1])
