"""pretrain, eval and report from the command line."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import synthetic
import torch

from commands.conftest import TINY_MODEL


@pytest.fixture
def words(tmp_path):
    """A quick run's command line."""
    torch.set_num_threads(1)
    synthetic.write(tmp_path / "train.tfrecord", 20, seed=1)
    synthetic.write(tmp_path / "eval.tfrecord", 10, seed=2)
    return [
        "pretrain", "--input", str(tmp_path / "train.tfrecord"), "--output", str(tmp_path / "run"),
        "--eval-input", str(tmp_path / "eval.tfrecord"), "--max_steps", "6", "--gbs", "8",
        "--micro-batch-size", "4", "--log-every", "2", "--save-every", "3", "--backend", "cpu",
        *TINY_MODEL,
    ]  # fmt: skip


def test_train_evaluate_and_report(words, bertkit, tmp_path):
    done = bertkit(*words, "--json")
    assert done.status == 0, done.err
    assert done.result["command"] == "pretrain"
    assert done.result["step"] == 6 and done.result["seconds"] > 0
    assert done.result["records"] == 20
    assert f"Next: bertkit eval --input {tmp_path}/eval.tfrecord" in done.err

    found = bertkit(
        "eval", "--input", tmp_path / "eval.tfrecord", "--checkpoint", tmp_path / "run",
        "--baseline", tmp_path / "train.tfrecord", "--json",
    )  # fmt: skip
    assert found.status == 0, found.err
    assert [item["step"] for item in found.result["checkpoints"]] == [3, 6]
    last = found.result["checkpoints"][-1]
    assert last["mlm_loss"] == pytest.approx(done.result["evaluation"]["mlm_loss"], rel=1e-5)
    assert 0 <= found.result["baseline"]["accuracy"] < 0.3

    drawn = bertkit("report", tmp_path / "run", "--json")
    assert drawn.status == 0, drawn.err
    assert Path(drawn.result["output"]).read_bytes().startswith(b"<!doctype html>")


@pytest.mark.slow
def test_tables_for_people(words, bertkit, tmp_path):
    done = bertkit(*words)
    assert "train mlm_accuracy" in done.out and "step-0000006" in done.out
    found = bertkit("eval", "-i", tmp_path / "eval.tfrecord", "-c", tmp_path / "run" / "step-*",
                    "--baseline", tmp_path / "train.tfrecord")  # fmt: skip
    assert "step-0000003" in found.out and "word frequencies" in found.out
    assert "accuracy, evaluation" in bertkit("report", tmp_path / "run").out


def test_dry_run_writes_nothing(words, bertkit, tmp_path):
    done = bertkit(*words, "--dry-run")
    assert done.status == 0, done.err
    assert "global batch 8 = micro-batch 4 x accumulation 2" in done.out
    assert "command line" in done.out and "--set" in done.out and "derived" in done.out
    assert not (tmp_path / "run").exists()
    plan = bertkit(*words, "--dry-run", "--json").result
    assert plan["dry_run"] is True
    assert plan["steps"] == 6 and plan["memory_bytes"] > 0 and plan["disk_bytes"] > 0


@pytest.mark.parametrize(("backend", "own"), [("cpu", ""), ("hpu", "hpu.mode ")])
def test_a_plan_has_the_settings_of_its_own_backend(words, bertkit, backend, own):
    """And those of another one that were given."""
    given = ["--backend", backend, "--set", "ipu.replicas=2", "--no-mock", "--dry-run"]
    done = bertkit(*words, *given)
    assert done.status == 0, done.err
    rows = [line for line in done.out.splitlines() if line.startswith(("cuda.", "hpu.", "ipu."))]
    (first, *_), (last, replicas) = rows, rows[:-3:-1]
    assert first.startswith(own or "ipu.replicas ") and replicas.split()[1] == "2"
    assert last.startswith("cuda.*, ") and ("hpu.*" in last) == (not own)
    assert last.endswith("not used here") and "cuda.compile" not in done.out
    assert "records.*" in last and "records.max_seq_length" not in done.out


def test_a_config_file_and_the_environment(words, bertkit, tmp_path, monkeypatch):
    file = tmp_path / "c.yaml"
    file.write_text("seed: 7\nlearning_rate: 1e-4\nbeta1: 0.8\n")
    monkeypatch.setenv("BERTKIT_PRETRAIN_BETA1", "0.7")
    done = bertkit(*words, "--config", file, "--lr", "1e-3", "--dry-run")
    assert done.status == 0, done.err
    cells = [line.split() for line in done.out.splitlines()]
    rows = {line[0]: line[1] for line in cells if len(line) > 2}
    assert (rows["seed"], rows["learning_rate"], rows["beta1"]) == ("7", "0.001", "0.7")


@pytest.mark.parametrize(
    ("flags", "value", "origin"),
    [
        (("--beta1", "0.6"), "0.6", "command line"),
        (("--set", "beta1=0.6"), "0.6", "--set"),
        ((), "0.7", "environment"),
    ],
)
def test_what_is_typed_comes_before_the_environment(
    words, bertkit, tmp_path, monkeypatch, flags, value, origin
):
    """Every layer names the same key, from the preset's default upwards."""
    file = tmp_path / "c.yaml"
    file.write_text("beta1: 0.8\n")
    monkeypatch.setenv("BERTKIT_PRETRAIN_BETA1", "0.7")
    done = bertkit(*words, "--config", file, *flags, "--dry-run")
    assert done.status == 0, done.err
    (row,) = [line.split(maxsplit=2) for line in done.out.splitlines() if "beta1" in line]
    assert row == ["beta1", value, origin]


def test_stopping_and_going_on(words, bertkit):
    stopped = bertkit(*words, "--steps-this-run", "4")
    assert stopped.status == 75
    assert stopped.err.splitlines()[-1] == "Hint: run the same command again to resume"
    done = bertkit(*words, "--json")
    assert (done.status, done.result["resumed_from"], done.result["step"]) == (0, 4, 6)


def test_a_missed_target_shows_what_was_reached(words, bertkit, tmp_path):
    missed = bertkit(*words, "--max-steps", "2", "--target-mlm-accuracy", "1", "--json")
    assert missed.status == 5
    assert "below --target-mlm-accuracy 1" in missed.err
    result = json.loads(missed.out.strip().splitlines()[-1])
    assert result["checkpoint"] == str(tmp_path / "run" / "step-0000002")
    assert result["evaluation"]["mlm_accuracy"] < 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_backend_that_is_not_here(words, bertkit, tmp_path):
    done = bertkit(*words, "--backend", "cuda")
    assert done.status == 4
    assert "\nError: no backend cuda here: torch" in f"\n{done.err}"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        (["--micro-batch-size", "3"], 3, "is not a multiple of --micro-batch-size 3"),
        (["--set", "model.max_position_embeddings=16"], 3, "max_seq_length 24"),
        (["--set", "model.vocab_size=20"], 3, "the model's vocabulary has 20 entries"),
        (["--input", "nothing.tfrecord"], 3, "nothing.tfrecord"),
        (["--init-checkpoint", "nowhere"], 3, "nowhere"),
        (["--optimizer", "sgdw"], 2, "sgdw"),
        (["--precision", "fp16"], 3, "--precision fp16 does not work on cpu"),
        (["--preset", "huge"], 2, "huge"),
    ],
)
def test_what_goes_wrong_is_one_line(words, bertkit, change, status, text):
    done = bertkit(*words, *change)
    assert done.status == status, done.err
    assert text in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_a_truncated_record_file(words, bertkit, tmp_path):
    path = tmp_path / "train.tfrecord"
    path.write_bytes(path.read_bytes()[:-10])
    done = bertkit(*words)
    assert done.status == 3
    assert "train.tfrecord: record 19" in done.err
    assert not (tmp_path / "run").exists()


def test_a_damaged_record_is_found_and_nothing_is_lost(words, bertkit, tmp_path):
    assert bertkit(*words, "--steps-this-run", "3").status == 75
    path = tmp_path / "train.tfrecord"
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    done = bertkit(*words)
    assert done.status == 3
    assert "wrong checksum of its data" in done.err
    assert (tmp_path / "run" / "step-0000003" / "state.json").is_file()


def test_evaluation_errors(words, bertkit, tmp_path):
    eval_words = ["eval", "--input", tmp_path / "eval.tfrecord", "--checkpoint"]
    missing = bertkit(*eval_words, tmp_path / "run" / "step-0000099")
    assert missing.status == 3 and "no such checkpoint" in missing.err
    bertkit(*words)
    below = bertkit(*eval_words, tmp_path / "run", "--min-mlm-accuracy", "0.99", "--json")
    assert below.status == 5
    assert json.loads(below.out.strip().splitlines()[-1])["checkpoints"]
    assert "--min-mlm-accuracy 0.99" in below.err


def test_report_of_nothing(bertkit, tmp_path):
    done = bertkit("report", tmp_path)
    assert done.status == 3 and "is not a run" in done.err


def test_text_instead_of_records(bertkit, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat\nit was a big cat\n\nthe sun is hot\nwe like it\n")
    words = [
        "pretrain", "--text", text, "--vocab", "bertkit-uncased-8k", "--msl", "32",
        "--dupe-factor", "8", "--output", tmp_path / "run", "--max-steps", "2", "--gbs", "4",
        "--mask", "dynamic", "--backend", "cpu",
        *TINY_MODEL[2:],
    ]  # fmt: skip
    planned = bertkit(*words, "--dry-run")
    assert planned.status == 0, planned.err
    assert "records.max_seq_length" in planned.out and not (tmp_path / "run").exists()
    done = bertkit(*words, "--json")
    assert done.status == 0, done.err
    assert done.result["step"] == 2 and done.result["records"] > 0


@pytest.mark.parametrize("backend", ["hpu", "ipu", "cs"])
def test_a_run_is_planned_for_a_machine_that_is_elsewhere(words, bertkit, backend):
    """By that machine's rules, with nothing of it installed; running it is status 4."""
    fitting = {
        "hpu": [], "ipu": ["--precision", "fp16", "--max-grad-norm", "0"],
        "cs": ["--precision", "bf16"],
    }[backend]  # fmt: skip
    words = [*words, "--backend", backend]
    plan = bertkit(*words, *fitting, "--dry-run", "--json")
    assert plan.status == 0, plan.err
    assert "planning only" in plan.err
    assert plan.result["steps"] == 6
    # An engine that runs whole loops has no mock batch, here or elsewhere.
    assert bertkit(*words, *fitting, "--dry-run", "--mock").status == (3 if backend == "cs" else 4)
    assert bertkit(*words, *fitting).status == 4
    refused = bertkit(*words, "--optimizer", "mlperf", "--precision", "fp32", "--dry-run")
    assert refused.status == 3 and "--optimizer" in refused.err


@pytest.mark.slow
def test_a_folder_whose_name_is_not_utf8(bertkit, trained, tmp_path):
    place = tmp_path / os.fsdecode(b"J\xf6rg")
    place.mkdir()
    records = shutil.copy(trained.train, place)
    words = ["pretrain", "--input", records, "--output", place / "run", "--gbs", "8"]
    words += ["--micro-batch-size", "8", *TINY_MODEL, "--save-every", "1", "--background-save"]
    assert bertkit(*words, "--max-steps", "4", "--steps-this-run", "2").status == 75
    run = bertkit(*words, "--max-steps", "4", "--json")
    assert (run.status, run.result["resumed_from"]) == (0, 2), run.err
    assert run.result["output"] == str(place / "run")
    found = bertkit("eval", "--checkpoint", place / "run", "--input", records, "--json")
    assert found.status == 0 and len(found.result["checkpoints"]) >= 1
    for words in (
        ["convert", place / "run", "--output", place / "converted", "--keep-optimizer"],
        ["inspect", place / "run"],
        ["report", place / "run", "--output", place / "report.html"],
    ):
        assert bertkit(*words).status == 0
    assert (place / "converted" / "optimizer.pt").is_file()


def test_a_full_disk_is_named_and_the_last_checkpoint_stays(bertkit, trained, tmp_path):
    """The limit on the size of files stands for the disk: writing fails in the same places."""
    resource = pytest.importorskip("resource", reason="no such limits on this system")
    words = ["pretrain", "--input", trained.train, "--output", tmp_path / "run", "--gbs", "8"]
    words += ["--micro-batch-size", "8", *TINY_MODEL, "--save-every", "1"]
    assert bertkit(*words, "--max-steps", "4", "--steps-this-run", "2").status == 75
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, hard))
    try:
        run = bertkit(*words, "--max-steps", "4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert run.status == 1
    assert "larger than this process or file system allows" in run.err
    assert "step-0000003" in run.err and "Traceback" not in run.err
    assert not list((tmp_path / "run").glob("*3*"))
    run = bertkit(*words, "--max-steps", "4", "--json")
    assert (run.status, run.result["resumed_from"], run.result["step"]) == (0, 2, 4)


def write_sea(folder: Path) -> Path:
    """`text.txt`, and the vocabulary of its words."""
    vocab = folder / "vocab.txt"
    words = ["the", "sea", "##s", "ship", "sails", "on", "and", "far", ".", "a"]
    vocab.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
    text = "the seas and a ship .\nthe ship sails on .\nthe sea and a ship far on .\n\n"
    (folder / "text.txt").write_text(text * 12)
    return vocab


def losses_of(run: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if row["kind"] == "train"]


@pytest.mark.parametrize("objective", ["mlm", "sop"])
def test_text_trains_as_its_records_do_with_each_objective(bertkit, tmp_path, objective):
    """The same losses, step by step; without a loss of the pair where there is none."""
    torch.set_num_threads(1)
    vocab = write_sea(tmp_path)
    record_words = ["--msl", "32", "--dupe-factor", "3", "--objective", objective]
    made = bertkit(
        "make-records", "-i", tmp_path / "text.txt", "-o", tmp_path / "records",
        "--vocab", vocab, *record_words,
    )  # fmt: skip
    assert made.status == 0, made.err
    words = [
        "--vocab", vocab, "--max-steps", "3", "--gbs", "4", "--log-every", "1", "--backend", "cpu",
        *(word for pair in zip(TINY_MODEL[::2], TINY_MODEL[1::2], strict=True)
          if "vocab_size" not in pair[1] for word in pair),
    ]  # fmt: skip
    sources = {"text": ["--text", tmp_path / "text.txt", *record_words],
               "files": ["--input", tmp_path / "records"]}  # fmt: skip
    for name, source in sources.items():
        done = bertkit("pretrain", *source, "--output", tmp_path / name, *words)
        assert done.status == 0, done.err
    ours, theirs = losses_of(tmp_path / "text"), losses_of(tmp_path / "files")
    assert [row["step"] for row in ours] == [1, 2, 3]
    assert [row["loss"] for row in ours] == [row["loss"] for row in theirs]
    for row in ours:
        assert 0 < row["mlm_loss"] < 10
        assert ("nsp_loss" in row or "nsp_accuracy" in row) == (objective == "sop")
        if objective == "mlm":
            assert row["loss"] == pytest.approx(row["mlm_loss"], rel=1e-6)


@pytest.mark.parametrize("style", ["nvidia", "hf", "cerebras"])
def test_text_of_a_style_that_needs_files_is_refused_in_one_line(bertkit, tmp_path, style):
    done = bertkit(
        "pretrain", "--text", tmp_path / "text.txt", "--vocab", write_sea(tmp_path),
        "--output", tmp_path / "run", "--style", style, "--objective", "mlm", *TINY_MODEL,
    )  # fmt: skip
    assert done.status == 3 and not (tmp_path / "run").exists()
    assert f"--style {style} makes record files only; --text needs --style google" in done.err


def test_unmasked_windows_are_masked_in_training(bertkit, shared, tmp_path):
    """Cerebras' dynamic masking: create_tfrecords_mlm_only.py --disable_masking, then training."""
    torch.set_num_threads(1)
    vocab = write_sea(tmp_path)
    made = bertkit(
        "make-records", "--style", "cerebras", "--objective", "unmasked", "--msl", "32",
        "-i", tmp_path / "text.txt", "-o", tmp_path / "records", "--vocab", vocab,
    )  # fmt: skip
    assert made.status == 0, made.err
    model = [word for word in TINY_MODEL if word != "--set"]
    settings = [part for word in model if not word.startswith("model.vocab_size")
                for part in ("--set", word)]  # fmt: skip
    command = [
        "pretrain", "--input", tmp_path / "records", "--output", tmp_path / "run", "--no-nsp",
        "--max-steps", "3", "--gbs", "4", "--micro-batch-size", "2", "--backend", "cpu", *settings,
    ]  # fmt: skip
    refused = bertkit(*command)
    assert refused.status == 3
    assert "--mask dynamic" in refused.err
    done = bertkit(*command, "--mask", "dynamic", "--vocab", vocab, "--json")
    assert done.status == 0, done.err
    assert done.result["step"] == 3
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    losses = [row["mlm_loss"] for row in rows if "mlm_loss" in row]
    assert losses and all(0 < loss < 10 for loss in losses)


def test_a_plan_for_several_processes_is_printed_once(bertkit, words, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, expected in (("0", True), ("1", False)):
        monkeypatch.setenv("RANK", rank)
        done = bertkit(*words, "--dry-run", "--no-mock")
        assert done.status == 0, done.err
        assert ("x processes 2" in done.out) == expected
