"""TensorFlow 2 checkpoints that are written are those of the official models' converter."""

from __future__ import annotations

import pytest

from bertkit.errors import ConfigError
from bertkit.model.checkpoints import convert, loading
from bertkit.model.checkpoints.convert import ConvertOptions
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.checkpoints.tensorflow import tf2_writer
from bertkit.model.heads import BertForPreTraining, BertForQuestionAnswering
from model.checkpoints.common import same
from model.checkpoints.tensorflow.writing import files_of, read_sample, to_write


@pytest.mark.parametrize("form", ["encoder", "pretrainer"])
def test_a_checkpoint_of_the_converter_is_written_again_byte_by_byte(samples, tmp_path, form):
    """Weights, the graph of objects and the index, as TensorFlow 2.4 wrote them."""
    name = f"keras_bert_tiny_tf2_{form}"
    tf2_writer.write(tmp_path, read_sample(samples, name))
    assert files_of(tmp_path / "bert_model.ckpt") == files_of(samples / name / "model.ckpt-1")


def test_a_next_sentence_head_is_left_out_only_where_the_user_says_so(tmp_path, small, caplog):
    model = BertForPreTraining(small)
    save_pretrained(model, tmp_path / "in")
    source, out = str(tmp_path / "in"), str(tmp_path / "out")
    with pytest.raises(ConfigError, match=r"--to tf2 has no place for cls.seq_rel") as caught:
        convert.convert(source, out, ConvertOptions(to="tf2"))
    pattern = "cls.seq_relationship.*"
    assert f"--allow-unexpected '{pattern}'" in caught.value.hint
    assert not (tmp_path / "out").exists()
    options = ConvertOptions(to="tf2", allow_unexpected=[pattern])
    assert convert.convert(source, out, options).output == out
    wanted = {n: v for n, v in model.state_dict().items() if not n.startswith("cls.seq_")}
    same(loading.read(out).weights, wanted)
    report, _ = convert.check(out, ConvertOptions())
    assert (report.architecture, report.missing) == ("BertForMaskedLM", [])


def test_what_the_form_cannot_hold_is_refused(samples, tmp_path, small):
    weights = BertForQuestionAnswering(small).state_dict()
    assert tf2_writer.unheld(weights) == ["qa_outputs.weight", "qa_outputs.bias"]
    checkpoint = read_sample(samples, "keras_bert_tiny_tf1", moments=True)
    with pytest.raises(ConfigError, match="no place for an optimizer's moments"):
        tf2_writer.write(tmp_path, checkpoint)
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_without_a_pooler_is_written_without_one(tmp_path, small, caplog):
    weights = {
        name: value
        for name, value in BertForPreTraining(small).state_dict().items()
        if name.startswith("bert.") and "pooler" not in name
    }
    tf2_writer.write(tmp_path, to_write(weights, small, architecture="BertModel"))
    same(loading.read(tmp_path).weights, weights)
    assert "draws it anew: bert.pooler.dense.bias, bert.pooler.dense.weight" in caplog.text
