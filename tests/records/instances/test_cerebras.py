"""Cerebras' records: equal to what its own programs wrote, trap by trap."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from oracle import cerebras as oracle
from oracle.instances import to_features
from slow_cases import slow

from bertkit.errors import DataError
from bertkit.records import read_text
from bertkit.records.config import RecordsConfig
from bertkit.records.files.schema import digest
from bertkit.records.files.tfrecord.frames import decode_example, read_records
from bertkit.records.files.tfrecord.sequence_example import decode_tokens, is_tokens
from bertkit.records.instances import cerebras, pairs
from bertkit.records.make import make_records
from bertkit.tokenization.normalisation import UNCASED
from bertkit.tokenization.vocabulary import Vocab, load_vocab
from bertkit.tokenization.wordpiece_variants import make_tokenizer
from records import references

DIGESTS = [
    "cerebras_eval_128",
    "cerebras_mlm_eval_128_xdoc_d2",
    "cerebras_nsp_eval_128_spacyblank",
    *slow(
        "cerebras_adv_adv_safe_cased",  # every page of Unicode
        "cerebras_adv_adv_safe_lower",
        "cerebras_mlm_eval_128_disable_masking",
        "cerebras_mlm_eval_128_spacyblank_d2",
    ),
]
GOLDENS = {
    "cerebras_sample_nsp_128_dupe2_seed0": {},
    "cerebras_sample_nsp_wwm_128_dupe2_seed0": {"whole_word_mask": True},
    "cerebras_sample_mlmonly_128_dupe2_seed0": {"objective": "mlm"},
}


def records(path: Path) -> list[dict]:
    payloads = list(read_records(path))
    if is_tokens(payloads[0]):
        return [{"tokens": decode_tokens(payload)} for payload in payloads]
    return [decode_example(payload) for payload in payloads]


def settings(args: dict) -> RecordsConfig:
    """The original's arguments as ours."""
    objective = "nsp" if "split_num" in args else "unmasked" if args["disable_masking"] else "mlm"
    return RecordsConfig(
        style="cerebras",
        objective=objective,
        max_seq_length=args["max_seq_length"],
        max_predictions_per_seq=args["max_predictions_per_seq"],
        dupe_factor=args["dupe_factor"],
        seed=args["seed"],
        do_lower_case=args["do_lower_case"],
        outputs=args["num_output_files"],
        sentences="line" if args["single_sentence_per_line"] else "rule",
        cross_documents=args.get("allow_cross_document_examples", False),
    )


@pytest.mark.parametrize("name", DIGESTS)
def test_files_equal_those_of_the_original(shared, tmp_path, name):
    references.require_unicode(name)
    golden = references.outputs(shared)[name]
    args = golden["args"]
    config = settings(args)
    assert config.problems() == []
    text = references.text_path(shared, golden["input"][0].removeprefix("meta_")[: -len(".txt")])
    vocab = references.vocab_path(shared, args["vocab_file"])
    result = make_records(config, [str(text)], tmp_path / "out", vocab, workers=1)
    names = [Path(file).name for file in golden["files"]]
    found = [records(tmp_path / "out" / file) for file in names]
    assert result.records == golden["records"] == sum(map(len, found))
    assert digest(record for file in found for record in file) == golden["digest"]
    turns = max(map(len, found))
    dealt = [file[turn] for turn in range(turns) for file in found if turn < len(file)]
    assert digest(dealt) == golden["digest_round_robin"]
    written = json.loads((tmp_path / "out" / "data_params.json").read_text())
    assert written.keys() == args.keys()
    same = args.keys() - {
        "metadata_files", "input_files_prefix", "vocab_file", "output_dir", "spacy_model",
        "overlap_size", "buffer_size",
    }  # fmt: skip
    assert {key: written[key] for key in same} == {key: args[key] for key in same}


def test_the_readable_pairs_equal_the_original(shared):
    name = "cerebras_adv_adv_safe_lower"
    references.require_unicode(name)
    golden = references.outputs(shared)[name]
    config = settings(golden["args"])
    vocab = load_vocab(references.vocab_path(shared, "vocab"))
    text = [str(references.text_path(shared, "adv_safe"))]
    instances = oracle.pair_instances(text, config, make_tokenizer("cerebras", vocab))
    found = digest(to_features(item, vocab, 128, 20) for item in instances)
    assert found == golden["digest_round_robin"]


@pytest.mark.parametrize("name", GOLDENS)
def test_records_equal_the_goldens(shared, tmp_path, name):
    config = RecordsConfig(
        style="cerebras", max_predictions_per_seq=20, dupe_factor=2, seed=0, **GOLDENS[name]
    )
    text = references.text_path(shared, "sample_text")
    make_records(config, [str(text)], tmp_path, references.vocab_path(shared, "vocab"))
    sums = (shared / "goldens" / "records" / f"{name}.tfrecord.records.sha1").read_text().split()
    assert [
        references.record_sha1(record) for record in records(tmp_path / "examples-1.tfrecords")
    ] == sums


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
VOCAB = Vocab(WORDS, {token: number for number, token in enumerate(WORDS)}, "")
TOKENIZER = make_tokenizer("cerebras", VOCAB)
READER = read_text.TextReader(VOCAB, "cerebras", UNCASED)


def write(folder: Path, **texts: str) -> list[str]:
    for name, text in texts.items():
        (folder / f"{name}.txt").write_bytes(text.encode())
    return [str(folder / f"{name}.txt") for name in texts]


def test_a_splitter_sees_the_lines_of_a_document_joined(tmp_path):
    (path,) = write(tmp_path, text="a b.\nc d. e\n\nf\n")
    seen = []
    oracle.file_documents(path, TOKENIZER, lambda text: seen.append(text) or [text], False)
    assert seen == ["a b.c d. e", "f"]


def test_files_are_shuffled_and_mixed_block_by_block(tmp_path):
    paths = write(tmp_path, **{name: f"{name} {name}\n{name}\n" for name in "abcdefgh"})
    config = RecordsConfig(style="cerebras", max_seq_length=8, split_files=2, dupe_factor=1)
    order = list(paths)
    random.Random(config.seed).shuffle(order)
    letters = [Path(path).stem for path in order]
    found = []
    for instance in oracle.pair_instances(paths, config, TOKENIZER):
        labels = dict(zip(instance.masked_positions, instance.masked_labels, strict=True))
        tokens = [labels.get(n, token) for n, token in enumerate(instance.tokens)]
        found.append({token for token in tokens if len(token) == 1})
    blocks = [set(letters[start : start + 2]) for start in range(0, 8, 2)]
    which = [next(i for i, block in enumerate(blocks) if seen <= block) for seen in found]
    assert which == sorted(which)
    assert set(which) == {0, 1, 2, 3}


@pytest.mark.parametrize("cross", [False, True])
def test_windows_overlap_and_lose_nothing(tmp_path, cross):
    letters = "abcdefghijklmnopqrstuvwxyz"
    paths = write(tmp_path, text=f"{' '.join(letters)}\n\n{' '.join(letters[:5])}\n")
    config = RecordsConfig(
        style="cerebras", objective="unmasked", max_seq_length=10, overlap=3, short_seq_prob=0.0,
        cross_documents=cross, document_separator="[SEP]",
    )  # fmt: skip
    windows = list(oracle.unmasked_windows(paths, config, TOKENIZER))
    assert all(window[0] == "[CLS]" and window[-1] == "[SEP]" for window in windows)
    bodies = [window[1:-1] for window in windows]
    if cross:
        assert sum("[sep]" in body for body in bodies) >= 1
        assert all(len(body) == 8 for body in bodies[:-1])
    for before, after in pairwise(bodies):
        assert before[-3:] == after[:3] or not cross
    assert {token for body in bodies for token in body} >= set(letters)


def test_short_targets_stay_in_their_range(tmp_path):
    paths = write(tmp_path, text="\n".join("a b c d e f g h" for _ in range(500)))
    config = RecordsConfig(
        style="cerebras", objective="unmasked", max_seq_length=64, overlap=4, short_seq_prob=1.0,
        min_short_seq_length=20,
    )  # fmt: skip
    lengths = [len(w) - 2 for w in oracle.unmasked_windows(paths, config, TOKENIZER)][:-1]
    assert min(lengths) in range(20, 26)
    assert max(lengths) in range(56, 63)


def test_a_separator_that_is_no_token_is_refused(tmp_path):
    config = RecordsConfig(style="cerebras", objective="mlm", document_separator="<doc>")
    with pytest.raises(DataError, match="'<doc>' is not in the vocabulary"):
        next(cerebras.window_plans(write(tmp_path, t="a"), config, READER))


def some_texts(folder: Path) -> list[str]:
    """Files of documents of lines of words, some empty, some of one letter."""
    rng = random.Random(5)
    letters = "abcdefghijklmnopqrstuvwxyz"
    texts = {}
    for number in range(9):
        documents = [
            "\n".join(" ".join(rng.choices(letters, k=rng.randint(1, 30))) for _ in range(size))
            for size in rng.choices((0, 1, 2, 7, 40), k=number)
        ]
        texts[f"f{number}"] = "\n\n".join(documents)
    return write(folder, **texts)


def same_records(made, instances, config: RecordsConfig, vocab: Vocab) -> int:
    """Records of plans equal the features of readable instances; returns how many."""
    expected = iter(instances)
    count = 0
    for plan in made:
        batch = plan.batch(range(len(plan)))
        for row in range(len(plan)):
            record = to_features(next(expected), vocab, config.max_seq_length, config.predictions)
            for name, values in batch.items():
                np.testing.assert_array_equal(
                    np.atleast_1d(values[row]), record[name], err_msg=f"{name} of {count}"
                )
            count += 1
    assert next(expected, None) is None
    return count


@pytest.mark.parametrize(
    "values",
    [
        {"split_files": 2},
        {"split_files": 4, "min_short_seq_length": 9, "whole_word_mask": True},
        {"split_files": 0, "seed": 7, "objective": "sop", "short_seq_prob": 0.9},
    ],
)
def test_pairs_of_several_files_equal_the_readable_ones(tmp_path, values):
    config = RecordsConfig(style="cerebras", max_seq_length=24, dupe_factor=3, **values)
    assert config.problems() == []
    paths = some_texts(tmp_path)
    made = list(cerebras.pair_plans(paths, config, READER))
    assert len(made) == (1 if config.split_files == 0 else -(-9 // config.split_files))
    instances = oracle.pair_instances(paths, config, TOKENIZER)
    assert same_records(made, instances, config, VOCAB) > 200


WINDOWS = [
    {},
    {"overlap": 0},
    {"cross_documents": True},
    {"cross_documents": True, "document_separator": "z", "masked_lm_prob": 0.9},
    {"document_separator": "q", "whole_word_mask": True, "short_seq_prob": 0.0},
    {"buffer_tokens": 300, "cross_documents": True, "overlap": 9, "short_seq_prob": 0.7},
    {"buffer_tokens": 300, "overlap": 1, "min_short_seq_length": 11, "short_seq_prob": 0.5},
    {"documents": "file", "cross_documents": True, "buffer_tokens": 1},
]


@pytest.mark.parametrize("kept", [0, *slow(1 << 26)])
@pytest.mark.parametrize("values", WINDOWS)
def test_windows_equal_the_readable_ones(tmp_path, monkeypatch, values, kept):
    small = pairs.new_instances  # and has to grow
    monkeypatch.setattr(cerebras, "_KEPT_TOKENS", kept)
    monkeypatch.setattr(pairs, "new_instances", lambda rows, *args: small(2, *args))
    config = RecordsConfig(
        style="cerebras", objective="mlm", max_seq_length=20, dupe_factor=3, **values
    )
    assert config.problems() == []
    paths = some_texts(tmp_path)
    made = cerebras.window_plans(paths, config, READER)
    instances = oracle.masked_windows(paths, config, TOKENIZER)
    assert same_records(made, instances, config, VOCAB) > 300


@pytest.mark.parametrize("values", WINDOWS)
def test_unmasked_windows_equal_the_readable_ones(tmp_path, values):
    values = {name: value for name, value in values.items() if name != "masked_lm_prob"}
    config = RecordsConfig(style="cerebras", objective="unmasked", max_seq_length=20, **values)
    paths = some_texts(tmp_path)
    made = cerebras.window_plans(paths, config, READER)
    separator = config.document_separator.lower()
    found = [
        [token.decode() for token in decode_tokens(payload)]
        for plan in made
        for payload in plan.payloads(range(len(plan)), separator)
    ]
    assert found == list(oracle.unmasked_windows(paths, config, TOKENIZER))
    assert len(found) > 100


def test_another_separator_is_never_masked(tmp_path):
    paths = write(tmp_path, text="\n\n".join("a b c" for _ in range(40)))
    config = RecordsConfig(
        style="cerebras", objective="mlm", max_seq_length=32, cross_documents=True,
        document_separator="z", masked_lm_prob=0.9, max_predictions_per_seq=30, dupe_factor=1,
    )  # fmt: skip
    found = list(oracle.masked_windows(paths, config, TOKENIZER))
    assert any("z" in instance.tokens for instance in found)
    assert not any("z" in instance.masked_labels for instance in found)


def test_params_count_documents_by_metadata_lines(tmp_path):
    vocab = tmp_path / "v.txt"
    vocab.write_text("\n".join(WORDS), encoding="utf-8")
    names = write(tmp_path, x="a b\nc d\n\na\nb\n", y="c\nd\n")
    (tmp_path / "train.txt").write_text("\n".join(names), encoding="utf-8")
    config = RecordsConfig(style="cerebras", max_seq_length=16)
    out = tmp_path / "out"
    result = make_records(config, [f"@{tmp_path / 'train.txt'}"], out, vocab)
    params = json.loads((out / "data_params.json").read_text())
    assert params["metadata_files"] == [str(tmp_path / "train.txt")]
    assert (params["n_docs"], params["n_examples"]) == (2, result.records)
    (out / "data_params.json").unlink()
    assert make_records(config, [f"@{tmp_path / 'train.txt'}"], out, vocab).made == 0
    assert json.loads((out / "data_params.json").read_text()) == params
