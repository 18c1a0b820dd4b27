from __future__ import annotations

import hashlib
import json

from bertkit.model.checkpoints.run_state import write_state
from bertkit.tasks.comparison.scored_facts import scored_facts, write_scored


def test_facts_of_a_runs_checkpoint_and_of_another(tmp_path):
    (tmp_path / "dev.json").write_text("x")
    step = tmp_path / "step-0000009"
    step.mkdir()
    state = {"step": 9, "seed": 7, "data_fingerprint": "f", "config": {"init_checkpoint": "base"}}
    write_state(step, state | {"start": {"path": "other", "digest": "d"}})
    file = {
        "eval_file": str(tmp_path / "dev.json"),
        "eval_sha256": hashlib.sha256(b"x").hexdigest(),
    }
    assert scored_facts(step, file["eval_file"]) == file | {
        "encoder": "other", "encoder_digest": "d", "train_digest": "f", "seed": 7, "step": 9,
    }  # fmt: skip
    assert scored_facts(tmp_path, file["eval_file"]) == file
    assert scored_facts(None, "gone") == {"eval_file": "gone", "eval_sha256": ""}
    write_scored(tmp_path, None, "gone", task="squad", metric="f1", examples=2)
    written = json.loads((tmp_path / "scored.json").read_text())
    assert written["task"] == "squad" and written["examples"] == 2
