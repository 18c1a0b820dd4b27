"""The lines of a model card that load the model run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import bertkit as api

SHAPE = {
    "vocab_size": 8192, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 8, "max_position_embeddings": 8,
}  # fmt: skip


@pytest.mark.parametrize("vocab", [None, "bertkit-uncased-8k"])
def test_the_lines_that_load_it_run(vocab, tmp_path, monkeypatch):
    folder = api.new_model(SHAPE, vocab=vocab).save(tmp_path / "model")
    card = Path(folder, "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", card, re.S)
    monkeypatch.chdir(folder)
    names: dict = {}
    exec(code, names)
    assert type(names["model"]).__name__ == "BertForPreTraining"
    assert ("tokenizer" in names) == bool(vocab)
    use = re.findall(r"In bertkit: `(.*)`", card)
    if not vocab:
        assert use == []
        return
    assert names["tokenizer"].tokenize("A list") == ["a", "list"]
    assert len(eval(use[0], {"bertkit": api, "MODEL": "."})) > 0
