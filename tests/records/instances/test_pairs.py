"""The fast path against the readable code, byte for byte, and against the reference programs."""

from __future__ import annotations

import dataclasses
import functools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.instances import create_instances, to_features
from slow_cases import slow

from bertkit.errors import ConfigError, DataError
from bertkit.records.config import RecordsConfig
from bertkit.records.files.schema import digest
from bertkit.records.files.tfrecord.example_writer import write_plan
from bertkit.records.files.tfrecord.frames import decode_example, encode_example, read_records
from bertkit.records.files.tfrecord.reader import RecordFile
from bertkit.records.instances import pairs
from bertkit.records.instances.pairs import plan_pairs
from bertkit.tokenization.corpus_tokens import StreamTokenizer, TokenizedText
from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.sentence_files import read_documents
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS, Vocab, load_vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer
from records import references

EVAL = "goldens/digests/eval.txt"


def vocab_of(shared, kind="uncased"):
    return load_vocab(shared / f"data/vocab/bert-base-{kind}-vocab.txt")


@functools.cache
def fast_tokenizer(shared, kind):
    """One for all tests: its tables of rare characters take seconds to fill."""
    return StreamTokenizer(vocab_of(shared, kind), Normalisation(kind == "uncased"))


def readable(documents, config, vocab):
    """The payloads of all records, made the readable way."""
    length, predictions = config.max_seq_length, config.predictions
    return [
        encode_example(to_features(instance, vocab, length, predictions))
        for instance in create_instances(documents, config, vocab.tokens)
    ]


def check(documents, text, config, vocab, path):
    """The plan's file and batches hold exactly the readable records."""
    plan = plan_pairs(text, config, vocab)
    written = write_plan(path, plan)
    expected = readable(documents, config, vocab)
    assert list(read_records(path)) == expected
    assert written.records == len(plan) == len(expected)
    assert written.bytes == path.stat().st_size
    stored, direct = RecordFile(path).batch(range(len(plan))), plan.batch(range(len(plan)))
    assert stored.keys() == direct.keys()
    for name, values in stored.items():
        assert values.dtype == direct[name].dtype
        np.testing.assert_array_equal(values, direct[name])
    return plan


@pytest.fixture(scope="module", params=["uncased", "cased"])
def real(request, shared):
    """Real text both ways: (documents, text, vocabulary)."""
    vocab = vocab_of(shared, request.param)
    lower = request.param == "uncased"
    documents = read_documents([shared / EVAL], WordPieceTokenizer(vocab, Normalisation(lower)))
    return documents, fast_tokenizer(shared, request.param).tokenize_files([shared / EVAL]), vocab


SETTINGS = [
    {"max_seq_length": 16, "dupe_factor": 1},
    {"max_seq_length": 32, "dupe_factor": 2, "max_predictions_per_seq": 1},
    {"max_seq_length": 64, "dupe_factor": 3, "seed": 7, "short_seq_prob": 1.0},
    {"max_seq_length": 128, "dupe_factor": 4, "seed": 2**35, "masked_lm_prob": 0.5},
    {"max_seq_length": 384, "dupe_factor": 1, "max_predictions_per_seq": 384, "masked_lm_prob": 1},
    {"max_seq_length": 512, "dupe_factor": 2, "short_seq_prob": 0.0, "masked_lm_prob": 0.3},
    {"max_seq_length": 1024, "dupe_factor": 10, "seed": 0},
    {"max_seq_length": 96, "dupe_factor": 3, "objective": "sop", "short_seq_prob": 0.5},
]


@pytest.mark.parametrize("whole_words", [False, True], ids=["tokens", "words"])
@pytest.mark.parametrize(
    "values",
    [*SETTINGS[:4], *slow(*SETTINGS[4:7]), *SETTINGS[7:]],
    ids=lambda values: str(values["max_seq_length"]),
)
def test_real_text(real, tmp_path, values, whole_words):
    config = RecordsConfig(whole_word_mask=whole_words, **values)
    check(*real[:2], config, real[2], tmp_path / "records")


@pytest.mark.parametrize(
    "name",
    [
        "mlperf_eval_512_d10_tf1",
        "mlperf_adv_safe_128_d3_tf1",
        "google_eval_128_d5_wwmTrue_tf1",
        *slow(
            "mlperf_eval_128_d5_tf1",
            "mlperf_eval_128_cased_d5_tf1",
            "mlperf_adv_safe_512_d2_tf1",
            "google_adv_safe_128_wwm_cased_d3_tf1",
            "google_eval_128_d5_wwmFalse_tf1",
        ),
    ],
)
def test_digests_of_the_reference_programs(shared, tmp_path, name):
    references.require_unicode(name)
    known = json.loads((shared / "goldens/digests/digests.json").read_text())["outputs"]
    golden = next(entry for entry in known if entry["name"] == name)
    given = golden["args"]
    config = RecordsConfig(
        max_seq_length=given["msl"],
        max_predictions_per_seq=given["max_pred"],
        dupe_factor=given["dupe"],
        seed=given["seed"],
        short_seq_prob=given.get("short_seq_prob", 0.1),
        do_lower_case=given.get("lower", True),
        whole_word_mask=given.get("wwm", False),
    )
    kind = "uncased" if config.normalisation.do_lower_case else "cased"
    source = shared / f"goldens/digests/{golden['input']}.txt"
    text = fast_tokenizer(shared, kind).tokenize_files([source])
    plan = plan_pairs(text, config, vocab_of(shared, kind))
    write_plan(tmp_path / "records", plan)
    records = [decode_example(payload) for payload in read_records(tmp_path / "records")]
    assert len(records) == golden["records"]
    assert digest(records) == golden["digest"]


def made_up(lengths, pieces):
    """A corpus with documents of sentences of given lengths, both ways."""
    words = [*SPECIAL_TOKENS, *(f"{'##' * (n % 3 == 0)}w{n}" for n in range(pieces))]
    vocab = Vocab(words, {word: number for number, word in enumerate(words)}, "")
    generator = np.random.default_rng(3)
    documents = [
        [[words[n] for n in generator.integers(5, len(words), size)] for size in document]
        for document in lengths
    ]
    sentences = [sentence for document in documents for sentence in document]
    text = TokenizedText(
        np.array([vocab.ids[w] for s in sentences for w in s], pairs.token_dtype(vocab)),
        np.cumsum([0] + [len(s) for s in sentences]).astype(np.uint32),
        np.cumsum([0] + [len(d) for d in documents]).astype(np.uint32),
    )
    return documents, text, vocab


corpora = st.lists(
    st.lists(st.one_of(st.integers(1, 30), st.integers(1, 200)), min_size=1, max_size=8),
    min_size=1,
    max_size=6,
)


@given(
    corpora, st.integers(8, 80), st.integers(1, 9), st.integers(1, 3), st.booleans(),
    st.sampled_from([0.0, 0.05, 0.15, 0.9]), st.integers(0, 2**64), st.sampled_from(["nsp", "sop"]),
    st.sampled_from(["google", "nvidia"]),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_any_corpus(
    tmp_path_factory, lengths, length, most, dupe, whole_words, share, seed, objective, style
):
    documents, text, vocab = made_up(lengths, 40)
    config = RecordsConfig(
        max_seq_length=length, max_predictions_per_seq=min(most, length), dupe_factor=dupe,
        whole_word_mask=whole_words, masked_lm_prob=share, short_seq_prob=0.3, seed=seed,
        objective=objective, style=style,
    )  # fmt: skip
    check(documents, text, config, vocab, tmp_path_factory.getbasetemp() / "any")


def test_swapped_pairs_stood_side_by_side():
    """Sentence order prediction: the two segments are one piece of text, in either order."""
    words = [*SPECIAL_TOKENS, *(f"w{n}" for n in range(400))]
    vocab = Vocab(words, {word: number for number, word in enumerate(words)}, "")
    text = TokenizedText(  # every token once: where it stood can be seen from it
        np.arange(5, 405, dtype=np.uint16), np.arange(0, 401, 4, np.uint32),
        np.arange(0, 101, 10, np.uint32),
    )  # fmt: skip
    config = RecordsConfig(max_seq_length=64, objective="sop", short_seq_prob=0.0, dupe_factor=40)
    batch = plan_pairs(text, config, vocab).batch(range(400))
    ids = batch["input_ids"].copy()
    rows, slots = np.nonzero(batch["masked_lm_weights"])
    ids[rows, batch["masked_lm_positions"][rows, slots]] = batch["masked_lm_ids"][rows, slots]
    swapped = batch["next_sentence_labels"] == 1
    assert 150 < swapped.sum() < 250
    for row, segments, mask, changed in zip(
        ids, batch["segment_ids"], batch["input_mask"], swapped, strict=True
    ):
        pair = [row[(segments == k) & (mask == 1) & (row > 4)].tolist() for k in (0, 1)]
        first, second = reversed(pair) if changed else pair
        assert first + second == list(range(first[0], second[-1] + 1))
        assert (first[0] - 5) // 40 == (second[-1] - 5) // 40  # of one document


def test_tokens_that_are_never_masked():
    """Text with [CLS] and [SEP] in it, with and without whole words, like the readable code."""
    generator = np.random.default_rng(0)
    documents, text, vocab = made_up([[9, 30, 2], [40] * 5, [1, 1, 1]] * 9, 30)
    places = generator.choice(len(text.tokens), len(text.tokens) // 5, replace=False)
    text.tokens[places] = generator.choice([vocab.cls_id, vocab.sep_id], len(places))
    flat = iter(text.tokens.tolist())
    documents = [[[vocab.tokens[next(flat)] for _ in s] for s in d] for d in documents]
    for whole_words in (False, True):
        config = RecordsConfig(
            max_seq_length=32, dupe_factor=4, whole_word_mask=whole_words, masked_lm_prob=0.6,
            max_predictions_per_seq=30,
        )  # fmt: skip
        plan = plan_pairs(text, config, vocab)
        expected = [
            to_features(instance, vocab, 32, 30)
            for instance in create_instances(documents, config, vocab.tokens)
        ]
        for name, values in plan.batch(range(len(plan))).items():
            stacked = np.stack([record[name] for record in expected])
            np.testing.assert_array_equal(values.reshape(len(plan), -1), stacked, err_msg=name)


def test_one_document_and_one_token(tmp_path):
    config = RecordsConfig(max_seq_length=16, dupe_factor=3)
    for lengths in ([[1]], [[5, 3, 8]], [[200]]):
        check(*made_up(lengths, 40)[:2], config, made_up(lengths, 40)[2], tmp_path / "records")


def test_a_document_as_its_own_random_partner():
    """NVIDIA's and Habana's programs do not call it random; Google's and MLPerf's do."""
    _, text, vocab = made_up([[9, 9, 9]], 40)
    for style, labels in (("google", {0, 1}), ("nvidia", {0})):
        config = RecordsConfig(max_seq_length=16, dupe_factor=9, style=style)
        plan = plan_pairs(text, config, vocab)
        assert {*plan.batch(range(len(plan)))["next_sentence_labels"].tolist()} == labels


@pytest.mark.slow
@pytest.mark.parametrize("whole_words", [False, pytest.param(True, marks=pytest.mark.long)])
def test_large_vocabularies(tmp_path, whole_words):
    documents, text, vocab = made_up([[30, 20, 9], [100, 4], [7] * 20], 200_000)
    assert text.tokens.dtype == np.uint32
    assert text.tokens.max() > 1 << 16
    config = RecordsConfig(max_seq_length=64, dupe_factor=5, whole_word_mask=whole_words)
    check(documents, text, config, vocab, tmp_path / "records")


def test_records_around_a_size_that_takes_one_byte_more(tmp_path):
    documents, text, vocab = made_up([[60] * 90, [45] * 100], 30_000)
    config = RecordsConfig(
        max_seq_length=4096, max_predictions_per_seq=20, dupe_factor=12, short_seq_prob=1.0
    )
    check(documents, text, config, vocab, tmp_path / "records")
    sizes = [len(payload) for payload in read_records(tmp_path / "records")]
    steps = np.diff(np.array(sizes) > 1 << 14)
    assert steps.sum() > 3  # larger and smaller ones follow each other


def test_plans_grow_without_changing(tmp_path, monkeypatch, real):
    monkeypatch.setattr(pairs, "_FIRST_ROWS", 1)
    monkeypatch.setattr(pairs, "_estimate", lambda text, config: 0)
    config = RecordsConfig(max_seq_length=32, dupe_factor=2)
    check(*real[:2], config, real[2], tmp_path / "records")


def test_other_settings_give_other_plans(real):
    base = RecordsConfig(max_seq_length=64, dupe_factor=1)
    ids = {}
    for changes in ({}, {"seed": 1}, {"short_seq_prob": 0.9}, {"whole_word_mask": True}):
        plan = plan_pairs(real[1], dataclasses.replace(base, **changes), real[2])
        ids[str(changes)] = plan.batch(range(50))["input_ids"].tobytes()
    assert len(set(ids.values())) == len(ids)


def test_what_cannot_be_planned():
    _, text, vocab = made_up([[3]], 10)
    empty = TokenizedText(text.tokens[:0], text.sentences[:1], text.documents[:1])
    with pytest.raises(DataError, match="no sentence"):
        plan_pairs(empty, RecordsConfig(), vocab)
    with pytest.raises(ConfigError, match="above 16384"):
        plan_pairs(text, RecordsConfig(max_seq_length=20_000), vocab)
