from __future__ import annotations

import json

from bertkit.model.checkpoints.run_state import write_state
from bertkit.tasks.comparison.scored_facts import begun_from, write_scored


def test_facts_of_a_runs_checkpoint_and_of_another(tmp_path):
    step = tmp_path / "step-0000009"
    step.mkdir()
    state = {"step": 9, "seed": 7, "data_fingerprint": "f", "config": {"init_checkpoint": "base"}}
    write_state(step, state | {"start": {"path": "other", "digest": "d"}})
    known = {
        "encoder": "other", "encoder_digest": "d", "train_digest": "f", "seed": 7, "step": 9,
    }  # fmt: skip
    assert begun_from(step) == known
    (step / "model.safetensors").touch()
    (tmp_path / "best").mkdir()
    assert begun_from(tmp_path / "best") == {k: v for k, v in known.items() if k != "step"}
    assert begun_from(tmp_path) == begun_from(None) == begun_from("") == {}
    write_scored(tmp_path, None, "gone", task="squad", metric="f1", examples=2)
    written = json.loads((tmp_path / "scored.json").read_text())
    assert written["task"] == "squad" and written["examples"] == 2
