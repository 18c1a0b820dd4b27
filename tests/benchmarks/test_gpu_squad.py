from __future__ import annotations

import json
import lzma
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tasks.squad.world import PEOPLE, RIVERS, SIZES, WORDS, squad

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def module(benchmark_module):
    return benchmark_module("gpu_squad")


@pytest.fixture
def packing(benchmark_module):
    return benchmark_module("squad_pack")


@pytest.fixture
def checkpoint(tmp_path):
    """A folder like a published one, of tensors that are odd."""
    folder = tmp_path / "given"
    folder.mkdir()
    torch.manual_seed(1)
    tensors = {
        "one.weight": torch.randn(3, 5),
        "two.weight": torch.randn(2, 3, 1).bfloat16(),
        "none": torch.zeros(0, 4),
        "scalar": torch.tensor(-2.5),
        "position_ids": torch.arange(4)[None],
    }
    save_file(tensors, folder / "model.safetensors")
    for name in ("config.json", "vocab.txt", "tokenizer_config.json", "README.md"):
        (folder / name).write_text(f"{name}\n")
    return folder


@pytest.fixture
def questions(tmp_path):
    """Files to train on, under xz, and to predict."""
    train, predict = tmp_path / "t.json.xz", tmp_path / "p.json"
    train.write_bytes(lzma.compress(json.dumps(squad(RIVERS, PEOPLE)).encode()))
    predict.write_text(json.dumps(squad(RIVERS)))
    return train, predict


def test_what_is_packed_comes_out_rounded_to_float16(packing, checkpoint, questions, tmp_path):
    packed = tmp_path / "packed"
    said = packing.pack(checkpoint, *questions, packed)
    assert said["bytes"] == sum(path.stat().st_size for path in packed.iterdir())
    places = packing.unpack(packed, tmp_path / "out")
    before = load_file(checkpoint / "model.safetensors")
    after = load_file(places["checkpoint"] / "model.safetensors")
    assert before.keys() - after.keys() == {"position_ids"}
    for name, value in after.items():
        assert value.dtype == torch.float32 and torch.equal(value, before[name].half().float())
    difference = max(
        float((value - before[name]).abs().max()) for name, value in after.items() if value.numel()
    )
    assert 0 < difference == said["largest difference of a weight"]
    assert json.loads(places["train"].read_text()) == squad(RIVERS, PEOPLE)
    assert places["predict"].read_bytes() == questions[1].read_bytes()
    copied = {path.name for path in places["checkpoint"].iterdir()}
    assert copied == {"model.safetensors", "config.json", "vocab.txt", "tokenizer_config.json"}


def test_real_weights_become_smaller_than_their_float16(packing, checkpoint, questions, tmp_path):
    torch.manual_seed(1)
    save_file({"a": 0.02 * torch.randn(300, 400)}, checkpoint / "model.safetensors")
    packing.pack(checkpoint, *questions, tmp_path / "packed")
    assert (tmp_path / "packed" / "weights.xz").stat().st_size < 0.93 * 2 * 300 * 400


def test_weights_beyond_float16_are_refused(packing, checkpoint, questions, tmp_path):
    save_file({"a": torch.tensor([1e5])}, checkpoint / "model.safetensors")
    with pytest.raises(SystemExit, match="a has numbers that float16 cannot hold"):
        packing.pack(checkpoint, *questions, tmp_path / "packed")


def test_missing_files_of_a_checkpoint_are_named(packing, checkpoint, questions, tmp_path):
    (checkpoint / "vocab.txt").unlink()
    (checkpoint / "model.safetensors").unlink()
    with pytest.raises(SystemExit, match=r"no vocab\.txt, model\.safetensors in this folder"):
        packing.pack(checkpoint, *questions, tmp_path / "packed")
    assert not (tmp_path / "packed").exists()


def test_facts_are_those_of_result_and_metrics(module, tmp_path):
    lines = [
        {"kind": "train", "step": 2, "position": 20, "seconds": 10.0, "loss": 5.5},
        {"kind": "eval", "step": 2},
        {"kind": "train", "step": 4, "position": 80, "seconds": 16.0, "loss": 1.25},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = dict.fromkeys(module.RESULTS, 7) | {"step": 4, "scores": {"f1": 80.5}}
    found = module.facts(result, tmp_path)
    assert found["f1"] == 80.5 and found["steps"] == 4 and found["predict_seconds"] == 7
    assert found["windows per second"] == 5.0 and found["windows per second later"] == 10.0
    assert found["first loss"] == 5.5 and found["last loss"] == 1.25


def test_a_run_that_came_to_no_end_has_its_speeds(module, tmp_path):
    assert module.facts({}, tmp_path) == {}
    line = {"kind": "train", "step": 2, "position": 20, "seconds": 10.0, "loss": 5.5}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(line) + '\n{"kind": "tra')
    found = module.facts({}, tmp_path)
    assert found["steps"] == 2 and found["windows per second"] == 2.0


@pytest.mark.skipif(not shutil.which("sh"), reason="the command is one for sh")
def test_a_command_is_stopped_after_its_seconds(module, tmp_path):
    """It has time to save; what it says last counts only where it came to its end."""
    saving = "trap 'echo saved; exit 75' TERM; echo begun >&2; while :; do sleep 0.1; done"
    assert module._finished(["sh", "-c", saving], tmp_path / "log", 1.5) == (75, "")
    assert (tmp_path / "log").read_text() == "begun\n"
    words = [sys.executable, "-c", "print('a'); print('last')"]
    assert module._finished(words, tmp_path / "log", 0) == (0, "last")


def test_flags_are_known_to_the_command(module, tmp_path):
    from bertkit.commands.finetune_squad import command as finetune

    given = Namespace(
        epochs=2.0, batch=48, learning_rate=1e-4, log_every=100, questions=0, backend="cuda",
        compile=True, fused=True, graphs=True, more=["--seed", "3"],
    )  # fmt: skip
    places = dict.fromkeys(("checkpoint", "train", "predict"), tmp_path)
    words = module.command(given, places, tmp_path / "run")
    assert words[:4] == [sys.executable, "-m", "bertkit", "finetune-squad"]
    known = {name for option in finetune.params for name in (*option.opts, *option.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= known
    assert words[words.index("--set") + 1] == "cuda.fused=true" and "--compile" in words
    assert "cuda.graphs=true" in words


def test_run_needs_its_files(module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu_squad.py", "run", "--output", "out"])
    with pytest.raises(SystemExit):
        module.main()
    assert "--packed, or --init-checkpoint" in capsys.readouterr().err


@pytest.fixture
def model(tmp_path):
    """A tiny model with its vocabulary, as a published checkpoint."""
    from bertkit.model.checkpoints.hf import save_pretrained
    from bertkit.model.config import BertConfig
    from bertkit.model.heads import BertForPreTraining

    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split()]
    sizes = SIZES | {"max_position_embeddings": 384}
    folder = tmp_path / "model"
    save_pretrained(BertForPreTraining(BertConfig(vocab_size=len(words), **sizes)), folder)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    return folder


def ran(*words: object) -> dict:
    """What the program prints last."""
    command = [sys.executable, "benchmarks/gpu_squad.py", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return json.loads(done.stdout) | {"code": done.returncode}


@pytest.mark.slow
@pytest.mark.parametrize("way", ["packed", "files"])
def test_a_run_is_scored_and_reported(model, questions, tmp_path, way):
    train, predict = questions
    files = ("--init-checkpoint", model, "--train-file", train, "--predict-file", predict)
    if way == "packed":
        ran("pack", *files, "--output", tmp_path / "packed")
        shutil.rmtree(model)
        files = ("--packed", tmp_path / "packed")
    calm = ("--backend", "cpu", "--batch", 2, "--epochs", 3, "--log-every", 1)
    report = ran("run", *files, *calm, "--output", tmp_path / "out")
    assert report["code"] == report["status"] == 0
    assert report["train_questions"] > report["predict_windows"] > 0
    assert 0 <= report["exact_match"] <= report["f1"] <= 100
    assert report["windows per second later"] > 0
    kept = {path.name for path in (tmp_path / "out").iterdir()}
    assert kept == {"report.json", "finetune.log", "metrics.jsonl", "scores.json", "config.yaml"}


@pytest.mark.slow
def test_a_run_that_fails_reports_why(model, questions, tmp_path):
    (model / "config.json").write_text("{}")
    files = ("--init-checkpoint", model, "--train-file", questions[0])
    files += ("--predict-file", questions[1], "--backend", "cpu")
    report = ran("run", *files, "--output", tmp_path / "out")
    assert report["code"] == report["status"] != 0
    assert "Error" in report["tail"] and "steps" not in report
