"""Every style makes instances of every objective that it names, and refuses the others.

Every word of the text stands once in it, and words are numbered as they stand: where a segment
came from shows in its tokens, whatever planned it.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from bertkit.data.record_source import RecordSource
from bertkit.data.text_source import TextSource
from bertkit.errors import ConfigError
from bertkit.records import styles
from bertkit.records.config import RecordsConfig
from bertkit.records.make import make_records
from bertkit.records.terms import MLM, NSP, OBJECTIVES, SOP, UNMASKED
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS, find_vocab, load_vocab, save_vocab

DOCUMENTS, SENTENCES, WORDS = 12, 6, 5
PER_DOCUMENT = SENTENCES * WORDS
FIRST = len(SPECIAL_TOKENS)
STYLES = [style.name for style in styles.TABLE]
IN_MEMORY = [style.name for style in styles.TABLE if style.in_memory]


def letters(number: int) -> str:
    """A word of letters alone, which no tokenizer cuts."""
    return "".join("abcdefghij"[int(digit)] for digit in f"{number:04d}")


@pytest.fixture
def vocab(tmp_path):
    path = tmp_path / "vocab.txt"
    words = [letters(number) for number in range(DOCUMENTS * PER_DOCUMENT)]
    save_vocab(path, [*SPECIAL_TOKENS, *words])
    return path


@pytest.fixture
def texts(tmp_path):
    """Two files, of as many documents each."""
    folder = tmp_path / "text"
    folder.mkdir()
    number = 0
    for name in ("one", "two"):
        lines: list[str] = []
        for _ in range(DOCUMENTS // 2):
            for _ in range(SENTENCES):
                lines.append(" ".join(map(letters, range(number, number + WORDS))))
                number += WORDS
            lines.append("")
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return folder


def config(style: str, objective: str, **more) -> RecordsConfig:
    return RecordsConfig(
        style=style, objective=objective, max_seq_length=32, dupe_factor=3, seed=5, **more
    )


def segments_of(batch: dict[str, np.ndarray], sep: int) -> list[list[np.ndarray]]:
    """The numbers of the words of each record, by segment, with the masked ones put back."""
    found = []
    for row in range(len(batch["input_ids"])):
        ids = batch["input_ids"][row].copy()
        real = batch["masked_lm_weights"][row] > 0
        ids[batch["masked_lm_positions"][row, real]] = batch["masked_lm_ids"][row, real]
        ids = ids[: batch["input_mask"][row].sum()]
        ends = np.flatnonzero(ids == sep)
        assert ends[-1] == len(ids) - 1
        found.append([part[part != sep] - FIRST for part in np.split(ids[1:], ends[:-1])])
    return found


@pytest.mark.parametrize("objective", [NSP, SOP, MLM])
@pytest.mark.parametrize("style", STYLES)
def test_each_objective_in_each_style(style, objective, texts, vocab, tmp_path):
    make_records(config(style, objective), [str(texts)], tmp_path / "out", vocab, workers=1)
    source = RecordSource([str(tmp_path / "out")])
    batch = source.batch(np.arange(len(source)))
    sep = load_vocab(find_vocab(str(vocab))).sep_id
    assert (batch["masked_lm_weights"].sum(axis=1) > 0).all()
    labels = batch["next_sentence_labels"].reshape(-1)
    assert set(labels.tolist()) == ({-1} if objective == MLM else {0, 1})
    swapped = 0
    for label, parts in zip(labels, segments_of(batch, sep), strict=True):
        for part in parts:  # consecutive words of one document
            assert (np.diff(part) == 1).all()
            assert len(set((part // PER_DOCUMENT).tolist())) == 1
        if objective == MLM:
            assert len(parts) == 1
            continue
        first, second = parts if objective == NSP or label == 0 else parts[::-1]
        same = first[0] // PER_DOCUMENT == second[0] // PER_DOCUMENT
        if objective == SOP:  # 1: swapped. A lone rest gets a foreign one, as in ALBERT
            assert first[-1] < second[0] if same else label == 1
            swapped += same and label == 1
        else:  # 1 where the second is of another document
            assert same == (label == 0) and (label or first[-1] < second[0])
    assert (swapped > 0) == (objective == SOP)
    assert batch["segment_ids"].any() == (objective != MLM)


@pytest.mark.parametrize("style", STYLES)
def test_tokens_without_masks_are_cerebras(style, texts, vocab, tmp_path):
    rules = config(style, UNMASKED)
    if style == "cerebras":
        made = make_records(rules, [str(texts)], tmp_path / "out", vocab, workers=1)
        assert made.records > DOCUMENTS
    else:
        assert rules.problems() == ["--objective needs --style cerebras"]


@pytest.mark.parametrize("objective", [NSP, SOP, MLM])
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("mixed", [False, True])
def test_text_gives_the_instances_of_the_records(style, objective, mixed, texts, vocab, tmp_path):
    more = {"shards": "one-corpus", "outputs": 3} if mixed else {}
    rules = config(style, objective, **more)
    if style not in IN_MEMORY:
        with pytest.raises(ConfigError, match=f"--style {style} makes record files only"):
            TextSource([str(texts)], rules, vocab)
        return
    make_records(rules, [str(texts)], tmp_path / "out", vocab, workers=1)
    records = RecordSource([str(tmp_path / "out")])
    source = TextSource([str(texts)], rules, vocab, tmp_path / "cache")
    assert len(source) == len(records) > DOCUMENTS
    which = np.arange(len(records))
    ours, theirs = source.batch(which), records.batch(which)
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_array_equal(ours[name], values, err_msg=name)


def test_which_styles_need_no_files_is_the_table():
    assert IN_MEMORY == ["google", "mlperf"]
    assert set(OBJECTIVES) == {NSP, SOP, MLM, UNMASKED}


def test_other_tokenizers_and_formats_are_made_as_files(texts, vocab):
    for more in ({"tokenizer": "hf"}, {"format": "jsonl"}, {"packing": "graphcore"}):
        with pytest.raises(ConfigError, match="makes plain tfrecords of --style google or mlperf"):
            TextSource([str(texts)], config("google", NSP, **more), vocab)


def test_json_lines_of_masked_lm_are_what_such_a_model_takes(texts, vocab, tmp_path):
    """`BertForMaskedLM.forward` has no `next_sentence_label`."""
    make_records(config("hf", MLM), [str(texts)], tmp_path / "out", vocab, workers=1)
    text = (tmp_path / "out" / "one.json").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    for row in rows:
        assert list(row) == ["input_ids", "attention_mask", "token_type_ids", "labels"]
        assert not any(row["token_type_ids"]) and any(label >= 0 for label in row["labels"])
