"""A starting point gives shape and vocabulary, whatever program made it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import transformers
from safetensors.torch import save_file

from bertkit.errors import ConfigError, DataError
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.tokenization.vocabulary import load_vocab, save_vocab
from bertkit.train.checkpoints.starting_point import open_start, settled_shape

SHAPE = BertConfig(
    vocab_size=30,
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=4,
    intermediate_size=24,
    max_position_embeddings=20,
    hidden_dropout_prob=0.3,
)
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"t{i}" for i in range(25))]


@pytest.fixture
def saved(tmp_path):
    """A model of transformers with its tokenizer, as `save_pretrained` leaves them."""
    values = {k: v for k, v in SHAPE.to_dict().items() if k != "torch_dtype"}
    place = tmp_path / "saved"
    transformers.BertModel(transformers.BertConfig(**values)).save_pretrained(place)
    save_vocab(tmp_path / "words.txt", TOKENS)
    transformers.BertTokenizerFast(str(tmp_path / "words.txt")).save_pretrained(place)
    (place / "vocab.txt").unlink(missing_ok=True)
    return place


def test_a_folder_of_transformers(saved):
    found = open_start(str(saved))
    assert (found.path, found.shape) == (saved, SHAPE)
    assert found.vocab_file == saved / "tokenizer.json"
    found.require_vocab(load_vocab(found.vocab_file))


def test_a_run_and_its_last_step(tmp_path):
    for step in (5, 20):
        save_pretrained(BertForPreTraining(replace(SHAPE, hidden_size=step * 4)), tmp_path / "x")
        shutil.move(tmp_path / "x", tmp_path / "run" / f"step-{step:07d}")
    found = open_start(str(tmp_path / "run"))
    assert found.path.name == "step-0000020" and found.shape.hidden_size == 80
    assert found.vocab_file is None


def test_mlperfs_folder(tmp_path, shared):
    """bert_config.json and vocab.txt lie above tf1_ckpt/."""
    source = shared / "data" / "checkpoints" / "keras_bert_tiny_tf1"
    (tmp_path / "tf1_ckpt").mkdir()
    for path in source.iterdir():
        below = path.name.startswith("bert_model.ckpt")
        shutil.copy(path, tmp_path / ("tf1_ckpt" if below else "."))
    wanted = BertConfig.from_file(source)
    for given in (tmp_path, tmp_path / "tf1_ckpt", tmp_path / "tf1_ckpt" / "bert_model.ckpt"):
        found = open_start(str(given))
        assert found.shape == wanted
        assert found.vocab_file == tmp_path / "vocab.txt"


def test_what_is_no_checkpoint(tmp_path):
    with pytest.raises(DataError, match="no such checkpoint: /nope/x"):
        open_start("/nope/x")
    (tmp_path / "config.json").write_text(json.dumps(SHAPE.to_dict()))
    with pytest.raises(DataError, match="is the configuration of a model, not a checkpoint"):
        open_start(str(tmp_path / "config.json"))


def test_a_given_configuration_helps_where_none_lies_and_must_agree(tmp_path):
    save_file(BertForPreTraining(SHAPE).state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(ConfigError, match="no configuration beside it") as caught:
        open_start(str(tmp_path))
    assert "--model-config" in caught.value.hint
    (tmp_path / "other").mkdir()
    SHAPE.to_file(tmp_path / "other" / "shape.json")
    given = str(tmp_path / "other" / "shape.json")
    assert open_start(str(tmp_path), given).shape == SHAPE
    replace(SHAPE, num_attention_heads=2, intermediate_size=99).to_file(tmp_path / "config.json")
    with pytest.raises(ConfigError) as caught:
        open_start(str(tmp_path), given)
    assert f"--model-config {given} is not of {tmp_path}" in caught.value.message
    assert "num_attention_heads 2, given 4; intermediate_size 99, given 24" in caught.value.message


def test_sizes_that_were_given_must_agree_and_rates_are_the_users(saved):
    start = open_start(str(saved))
    defaults = BertConfig()
    assert settled_shape(defaults, {}, start) == SHAPE
    wanted = replace(defaults, hidden_dropout_prob=0.0, hidden_act="gelu_new", vocab_size=32)
    keys = ("hidden_dropout_prob", "hidden_act", "vocab_size")
    origins = {f"model.{key}": "--set" for key in keys}
    assert settled_shape(wanted, origins, start) == replace(
        SHAPE, hidden_dropout_prob=0.0, hidden_act="gelu_new", vocab_size=32
    )
    tiny = replace(defaults, hidden_size=128, num_hidden_layers=2)
    origins = {"model.hidden_size": "preset tiny", "model.num_hidden_layers": "preset tiny"}
    with pytest.raises(ConfigError) as caught:
        settled_shape(tiny, origins, start)
    assert "has another shape than the settings of preset tiny" in caught.value.message
    assert "hidden_size 16, given 128; num_hidden_layers 1, given 2" in caught.value.message


def test_a_vocabulary_of_other_words_or_another_size_is_refused(tmp_path, saved):
    start = open_start(str(saved))
    save_vocab(tmp_path / "more.txt", [*TOKENS, "covid", "vaccine"])
    with pytest.raises(ConfigError, match=r"weights for 30: 2 new \(token 'covid', 'vaccine'\)"):
        start.require_vocab(load_vocab(tmp_path / "more.txt"))
    # Nothing lies beside it: the rows must be those of the vocabulary, or rounded up.
    bare = replace(start, vocab_file=None, shape=replace(SHAPE, vocab_size=32))
    bare.require_vocab(load_vocab(tmp_path / "words.txt"))
    save_vocab(tmp_path / "few.txt", TOKENS[:20])
    with pytest.raises(ConfigError, match=r"has 20 tokens, the word embedding of .* 32 rows"):
        bare.require_vocab(load_vocab(tmp_path / "few.txt"))
