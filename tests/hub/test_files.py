"""Which files of a repository are fetched, by their names alone."""

from __future__ import annotations

import json

import pytest

from bertkit.errors import DataError
from bertkit.hub import files

SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
INDEX = "model.safetensors.index.json"
PUBLIC = [  # google-bert/bert-base-uncased
    *(".gitattributes", "LICENSE", "README.md", "config.json", "coreml/fill-mask/model.mlmodel"),
    *(
        "flax_model.msgpack",
        "model.onnx",
        "model.safetensors",
        "pytorch_model.bin",
        "rust_model.ot",
    ),
    *("tf_model.h5", "tokenizer.json", "tokenizer_config.json", "vocab.txt"),
]


def weights(names, index=None):
    return files.weights(names, lambda name: json.dumps(index).encode(), "a/b")


def index_of(*names):
    return {"weight_map": {f"tensor{number}": name for number, name in enumerate(names)}}


def test_one_file_of_weights_and_never_a_pickle_beside_safetensors():
    assert weights(PUBLIC) == ["model.safetensors"]
    assert weights(["pytorch_model.bin", INDEX, *SHARDS], index_of(*SHARDS)) == [INDEX, *SHARDS]
    assert weights(["pytorch_model.bin", "tf_model.h5"]) == ["pytorch_model.bin"]
    assert files.tokenizer(PUBLIC) == ["vocab.txt", "tokenizer.json", "tokenizer_config.json"]
    assert files.configuration(PUBLIC) == ["config.json"]


def test_tensorflow_where_there_is_nothing_else():
    parts = ["bert_model.ckpt.data-00000-of-00001", "bert_model.ckpt.index"]
    assert weights([*parts, "bert_model.ckpt.meta", "x"]) == [*parts, "bert_model.ckpt.meta"]
    with pytest.raises(DataError, match=r"several TensorFlow checkpoints: a\.ckpt, b\.ckpt"):
        weights(["a.ckpt.index", "b.ckpt.index"])


@pytest.mark.parametrize(
    ("names", "index", "message"),
    [
        (["flax_model.msgpack", "README.md"], None, "no weights that bertkit reads; it has flax_"),
        ([], None, "it has nothing"),
        ([INDEX, SHARDS[0]], index_of(*SHARDS), "model-00002-of-00002.safetensors, which"),
        ([INDEX], index_of("../../etc/passwd"), "is not a file beside it"),
        ([INDEX], {}, "has no weight_map"),
        ([INDEX], [], "is not an object"),
    ],
)
def test_what_cannot_be_read(names, index, message):
    with pytest.raises(DataError, match=message):
        weights(names, index)


def test_what_transformers_would_read_beside_it():
    assert files.of_model("tokenizer.json") and files.of_model(SHARDS[0])
    assert not files.of_model("README.md") and not files.of_model("eval/results.json")
