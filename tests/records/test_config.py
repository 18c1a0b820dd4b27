"""Settings of record making: the derived size, and contradictions."""

from __future__ import annotations

import pytest

from bertkit.configuration.config import Layer, resolve
from bertkit.errors import ConfigError
from bertkit.records.config import RecordsConfig
from bertkit.tokenization.normalisation import UNCASED


def resolved(**values: object) -> RecordsConfig:
    return resolve(RecordsConfig, [Layer("test", values)]).config


@pytest.mark.parametrize(
    ("length", "predictions"), [(8, 4), (64, 8), (128, 20), (384, 56), (512, 76), (1024, 152)]
)
def test_predictions_follow_the_length(length, predictions):
    """20 at 128, 56 at 384 and 76 at 512 are what the reference programs are run with."""
    assert resolved(max_seq_length=length).predictions == predictions


def test_given_predictions_win():
    assert resolved(max_seq_length=512, max_predictions_per_seq=80).predictions == 80


def test_defaults_are_the_references():
    config = resolved()
    assert (config.max_seq_length, config.dupe_factor, config.seed) == (128, 10, 12345)
    assert (config.masked_lm_prob, config.short_seq_prob) == (0.15, 0.1)
    assert config.do_lower_case is None  # as the vocabulary was made, or on
    assert config.normalisation == UNCASED
    assert not config.whole_word_mask


CEREBRAS = {"style": "cerebras"}


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"max_seq_length": 4}, "max_seq_length: 4 is below the smallest allowed value 8"),
        ({"max_predictions_per_seq": 0}, "below the smallest allowed value 1"),
        ({"max_predictions_per_seq": 129}, "129 is more than --max-seq-length 128"),
        ({"masked_lm_prob": 1.5}, "above the largest allowed value"),
        ({"short_seq_prob": -0.1}, "below the smallest allowed value"),
        ({"dupe_factor": 0}, "below the smallest allowed value 1"),
        ({"style": "roberta"}, "not one of google, mlperf"),
        ({"outputs": 3}, "--outputs needs --shards one-corpus"),
        ({"max_seq_len": 3}, "did you mean 'max_seq_length'"),
        ({"objective": "unmasked"}, "--objective needs --style cerebras"),
        ({"objective": "mlm", "format": "hdf5"}, "mlm is written as tfrecord or jsonl"),
        ({**CEREBRAS, "objective": "unmasked", "format": "jsonl"}, "is written as tfrecord"),
        ({"overlap": 3, "split_files": 5}, "--split-files, --overlap needs --style cerebras"),
        ({**CEREBRAS, "allow_duplicates": True}, "does not define how to read duplicate"),
        ({**CEREBRAS, "min_short_seq_length": 126}, "126 is not between 2 and 125"),
        (
            {**CEREBRAS, "objective": "mlm", "min_short_seq_length": 33},
            "33 is not between 34 and 126",
        ),
        ({**CEREBRAS, "objective": "mlm", "overlap": 126}, "128 is not between 128 and 126"),
        ({**CEREBRAS, "objective": "mlm", "format": "hdf5"}, "mlm is written as tfrecord or jsonl"),
        ({**CEREBRAS, "objective": "mlm", "packing": "habana"}, "it needs --objective nsp"),
        ({"style": "nvidia", "packing": "graphcore"}, "give --format tfrecord"),
        ({"style": "hf", "packing": "habana"}, "hdf5 or tfrecord, not jsonl"),
    ],
)
def test_problems_are_named(values, problem):
    with pytest.raises(ConfigError) as caught:
        resolved(**values)
    assert problem in caught.value.message


def test_duplicate_vocabulary_lines_are_refused_unless_allowed():
    assert resolved().duplicates == "refuse"
    assert resolved(allow_duplicates=True).duplicates == "last"
    assert resolved(allow_duplicates=True, style="mlperf").duplicates == "first"


@pytest.mark.parametrize(
    ("values", "suffix", "tokenizer", "one_corpus", "in_memory"),
    [
        ({}, ".tfrecord", "google", False, True),
        ({"style": "mlperf", "shards": "one-corpus"}, ".tfrecord", "google", True, True),
        ({"style": "nvidia"}, ".hdf5", "nvidia", False, False),
        ({"style": "nvidia", "format": "tfrecord"}, ".tfrecord", "nvidia", False, False),
        ({"style": "hf", "tokenizer": "hf"}, ".json", "hf", False, False),
        ({"style": "hf", "objective": "mlm"}, ".json", "google", False, False),
        ({"style": "nvidia", "objective": "mlm"}, ".tfrecord", "nvidia", False, False),
        (CEREBRAS, ".tfrecords", "cerebras", True, False),
        ({**CEREBRAS, "shards": "per-file"}, ".tfrecords", "cerebras", False, False),
        ({"packing": "graphcore"}, ".tfrecord", "google", False, False),
    ],
)
def test_a_style_brings_its_defaults(values, suffix, tokenizer, one_corpus, in_memory):
    config = resolved(**values)
    found = (config.suffix, config.tokenizer_name, config.one_corpus, config.in_memory)
    assert found == (suffix, tokenizer, one_corpus, in_memory)


def test_shortest_target():
    assert resolved(**CEREBRAS).shortest_target == 2
    assert resolved(**CEREBRAS, objective="mlm").shortest_target == 2 + 32
    assert resolved(**CEREBRAS, objective="mlm", overlap=7).shortest_target == 9
    assert resolved(**CEREBRAS, min_short_seq_length=5).shortest_target == 5
