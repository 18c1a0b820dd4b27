"""Fast and readable records of real text: Wikipedia through `extract`, and many scripts."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from slow_cases import slow

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.extraction.extract import extract
from bertkit.records.config import RecordsConfig
from bertkit.records.read_text import TextReader, as_arrays
from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.sentence_files import read_documents
from bertkit.tokenization.wordpiece import WordPieceTokenizer
from bertkit.tokenization.wordpiece_variants import make_tokenizer
from records.instances.test_pairs import check, fast_tokenizer, vocab_of

SCRIPTS = (
    "blns", "emoji-test", "ja_gsd_dev.sentences", "ja_gsd_test.sentences",
    "ko_gsd_dev.sentences", "ko_gsd_test.sentences",
)  # fmt: skip


def check_both(shared, source, config, kind, path):
    vocab = vocab_of(shared, kind)
    documents = read_documents(
        [source], WordPieceTokenizer(vocab, Normalisation(kind == "uncased"))
    )
    text = fast_tokenizer(shared, kind).tokenize_files([source])
    return check(documents, text, config, vocab, path)


# Lengths 16 to 1024, dupe factors 1 to 10, several seeds, each with both masks somewhere.
MATRIX = [
    {"max_seq_length": 16, "dupe_factor": 1, "seed": 0},
    {"max_seq_length": 64, "dupe_factor": 2, "seed": 2**31, "whole_word_mask": True},
    {"max_seq_length": 128, "dupe_factor": 10},
    {"max_seq_length": 128, "dupe_factor": 3, "seed": 9, "objective": "sop"},
    {"max_seq_length": 256, "dupe_factor": 4, "seed": 2**40 + 1, "short_seq_prob": 0.6},
    {"max_seq_length": 512, "dupe_factor": 5, "max_predictions_per_seq": 76},
    {"max_seq_length": 1024, "dupe_factor": 2, "seed": 1, "whole_word_mask": True},
]


def name_of(values):
    return f"{values['max_seq_length']}-{values['dupe_factor']}"


@pytest.fixture(scope="module")
def wikipedia(shared, tmp_path_factory):
    """Name → Wikipedia's sample as sentences."""
    found = {}
    for name in ("wiki_00", "wiki_01"):
        place = tmp_path_factory.mktemp(name)
        extract([str(shared / "data/mlperf_sample" / name)], str(place / "docs"), ExtractConfig())
        (found[name],) = (place / "docs").glob("part-*.txt")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("values", MATRIX, ids=name_of)
@pytest.mark.parametrize(("name", "kind"), [("wiki_00", "cased"), ("wiki_01", "uncased")])
def test_wikipedia(shared, wikipedia, tmp_path, name, values, kind):
    config = RecordsConfig(**values)
    source = wikipedia[name]
    assert len(check_both(shared, source, config, kind, tmp_path / "records")) > 500


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["uncased", "cased"])
@pytest.mark.parametrize("values", MATRIX, ids=name_of)
def test_many_scripts_in_every_size(shared, tmp_path, values, kind):
    """All languages as one corpus."""
    sources = [shared / f"data/multilingual/{name}.txt" for name in SCRIPTS]
    vocab = vocab_of(shared, kind)
    documents = read_documents(sources, WordPieceTokenizer(vocab, Normalisation(kind == "uncased")))
    text = fast_tokenizer(shared, kind).tokenize_files(sources)
    plan = check(documents, text, RecordsConfig(**values), vocab, tmp_path / "records")
    assert len(plan) > 300


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cerebras", "nvidia"])
@pytest.mark.parametrize("kind", ["uncased", "cased"])
def test_other_tokenizers_of_many_scripts(shared, kind, name):
    """Kernels that follow a variant, and the variant itself."""
    vocab, lower_case = vocab_of(shared, kind), kind == "uncased"
    reader = TextReader(vocab, name, Normalisation(lower_case))
    tokenizer = make_tokenizer(name, vocab, Normalisation(lower_case))
    for script in SCRIPTS:
        source = str(shared / f"data/multilingual/{script}.txt")
        found = reader.corpus([source])
        expected = as_arrays(read_documents([source], tokenizer), vocab)
        for one, other in zip(astuple(found), astuple(expected), strict=True):
            np.testing.assert_array_equal(one, other, err_msg=script)


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("kind", ["uncased", *slow("cased")])
def test_many_scripts(shared, tmp_path, name, kind):
    config = RecordsConfig(max_seq_length=64, dupe_factor=2, whole_word_mask=kind == "cased")
    source = shared / f"data/multilingual/{name}.txt"
    assert len(check_both(shared, source, config, kind, tmp_path / "records")) > 50
