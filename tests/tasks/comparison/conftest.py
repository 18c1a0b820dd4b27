"""Folders of scored runs, as `finetune` and `finetune-squad` leave them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


class Runs:
    """Writes runs below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def file(self, name: str, text: str = "x\n") -> str:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def scored(self, name: str, score: float = 0.5, **facts: Any) -> Path:
        """A finished run with `scores.json` in the form of `finetune`."""
        config = facts.pop("config", {})
        state = facts.pop("state", {})
        metric = facts.get("metric", "matthews")
        values = {
            "task": "classify", "metric": metric, "eval_file": "CoLA/dev.tsv", "examples": 527,
            "scores": {metric: score, "loss": 1.5}, "encoder": "runs/base", "seed": 1, "step": 9,
        }  # fmt: skip
        folder = self.root / name
        folder.mkdir(parents=True)
        (folder / "scores.json").write_text(json.dumps(values | facts))
        if config:
            (folder / "config.yaml").write_text(json.dumps(config))
        if state:
            (folder / "step-0000009").mkdir()
            (folder / "step-0000009/state.json").write_text(json.dumps(state))
        return folder


@pytest.fixture
def runs(tmp_path):
    return Runs(tmp_path)
