"""`bertkit eval`: numbers beside those of transformers, targets and exit statuses."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import synthetic
import torch

from bertkit.tokenization.vocabulary import save_vocab

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def by_transformers(checkpoint) -> dict[str, float]:
    """Loss and accuracy of the training records, from Hugging Face's own model."""
    from transformers import BertForPreTraining

    rows = synthetic.batch(20, seed=1)
    tensors = {name: torch.from_numpy(np.asarray(values)).long() for name, values in rows.items()}
    model = BertForPreTraining.from_pretrained(checkpoint).eval()
    with torch.no_grad():
        found = model(
            input_ids=tensors["input_ids"],
            attention_mask=tensors["input_mask"],
            token_type_ids=tensors["segment_ids"],
        )
    row, place = torch.nonzero(tensors["masked_lm_weights"], as_tuple=True)
    logits = found.prediction_logits[row, tensors["masked_lm_positions"][row, place]]
    labels = tensors["masked_lm_ids"][row, place]
    pairs = found.seq_relationship_logits.argmax(1) == tensors["next_sentence_labels"]
    return {
        "mlm_loss": float(torch.nn.functional.cross_entropy(logits, labels)),
        "mlm_accuracy": float((logits.argmax(1) == labels).float().mean()),
        "nsp_accuracy": float(pairs.float().mean()),
    }


def test_numbers_equal_those_of_transformers(bertkit, trained):
    # The small model knows the records that it was trained on, and few others.
    found = bertkit("eval", "--input", trained.train, "--checkpoint", trained.run, "--json")
    assert found.status == 0, found.err
    result = found.result
    assert result["command"] == "eval" and result["records"] == 20
    assert [row["step"] for row in result["checkpoints"]] == [30, 60]
    for row in result["checkpoints"]:
        for name, value in by_transformers(row["checkpoint"]).items():
            assert row[name] == pytest.approx(value, rel=1e-5, abs=1e-6)
    assert result["checkpoints"][-1]["mlm_accuracy"] > 0.5


def test_the_baseline_is_the_most_frequent_masked_token(bertkit, trained):
    train, valid = synthetic.batch(20, seed=1), synthetic.batch(10, seed=2)
    counts = np.bincount(train["masked_lm_ids"][train["masked_lm_weights"] > 0])
    labels = valid["masked_lm_ids"][valid["masked_lm_weights"] > 0]
    words = ["--input", trained.valid, "--checkpoint", trained.run / "step-0000060"]
    found = bertkit("eval", *words, "--baseline", trained.train, "--json").result["baseline"]
    assert found["token"] == counts.argmax()
    assert found["accuracy"] == pytest.approx(float((labels == counts.argmax()).mean()))


def test_a_glob_of_checkpoints_as_a_table(bertkit, trained):
    found = bertkit("eval", "-i", trained.valid, "-c", trained.run / "step-*")
    lines = [line.split() for line in found.out.splitlines() if line.startswith("step-")]
    assert [line[0] for line in lines] == ["step-0000030", "step-0000060"]
    assert "Next: bertkit download squad-v1.1" in found.err  # no questions are here yet


def test_a_missed_target_has_a_status_of_its_own_after_the_numbers(bertkit, trained):
    words = ["eval", "-i", trained.train, "-c", trained.run / "step-0000060"]
    missed = bertkit(*words, "--min-mlm-accuracy", "0.999")
    assert missed.status == 5
    assert "step-0000060" in missed.out and "below --min-mlm-accuracy 0.999" in missed.err
    assert bertkit(*words, "--min-mlm-accuracy", "0.5").status == 0


def test_what_is_missing_is_named(bertkit, trained):
    gone = trained.folder / "gone"
    for words, status, named in (
        (("-c", trained.run), 2, "--input"),
        (("-i", trained.valid), 2, "--checkpoint"),
        (("-i", trained.valid, "-c", gone), 3, str(gone)),
        (("-i", gone, "-c", trained.run), 3, str(gone)),
    ):
        found = bertkit("eval", *words)
        assert (found.status, found.out) == (status, ""), words
        assert named in found.err


def test_a_remote_checkpoint_is_measured_like_its_copy(bertkit, trained, tmp_path, monkeypatch):
    import fsspec

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    system = fsspec.filesystem("memory")
    step = trained.run / "step-0000060"
    for path in step.rglob("*"):
        if path.is_file():
            system.pipe(f"/eval/{path.relative_to(trained.run)}", path.read_bytes())
    here = bertkit("eval", "--input", trained.valid, "--checkpoint", step, "--json")
    place = "memory://eval/step-0000060"
    there = bertkit("eval", "--input", trained.valid, "--checkpoint", place, "--json")
    assert there.status == 0, there.err
    first, second = (run.result["checkpoints"][0] for run in (here, there))
    assert first["mlm_loss"] == second["mlm_loss"]


def test_checkpoints_come_in_the_order_asked_for(bertkit, trained):
    asked = [trained.run / "step-0000060", trained.run / "step-0000030"]
    words = ("eval", "-i", trained.train, "-c", asked[0], "-c", asked[1], "--json")
    found = bertkit(*words, "--wait", "0.01", "--min-mlm-accuracy", "0.5")
    assert [row["step"] for row in found.result["checkpoints"]] == [60, 30]
    # The target is that of the latest one, which comes first here.
    assert found.result["checkpoints"][1]["mlm_accuracy"] < 0.5 and found.status == 0


def test_a_dry_run_looks_for_checkpoints_and_compares_vocabularies(bertkit, trained, tmp_path):
    call = ["eval", "--checkpoint", trained.run, "--input", trained.valid]
    assert bertkit(*call, "--dry-run").status == 0
    missing = bertkit(*call[:2], tmp_path / "nope", *call[3:], "--dry-run")
    assert missing.status == 3 and "no such checkpoint" in missing.err
    # A checkpoint that says what its tokens are, and a vocabulary of others.
    place = shutil.copytree(trained.run / "step-0000030", tmp_path / "model")
    for path, mark in ((place / "vocab.txt", "a"), (tmp_path / "other.txt", "b")):
        save_vocab(path, [*SPECIAL, *(f"{mark}{number}" for number in range(59))])
    other = ["eval", "--checkpoint", place, *call[3:], "--vocab", tmp_path / "other.txt"]
    dry, real = bertkit(*other, "--dry-run"), bertkit(*other)
    assert dry.status == real.status == 3
    assert dry.err == real.err and "has vocabulary" in dry.err
