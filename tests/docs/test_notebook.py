"""examples/quickstart.ipynb runs from its first cell to its last, and ends with guesses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"


def test_it_is_stored_without_what_a_run_left():
    """Outputs and counters of one machine would be noise in every change."""
    for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.slow
def test_it_runs(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    notebook = nbformat.read(NOTEBOOK, 4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()  # an error of a cell is raised
    printed = ["".join(o.get("text", "") for o in cell.get("outputs", ())) for cell in notebook.cells]
    guesses = re.findall(r"^(0\.\d{3})  (\S+)$", printed[-1], re.M)
    assert len(guesses) == 5
    # It is better than the most frequent token is.
    accuracy, baseline = (
        float(re.search(rf"^{name}\S*.*?(0\.\d+)", printed[-3], re.M)[1])
        for name in ("step-", "word frequencies")
    )
    assert accuracy > baseline
