"""The table of defaults, against values from the programs themselves."""

from __future__ import annotations

import pytest

from bertkit.external_configs.program_defaults import defaults_by_program, rows


@pytest.mark.parametrize(
    ("program", "settings"),
    [
        # common/tf/optimizers/Trainer.py and transformers/tf/bert/utils.py
        (
            "Cerebras R_1.7.0",
            {"weight_decay": "0", "max_grad_norm": "0", "eps": "1e-05 / 1e-08", "keep_last": "5",
             "model.layer_norm_eps": "1e-08", "model.attention_probs_dropout_prob": "0",
             "bias correction of AdamW": "no"},
        ),
        # common/pytorch/PyTorchBaseModel.py; cerebras-pytorch 2.10, optim/AdamBase.py
        ("Cerebras R_1.7.0 for PyTorch", {"eps": "1e-06", "bias correction of AdamW": "no"}),
        ("Cerebras 2.10", {"model.layer_norm_eps": "1e-05", "bias correction of AdamW": "yes"}),
        # utilities/options.py, data_utils/batch_config.py; nlp/bert/pytorch/args.py
        (
            "Graphcore v3.4.1",
            {"ipu.embedding_serialization": "2", "mlm_normalisation": "micro_batch",
             "max_steps": "460,849,152 samples at length 128, 34,239,360 at 384 and 512"},
        ),
        ("Graphcore v3.4.1 for PyTorch", {"ipu.recomputation": "no", "eps": "1e-06"}),
    ],
)  # fmt: skip
def test_defaults_of_a_program(program, settings):
    found = defaults_by_program()[program]
    assert {key: found[key] for key in settings} == settings


def test_every_row_has_a_cell_for_every_program():
    head, *body = rows()
    assert head[:3] == ("setting", "bertkit", "Cerebras R_1.7.0")
    assert {len(row) for row in body} == {len(head)}
    decay = next(row for row in body if row[0] == "weight_decay")
    assert decay[:5] == ("weight_decay", "0.01", "0", "0", "0")
