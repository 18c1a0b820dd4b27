"""Records of a generated text against the reference programs: this comparison runs in every clone.

Each digest is of what the ORIGINAL program wrote, unmodified (Python 3.11, TensorFlow 2.21), from
the text of generated_text.py with the vocabulary that ships with bertkit: 15 % masked, lower case,
seed 12345. `schema.digest` says what a digest is taken of; the records are read here by the
`tfrecord` package, so that no code of bertkit stands on both sides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import generated_text
import numpy as np
import pytest
from oracle.instances import create_instances, to_features

from bertkit.records.config import RecordsConfig
from bertkit.records.files.schema import DTYPES, digest
from bertkit.records.make import make_records
from bertkit.tokenization.sentence_files import read_documents
from bertkit.tokenization.vocabulary import find_vocab, load_vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer

VOCAB = "bertkit-uncased-8k"


class Golden(NamedTuple):
    """Settings of a program, and the number and digest of the records that it wrote."""

    settings: dict[str, object]
    records: int
    digest: str


GOLDENS = {
    # google-research/bert at eedf5716, create_pretraining_data.py
    "google": Golden(
        {"max_seq_length": 128, "max_predictions_per_seq": 20, "dupe_factor": 3},
        3077,
        "53465ba319296c5d35a69f6bd09639582f825c0b51b1788674a62d7987dd3cb5",
    ),
    # the same with --do_whole_word_mask
    "google, whole words": Golden(
        {
            "max_seq_length": 128,
            "max_predictions_per_seq": 20,
            "dupe_factor": 2,
            "whole_word_mask": True,
        },
        2121,
        "592425a8d82b66e1909fd996911797ea74086a59bea4ad6542c1bb2767e5c83e",
    ),
    # mlcommons/training, language_model/tensorflow/bert, create_pretraining_data.py
    "mlperf": Golden(
        {
            "style": "mlperf",
            "max_seq_length": 512,
            "max_predictions_per_seq": 76,
            "dupe_factor": 2,
        },
        1277,
        "2778e0bbf61535d59544730ba7aca4b09de9a536ad3b94cc1c7ef3556d0fee3a",
    ),
}


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("generated") / "text.txt"
    return generated_text.write_text(path, load_vocab(find_vocab(VOCAB)).tokens)


def test_the_text_is_the_one_that_the_programs_read(text):
    assert hashlib.sha256(text.read_bytes()).hexdigest() == generated_text.SHA256


@pytest.mark.parametrize("name", GOLDENS)
def test_records_equal_those_of_the_program(name, text, tmp_path):
    golden = GOLDENS[name]
    made = make_records(RecordsConfig(**golden.settings), [str(text)], tmp_path, VOCAB, workers=1)
    assert made.records == golden.records
    (path,) = tmp_path.glob("*.tfrecord")
    assert digest(read_by_another_program(path)) == golden.digest


@pytest.mark.parametrize("name", GOLDENS)
def test_the_readable_form_equals_the_program_too(name, text):
    """The oracle that judges the fast kernels elsewhere is itself judged by the programs."""
    golden = GOLDENS[name]
    config = RecordsConfig(**golden.settings)
    vocab = load_vocab(find_vocab(VOCAB))
    documents = read_documents([text], WordPieceTokenizer(vocab))
    instances = create_instances(documents, config, vocab.tokens)
    length, predictions = config.max_seq_length, config.predictions
    found = [to_features(item, vocab, length, predictions) for item in instances]
    assert (len(found), digest(found)) == (golden.records, golden.digest)


def read_by_another_program(path: Path) -> Iterator[dict[str, np.ndarray]]:
    """The records of a file, by the `tfrecord` package."""
    from tfrecord.reader import tfrecord_loader

    kinds = {name: "float" if kind is np.float32 else "int" for name, kind in DTYPES.items()}
    for record in tfrecord_loader(str(path), None, kinds):
        yield {name: record[name] for name in DTYPES}
