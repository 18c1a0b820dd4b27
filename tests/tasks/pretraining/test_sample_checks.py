"""Records that teach nothing are refused, and those that teach less than they seem to are told."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import synthetic

from bertkit.backends import registry
from bertkit.data import record_source
from bertkit.errors import DataError
from bertkit.records.files.tfrecord.frames import encode_example, write_records
from bertkit.tasks.pretraining.prepare import prepare
from bertkit.tasks.pretraining.pretrain import pretrain

CPU = registry.get("cpu")


@pytest.fixture
def plan(settings, tmp_path):
    """Plans a run on records that a function has changed, each by its number."""

    def function(change=lambda record, number: None, count=40, evaluation=None, **changes):
        random = np.random.default_rng(1)
        records = [synthetic.record(random, 24, 4) for _ in range(count)]
        for number, record in enumerate(records):
            change(record, number)
        write_records(tmp_path / "changed.tfrecord", map(encode_example, records))
        name = str(tmp_path / "changed.tfrecord")
        given = {"input": [name]} if not evaluation else {"eval_input": [name]}
        config = settings(**given, **changes)
        return config, lambda: prepare(config, CPU)

    return function


def without_predictions(record, number=0):
    record["masked_lm_weights"][:] = 0


@pytest.mark.parametrize("evaluation", [False, True])
def test_records_without_predictions_are_refused(plan, evaluation):
    """They trained next sentence prediction alone; evaluation had no numbers."""
    _, made = plan(without_predictions, evaluation=evaluation)
    with pytest.raises(DataError, match=r"changed\.tfrecord: record 0 has no token to") as caught:
        made()
    assert "as all 40 that were looked at" in str(caught.value)
    assert "--masked-lm-prob" in caught.value.hint and "--mask dynamic" in caught.value.hint


def test_some_records_without_predictions_are_usual(plan):
    plan(lambda record, number: number and without_predictions(record))[1]()


def test_masks_of_training_need_none_in_the_records(plan, tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str, range(5, synthetic.VOCAB))]
    (tmp_path / "words.txt").write_text("\n".join(words) + "\n")
    config, made = plan(without_predictions, mask="dynamic", vocab=str(tmp_path / "words.txt"))
    made()
    assert pretrain(replace(config, max_steps=2), CPU).train["mlm_loss"] > 0


def test_records_of_padding_alone_are_refused(plan):
    def change(record, number):
        if number == 7:
            record["input_mask"][:] = 0

    _, made = plan(change)
    with pytest.raises(DataError, match=r"changed\.tfrecord: record 7 .*the sequence is empty"):
        made()


def labelled(label):
    def change(record, number):
        record["next_sentence_labels"][:] = label

    return change


def one_segment(record, number):
    record["segment_ids"][:] = 0


@pytest.mark.parametrize(
    ("change", "changes", "said"),
    [
        (labelled(0), {}, "next_sentence_labels are 0 in all 40 records"),
        (labelled(1), {}, "next_sentence_labels are 1 in all 40 records"),
        (labelled(1), {"nsp": False}, None),
        (labelled(1), {"count": 20}, None),  # such things happen
        (one_segment, {}, "segment_ids are 0 in all 40 records"),
        (one_segment, {"nsp": False}, None),
        (labelled(-1), {}, "only masked LM is trained"),
        (lambda record, number: None, {}, None),
    ],
)
def test_pairs_that_teach_nothing_are_told(plan, caplog, change, changes, said):
    caplog.set_level("INFO", "bertkit")
    plan(change, **changes)[1]()
    told = [text for text in caplog.messages if re.search("next_sentence|segment_ids", text)]
    assert len(told) == (said is not None) and all(said in text for text in told)


@pytest.mark.parametrize(("share", "told"), [(0.4, False), (0.6, True)])
def test_words_that_the_vocabulary_lacks_are_told(plan, tmp_path, caplog, share, told):
    """[CLS], [SEP] and [MASK], of which short records have many, are no words."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str, range(5, synthetic.VOCAB))]
    (tmp_path / "words.txt").write_text("\n".join(words) + "\n")

    def change(record, number):
        places = np.flatnonzero(record["input_ids"] >= synthetic.FIRST)
        record["input_ids"][places[: round(share * len(places))]] = 1

    plan(change, vocab=str(tmp_path / "words.txt"))[1]()
    found = [text for text in caplog.messages if "are [UNK]" in text]
    assert len(found) == told and all("bertkit train-vocab" in text for text in found)


def test_records_are_sampled_once(plan, monkeypatch):
    """Also where the machine's memory decides the micro-batch, by their lengths."""
    _, made = plan(micro_batch_size=0)
    read, batch = [], record_source.RecordSource.batch

    def counted(source, indices):
        read.append(len(indices))
        return batch(source, indices)

    monkeypatch.setattr(record_source.RecordSource, "batch", counted)
    monkeypatch.setattr(type(CPU), "device_memory", lambda adapter: 1 << 34)
    made()
    assert read == [40]
