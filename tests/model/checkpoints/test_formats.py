"""The table of checkpoint formats: its rows, and formats from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bertkit.errors import DataError, UsageError
from bertkit.model.checkpoints import formats, loading
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.heads import BertForPreTraining
from bertkit.model.parameter_names import WORD_EMBEDDINGS
from model.checkpoints.common import same

ROOT = Path(__file__).resolve().parents[3]


def test_every_row_has_a_module_that_keeps_its_promises():
    for row in formats.all_formats():
        module = row.load()
        assert callable(module.find) and callable(module.read)
        assert bool(row.target) == hasattr(module, "write")
    for row in formats.targets():
        assert callable(row.load().write)
        assert row.unheld({}) == []
        assert formats.get(row.read_as or row.name) in formats.all_formats()
    assert [row.name for row in formats.targets()] == ["hf", "nvidia", "tf1", "tf2"]
    assert formats.get("cerebras").title == "Cerebras .mdl"
    with pytest.raises(UsageError, match="no checkpoint format 'onnx'"):
        formats.get("onnx")
    with pytest.raises(UsageError, match="'hf' already"):
        formats.register(formats.get("hf"))


def test_the_table_alone_imports_no_torch():
    program = (
        "import sys, bertkit.model.checkpoints.formats as f; f.targets(); 'torch' in sys.modules"
        " and sys.exit('torch')"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


@pytest.mark.slow
def test_a_format_from_outside_is_converted_both_ways(tmp_path, small):
    """Registered by one call: no file of the package knows it."""
    model = BertForPreTraining(small)
    save_pretrained(model, tmp_path / "in")
    toy, out = str(tmp_path / "toy"), str(tmp_path / "out")
    commands = [
        ["convert", "--help"],
        ["convert", str(tmp_path / "in"), "--to", "toy", "--output", toy],
        ["convert", toy, "--check"],
        ["convert", toy, "--output", out, "--vocab-size", "211"],
    ]
    run = subprocess.run(
        [sys.executable, "-m", "model.checkpoints.toy_format", json.dumps(commands)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    shown = " ".join(run.stdout.split())
    assert "[toy|hf|nvidia|tf1|tf2]" in shown and "toy: an .npz of arrays" in shown
    assert "toy → BertForPreTraining: 46 of 47 tensors taken" in shown
    assert "left out: a note of the toy" in shown
    weights = loading.load_weights(out)
    assert weights[WORD_EMBEDDINGS].shape[0] == 211
    same(weights, model.state_dict())
    # Without the registration the file belongs to no format.
    with pytest.raises(DataError, match="is a zip archive, not a checkpoint"):
        loading.read(tmp_path / "toy" / "weights.npz")
