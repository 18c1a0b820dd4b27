"""`bert_config.json` as settings of the model."""

from __future__ import annotations

import json

import pytest

from bertkit.errors import ConfigError

SHAPE = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 512,
    "vocab_size": 100,
    "type_vocab_size": 2,
}


def test_bert_config(read):
    shape = {
        "hidden_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 512,
        "vocab_size": 100,
        "pooler_type": "first",
    }
    found, config = read(shape)
    assert config.model.hidden_size == 128 and config.model.vocab_size == 100
    assert [key.key for key in found.with_outcome("ignored")] == ["pooler_type"]


def test_the_command_shows_what_became_of_every_key(bertkit, tmp_path, records):
    place = tmp_path / "bert_config.json"
    place.write_text(
        json.dumps(
            {
                "hidden_size": 16,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "intermediate_size": 32,
                "vocab_size": 8192,
                "max_position_embeddings": 128,
                "directionality": "bidi",
            }
        )
    )
    run = bertkit(
        "pretrain",
        "--config",
        place,
        "--input",
        records,
        "--output",
        tmp_path / "run",
        "--dry-run",
    )
    assert run.status == 0, run.err
    assert "mapped: model.hidden_size = 16" in run.out
    assert "directionality ignored" in run.err.replace("\n", " ")
    assert not (tmp_path / "run").exists()


def test_what_transformers_writes_is_no_reason_to_warn(read, tmp_path):
    transformers = pytest.importorskip("transformers")
    transformers.BertConfig(hidden_size=16, num_attention_heads=2).save_pretrained(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    found, _ = read(values | {"pooler_type": "first"})
    assert "transformers_version" in [key.key for key in found.with_outcome("ignored")]
    (line,) = found.warnings()
    assert "pooler_type ignored" in line


@pytest.mark.parametrize("empty", [None, {}])
@pytest.mark.parametrize("key", SHAPE)
def test_a_size_without_a_value_is_not_that_of_bert_base(read, key, empty):
    with pytest.raises(ConfigError, match=f"no value for {key}|{key} is None|embedding_size"):
        read({**SHAPE, key: empty})


@pytest.mark.parametrize(
    ("key", "misspelt"),
    [
        ("hidden_size", "hiden_size"),
        ("intermediate_size", "intermedate_size"),
        ("num_hidden_layers", "num_hiden_layers"),
        ("type_vocab_size", "typ_vocab_size"),
    ],
)
def test_a_misspelt_size_is_named(read, key, misspelt):
    values = {(misspelt if name == key else name): value for name, value in SHAPE.items()}
    with pytest.raises(ConfigError, match=rf"{misspelt} \(.*did you mean {key}\?"):
        read(values)
