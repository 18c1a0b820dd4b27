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


def test_how_the_records_were_made_is_what_their_manifest_says(tmp_path):
    """Not the defaults that the settings of the run have for records it could have made."""
    text = tmp_path / "text.txt"
    text.write_text("A list of names.\nIt has five.\n\nA class.\nIt has names.\n" * 9)
    vocab = "bertkit-uncased-8k"
    made = {"max_seq_length": 16, "dupe_factor": 3}
    api.make_records(text, tmp_path / "records", made, vocab=vocab)
    settings = {"max_steps": 1, "global_batch_size": 2, "micro_batch_size": 2, "backend": "cpu"}
    settings["model"] = {key: SHAPE[key] for key in list(SHAPE)[1:5]}
    run = api.pretrain(tmp_path / "records", tmp_path / "run", settings, vocab=vocab)
    api.convert(run.output, tmp_path / "model")
    card = Path(tmp_path, "model/README.md").read_text()
    assert "| max_seq_length | 16 |" in card and "| dupe_factor | 3 |" in card
    assert "records.max_seq_length" not in card and "records.do_lower_case" in card
    page = api.make_report([run.output], tmp_path / "report.html")
    text = Path(page.output).read_text()
    assert "records.dupe_factor" not in text and "records.do_lower_case" in text
