"""Arrays as the engine deals them out, and where stages begin."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import synthetic

from bertkit.backends.ipu.model import by_sequence, joined, place_stages, serialise_embedding
from bertkit.backends.ipu.options import IpuOptions
from bertkit.backends.ipu.pipeline import make_pipeline
from bertkit.data.batch_layouts import Layout
from bertkit.data.step_batch import weighted
from bertkit.model.classification import BertForSequenceClassification
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining, BertForQuestionAnswering
from bertkit.model.sentence_head import BertForSentenceExtraction

from .copies import engine

SHAPE = BertConfig(vocab_size=64, hidden_size=8, num_hidden_layers=3, num_attention_heads=2,
                   intermediate_size=16, max_position_embeddings=32)  # fmt: skip


@pytest.mark.parametrize("layout", ["padded", "packed"])
def test_rows_count_within_their_own_sequence(layout):
    records = weighted(synthetic.batch(5), "global_step", 5)
    (batch,) = Layout(layout, 6, fixed=True).micro_batches(records)
    rows = by_sequence(batch)
    length = 24
    assert {len(values) for values in rows.values()} == {6}
    assert {values.dtype for values in rows.values()} == {np.dtype("int32"), np.dtype("float32")}
    for name in ("cls_rows", "mlm_rows"):
        counts = batch.arrays[name.replace("cls_rows", "nsp_weights").replace("_rows", "_weights")]
        across = rows[name] + length * np.arange(6)[:, None]
        wanted = counts.reshape(6, -1) > 0
        np.testing.assert_array_equal(
            across[wanted], batch.arrays[name].reshape(6, -1)[wanted], err_msg=name
        )
        assert rows[name].min() >= 0 and rows[name].max() < length
    np.testing.assert_array_equal(rows["ids"].reshape(-1), batch.arrays["ids"])


def test_missing_sequences_are_empty_and_weigh_nothing():
    records = weighted(synthetic.batch(3), "global_step", 3)
    (batch,) = Layout("padded", 3, fixed=True).micro_batches(records)
    tensors = joined([by_sequence(batch), by_sequence(batch)], 8)
    assert {len(values) for values in tensors.values()} == {8}
    for name, values in tensors.items():
        assert not values[6:].any(), name
    assert float(tensors["mlm_weights"].sum()) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        (BertForPreTraining, "cls.predictions.transform"),
        (BertForQuestionAnswering, "qa_outputs"),
        (partial(BertForSequenceClassification, labels=2), "bert.pooler"),
        (BertForSentenceExtraction, "classifier"),
    ],
)
def test_stages_begin_where_the_settings_say(kind, head):
    model = kind(SHAPE)
    names = {id(part): name for name, part in model.named_modules()}
    with engine():
        for options, expected in (
            (IpuOptions(layers_per_ipu=[2, 1]),
             ["bert.embeddings", "bert.encoder.layer.2", head]),
            (IpuOptions(layers_per_ipu=[0, 3]),
             ["bert.embeddings", "bert.encoder.layer.0", head]),
            (IpuOptions(), ["bert.embeddings"]),
        ):  # fmt: skip
            place_stages(model, make_pipeline(options, 3), recomputation=False)
            found = [
                names[id(part)]
                for part in model.modules()
                if type(part).__mro__[1].__name__ == "_Block"
            ]
            assert sorted(found) == sorted(expected)
        before = list(model.state_dict())
        serialise_embedding(model, 4)
    assert list(model.state_dict()) == before, "weights keep their names"
