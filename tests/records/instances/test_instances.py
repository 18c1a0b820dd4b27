"""Instances against what the reference programs wrote, and each rule by itself."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from oracle.instances import create_instances, to_features, truncate_pair
from slow_cases import slow

from bertkit.records.config import RecordsConfig
from bertkit.records.files.schema import digest
from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.sentence_files import read_documents
from bertkit.tokenization.vocabulary import load_vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer
from records import references

LONG = {"max_seq_length": 512}
GOLDENS = {
    "google_sample_128": {"dupe_factor": 5},
    "google_sample_128_wwm": {"dupe_factor": 5, "whole_word_mask": True},
    "mlperf_sample_512": {**LONG, "style": "mlperf"},
}
DIGESTS = {
    "mlperf_eval_512_d10_tf1": LONG,
    "mlperf_eval_128_d5_tf1": {"dupe_factor": 5},
    "mlperf_eval_128_cased_d5_tf1": {"dupe_factor": 5, "do_lower_case": False},
    "mlperf_adv_safe_128_d3_tf1": {"dupe_factor": 3},
    "mlperf_adv_safe_512_d2_tf1": {**LONG, "dupe_factor": 2},
    "google_adv_safe_128_wwm_cased_d3_tf1": {
        "dupe_factor": 3, "seed": 7, "short_seq_prob": 0.3, "whole_word_mask": True,
        "do_lower_case": False,
    },
    "google_eval_128_d5_wwmTrue_tf1": {"dupe_factor": 5, "whole_word_mask": True},
    "google_sample_text_128_d5_wwm": {"dupe_factor": 5, "whole_word_mask": True},
}  # fmt: skip
FEW = ["mlperf_eval_512_d10_tf1", "mlperf_adv_safe_128_d3_tf1", "google_sample_text_128_d5_wwm"]


@pytest.fixture(scope="module")
def maker(shared):
    """`maker(config, paths)`: the records of text files; tokenizers are kept."""
    tokenizers: dict[bool, WordPieceTokenizer] = {}

    def make(config: RecordsConfig, *paths: Path) -> list:
        lower = config.normalisation.do_lower_case
        if lower not in tokenizers:
            name = f"bert-base-{'uncased' if lower else 'cased'}-vocab.txt"
            vocab = load_vocab(shared / "data" / "vocab" / name)
            tokenizers[lower] = WordPieceTokenizer(vocab, Normalisation(lower))
        vocab = tokenizers[lower].vocab
        documents = read_documents(paths, tokenizers[lower])
        return [
            to_features(instance, vocab, config.max_seq_length, config.predictions)
            for instance in create_instances(documents, config, vocab.tokens)
        ]

    return make


def sample_text(shared: Path) -> Path:
    return shared / "data" / "tfrecord_samples" / "graphcore" / "sample_text.txt"


@pytest.mark.parametrize("name", GOLDENS)
def test_every_record_of_the_reference(name, maker, shared):
    folder = shared / "goldens" / "records"
    records = maker(RecordsConfig(**GOLDENS[name]), sample_text(shared))
    expected = (folder / f"{name}.tfrecord.records.sha1").read_text().split()
    assert [references.record_sha1(record) for record in records] == expected


@pytest.mark.parametrize("name", [*FEW, *slow(*(name for name in DIGESTS if name not in FEW))])
def test_digests_of_the_reference(name, maker, shared):
    references.require_unicode(name)
    folder = shared / "goldens" / "digests"
    known = json.loads((folder / "digests.json").read_text(encoding="utf-8"))["outputs"]
    golden = next(output for output in known if output["name"] == name)
    source = golden["input"]
    path = sample_text(shared) if source == "sample_text" else folder / f"{source}.txt"
    config = RecordsConfig(**DIGESTS[name])
    assert (config.max_seq_length, config.predictions, config.dupe_factor) == (
        golden["args"]["msl"], golden["args"]["max_pred"], golden["args"]["dupe"],
    )  # fmt: skip
    records = maker(config, path)
    assert len(records) == golden["records"]
    assert digest(records) == golden["digest"]


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"]


def corpus(*sizes: int) -> list[list[list[str]]]:
    """Documents of sentences with so many tokens; each document has its own letter."""
    return [[["abcdefgh"[n]] * 3 for _ in range(size)] for n, size in enumerate(sizes)]


def test_the_seed_decides_everything():
    documents = corpus(5, 9, 4)
    one = create_instances(documents, RecordsConfig(seed=1), WORDS)
    assert one == create_instances(documents, RecordsConfig(seed=1), WORDS)
    assert one != create_instances(documents, RecordsConfig(seed=2), WORDS)
    assert documents == corpus(5, 9, 4), "the input is not touched"


@pytest.mark.parametrize("length", [8, 16, 33, 128])
def test_shape_of_every_instance(length):
    config = RecordsConfig(max_seq_length=length, masked_lm_prob=0.3, dupe_factor=3)
    for instance in create_instances(corpus(30, 7, 50, 2), config, WORDS):
        tokens, segments = instance.tokens, instance.segment_ids
        assert len(tokens) == len(segments) <= length
        assert tokens[0] == "[CLS]"
        assert tokens[-1] == "[SEP]"
        assert tokens[segments.index(1) - 1] == "[SEP]"
        assert segments == sorted(segments)
        assert 1 <= len(instance.masked_positions) <= config.predictions
        assert instance.masked_positions == sorted(set(instance.masked_positions))
        assert len(instance.masked_labels) == len(instance.masked_positions)


def test_one_document_is_its_own_random_partner():
    config = RecordsConfig(max_seq_length=16, dupe_factor=5)
    instances = create_instances(corpus(40), config, WORDS)
    assert {instance.is_random_next for instance in instances} == {True, False}


def test_a_pair_in_sequence_comes_from_one_document():
    config = RecordsConfig(max_seq_length=32, dupe_factor=2, masked_lm_prob=0.0)
    kinds = {True: 0, False: 0}
    for instance in create_instances(corpus(30, 30, 30), config, WORDS):
        tokens = list(instance.tokens)
        for position, label in zip(instance.masked_positions, instance.masked_labels, strict=True):
            tokens[position] = label
        cut = tokens.index("[SEP]")
        same = set(tokens[1:cut]) == set(tokens[cut + 1 : -1])
        kinds[instance.is_random_next] += 1
        assert same != instance.is_random_next
    assert min(kinds.values()) > 5


class Scripted(random.Random):
    """A stream with given values of random()."""

    def __new__(cls, *values: float) -> Scripted:
        return super().__new__(cls, 0)  # before Python 3.11 it takes one argument

    def __init__(self, *values: float) -> None:
        super().__init__(0)
        self.values = list(values)

    def random(self) -> float:
        return self.values.pop(0)


def test_truncation_takes_from_the_longer_and_from_the_second_on_a_tie():
    first, second = list("abcd"), list("xyz")
    truncate_pair(first, second, 4, Scripted(0.1, 0.9, 0.4999))
    # a goes (front of the longer); tie: z goes (end of the second); b goes
    assert (first, second) == (list("cd"), list("xy"))


def test_truncation_draws_nothing_when_all_fits():
    first, second = list("ab"), list("xy")
    truncate_pair(first, second, 4, Scripted())
    assert (first, second) == (list("ab"), list("xy"))
