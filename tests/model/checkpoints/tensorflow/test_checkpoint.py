"""TensorFlow checkpoints are found by prefix, file and folder."""

from __future__ import annotations

import pytest
import torch

from bertkit.errors import DataError
from bertkit.model.checkpoints import formats, loading
from model.checkpoints.tensorflow import bundles


def test_finding_by_prefix_file_and_folder(samples, tmp_path):
    place = samples / "keras_bert_tiny_tf1"
    names = ["", "bert_model.ckpt", "bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"]
    for name in names:
        row, found = formats.detect(place / name)
        assert (row.name, found) == ("tf", place / "bert_model.ckpt")
    assert loading.vocab_beside(place / "bert_model.ckpt") == place / "vocab.txt"
    assert formats.detect(tmp_path) is None
    for step in (1, 2):
        bundles.write_bundle(tmp_path / f"model.ckpt-{step}", {"global_step": torch.tensor(step)})
    with pytest.raises(DataError, match="holds 2 TensorFlow checkpoints") as caught:
        formats.detect(tmp_path)
    assert "model.ckpt-2" in caught.value.hint
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/their/disk/model.ckpt-1"\n')
    assert formats.detect(tmp_path)[1] == tmp_path / "model.ckpt-1"
