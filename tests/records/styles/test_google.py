"""Styles in Google's order: what differs between them is lines, vocabulary and format."""

from __future__ import annotations

import numpy as np
import pytest
from oracle.instances import create_instances, to_features

from bertkit.records.config import RecordsConfig
from bertkit.records.files.open import open_records
from bertkit.records.make import make_records
from bertkit.records.read_text import TextReader
from bertkit.records.styles import GOOGLE, HF, MLPERF, NVIDIA
from bertkit.records.write_shard import shard_plans
from bertkit.tokenization.normalisation import UNCASED, Normalisation
from bertkit.tokenization.sentence_files import read_documents
from bertkit.tokenization.vocabulary import Vocab, find_vocab, load_vocab
from bertkit.tokenization.wordpiece_variants import make_tokenizer
from records import references
from records.conftest import VOCAB as OURS
from records.conftest import only_file

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefg"]
VOCAB = Vocab(WORDS, {token: number for number, token in enumerate(WORDS)}, "")


@pytest.mark.parametrize("style", [GOOGLE, MLPERF, HF, NVIDIA])
def test_where_lines_end(tmp_path, style):
    """Python's text files end lines at a lone carriage return, TensorFlow's do not."""
    (tmp_path / "text.txt").write_bytes(b"a b\rc d\n\ne f\ng a\n")
    config = RecordsConfig(max_seq_length=16, style=style.name, dupe_factor=1)
    reader = TextReader(VOCAB, style.default_tokenizer, UNCASED)
    (plan,) = style.plans([str(tmp_path / "text.txt")], config, reader)
    assert plan.text.sentence_count == (4 if style is NVIDIA else 3)


def test_a_text_of_nothing_has_no_plan(tmp_path):
    (tmp_path / "text.txt").write_text("\n\n")
    reader = TextReader(VOCAB, "google", UNCASED)
    config = RecordsConfig(max_seq_length=16)
    assert list(GOOGLE.plans([str(tmp_path / "text.txt")], config, reader)) == []


def test_special_tokens_in_text_are_never_masked(tmp_path):
    """NVIDIA's tokenizer lets them through."""
    text = tmp_path / "text.txt"
    text.write_text("a [SEP] ship\nthe [CLS] sea [MASK]\n\nwe saw\nthe sea\n" * 9)
    config = RecordsConfig(
        style="nvidia", max_seq_length=32, masked_lm_prob=0.9, max_predictions_per_seq=20,
        dupe_factor=2,
    )  # fmt: skip
    make_records(config, [str(text)], tmp_path / "out", OURS)
    reader = open_records(only_file(tmp_path / "out"))
    batch = reader.batch(range(len(reader)))
    vocab = load_vocab(find_vocab(OURS))
    special = [vocab.cls_id, vocab.sep_id]
    assert (np.isin(batch["input_ids"], special).sum(axis=1) > 3).any()
    assert not np.isin(batch["masked_lm_ids"], special).any()
    assert (batch["masked_lm_ids"] == vocab.mask_id).any()


@pytest.mark.slow
@pytest.mark.parametrize("lower_case", [True, False])
def test_other_styles_of_googles_order_equal_the_readable_code(shared, lower_case):
    """Odd text, through the fast plan and through `create_instances`."""
    path = references.text_path(shared, "adv_safe")
    vocab = references.vocab_path(shared, "vocab" if lower_case else "vocab_cased")
    config = RecordsConfig(
        style="hf", max_seq_length=64, dupe_factor=1, do_lower_case=lower_case,
        whole_word_mask=True, tokenizer="cerebras",
    )  # fmt: skip
    tokenizer = make_tokenizer("cerebras", load_vocab(vocab), Normalisation(lower_case))
    documents = read_documents([path], tokenizer)
    instances = create_instances(documents, config, tokenizer.vocab.tokens)
    expected = [to_features(item, tokenizer.vocab, 64, config.predictions) for item in instances]
    reader = TextReader(tokenizer.vocab, "cerebras", Normalisation(lower_case))
    (plan,) = shard_plans([str(path)], config, reader)
    found = plan.batch(range(len(plan)))
    for name, values in found.items():
        stacked = np.stack([record[name] for record in expected])
        np.testing.assert_array_equal(values.reshape(len(plan), -1), stacked, err_msg=name)
