"""The commands on IPUs, played by the stand-in, and several processes under poprun."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import synthetic
import torch
from safetensors.torch import load_file
from together import ends_of

from bertkit.backends import registry
from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.errors import MissingDependencyError
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining

from .copies import FAKES, changed_adapter, engine

SIZES = ("vocab_size=64", "hidden_size=8", "num_hidden_layers=2", "num_attention_heads=2",
         "intermediate_size=16", "max_position_embeddings=16")  # fmt: skip
STILL = ("hidden_dropout_prob=0", "attention_probs_dropout_prob=0")


@pytest.fixture
def poptorch():
    with engine() as module:
        yield module


def words(folder: Path, output: str, *more: object) -> list[str]:
    """A run of two steps as a command line."""
    if not (folder / "train.tfrecord").exists():
        synthetic.write(folder / "train.tfrecord", 24, length=16, predictions=3, seed=1)
        synthetic.write(folder / "eval.tfrecord", 7, length=16, predictions=3, seed=2)
    sets = [word for item in (*SIZES, *STILL) for word in ("--set", f"model.{item}")]
    given = [
        "pretrain", "--input", folder / "train.tfrecord", "--output", folder / output,
        "--max-steps", 2, "--gbs", 8, "--micro-batch-size", 1, "--lr", 0.5, "--log-every", 1,
        "--optimizer", "sgd", *sets, *more,
    ]  # fmt: skip
    return [str(word) for word in given]


def ipu(*settings: str) -> list[str]:
    return ["--backend", "ipu", *(word for item in settings for word in ("--set", f"ipu.{item}"))]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(str(folder / "step-0000002" / "model.safetensors"))


def test_pretrain_and_eval(bertkit, poptorch, tmp_path):
    done = bertkit(*words(tmp_path, "ipu", *ipu("layers_per_ipu=[1, 1]")), "--json")
    assert done.status == 0, done.err
    assert done.result["step"] == 2
    assert bertkit(*words(tmp_path, "cpu", "--backend", "cpu")).status == 0
    mine, theirs = weights(tmp_path / "ipu"), weights(tmp_path / "cpu")
    for name, value in theirs.items():
        torch.testing.assert_close(mine[name], value, rtol=0, atol=1e-5)

    found = {}
    for backend in ("ipu", "cpu"):
        run = bertkit(
            "eval", "--input", tmp_path / "eval.tfrecord", "--checkpoint", tmp_path / "ipu",
            "--batch-size", 4, "--backend", backend, "--json",
        )  # fmt: skip
        assert run.status == 0, run.err
        (found[backend],) = run.result["checkpoints"]
    for name in ("mlm_loss", "mlm_accuracy", "nsp_loss", "nsp_accuracy"):
        assert found["ipu"][name] == pytest.approx(found["cpu"][name], rel=1e-4)


def test_a_dry_run_compiles_nothing_and_tells_every_problem(bertkit, poptorch, tmp_path):
    good = bertkit(*words(tmp_path, "ipu", *ipu("layers_per_ipu=[1, 1]"), "--dry-run"))
    assert good.status == 0, good.err
    assert re.search(r"ipu.layers_per_ipu +1, 1 ", good.out)
    assert poptorch.DEVICE.compiled == []
    bad = bertkit(
        *words(
            tmp_path, "ipu", *ipu("layers_per_ipu=[1, 2]", "device_iterations=3"), "--dry-run",
            "--precision", "bf16",
        )
    )  # fmt: skip
    assert bad.status == 3
    for text in ("places 3 layers", "a call trains one step", "--precision bf16 does not work"):
        assert text in bad.err
    assert "Traceback" not in bad.err


def graphcore_file(folder: Path) -> Path:
    """A small configuration in the form of Graphcore's TensorFlow 2 programs."""
    value = {
        "micro_batch_size": 1, "replicas": 2, "grad_acc_steps_per_replica": 6,
        "loss_scaling": 64, "matmul_available_memory_proportion_per_pipeline_stage": [0.2, 0.3],
        "matmul_partials_type": "half",
        "pipeline_stages": [["emb", "hid"], ["hid", "enc_out"], ["pool", "heads"]],
        "device_mapping": [0, 1, 0], "enable_recomputation": True,
        "optimizer_state_offchip": False, "replicated_tensor_sharding": True,
        "embedding_serialization_factor": 2, "seed": 7,
        "optimizer_opts": {"name": "lamb", "params": {"weight_decay_rate": 0.01}},
        "learning_rate": {
            "lr_schedule": "up_down",
            "lr_schedule_params": {"max_learning_rate": 0.001, "warmup_frac": 0.3},
        },
        "total_num_train_samples": 24, "max_seq_length": 16, "max_predictions_per_seq": 3,
        "bert_config": {
            "vocab_size": 64, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
            "intermediate_size": 16, "max_position_embeddings": 16,
        },
    }  # fmt: skip
    path = folder / "pretrain_tiny.json"
    path.write_text(json.dumps(value))
    return path


def test_graphcores_own_file_runs_as_it_is(bertkit, poptorch, tmp_path):
    words(tmp_path, "unused")  # writes the records
    done = bertkit(
        "pretrain", "--config", graphcore_file(tmp_path), "--input", tmp_path / "train.tfrecord",
        "--output", tmp_path / "run", "--json",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert done.result["step"] == 2, "24 samples / (1 x 2 x 6)"
    (training,) = poptorch.DEVICE.compiled
    values = training.options.values
    assert (values["replication"], values["memory"]) == (2, {0: 0.2, 1: 0.3})
    assert training.options.Training.values["accumulation"] == 6
    assert training.options.Precision.values["partials"] == "half"
    assert training.options.TensorLocations.values["optimizer"] == {
        "on_chip": True, "sharded": True,
    }  # fmt: skip
    assert [ipu for _, ipu in training.trace.blocks] == [0, 1, 0]
    assert training.trace.serialized == [2]
    assert training.numbers["loss_scaling"] == 64.0
    assert type(training.optimizer).__name__ == "LAMB"


def test_compile_only_from_the_command_line(bertkit, poptorch, squad, tmp_path, monkeypatch):
    monkeypatch.setattr(poptorch.DEVICE, "ipus", 0)
    done = bertkit(*words(tmp_path, "ipu", *ipu("compile_only=true", "layers_per_ipu=[1, 1]")))
    assert done.status == 0, done.err
    assert "compiled" in done.err and "nothing was trained" in done.err
    assert len(poptorch.DEVICE.compiled) == 1 and poptorch.DEVICE.calls == 0
    done = bertkit(*squad("questions", *ipu("compile_only=true")))
    assert done.status == 0 and "nothing was trained" in done.err, done.err
    assert len(poptorch.DEVICE.compiled) == 2 and poptorch.DEVICE.calls == 0
    none = bertkit(*words(tmp_path, "none", *ipu()))
    assert none.status == 4 and "finds no IPU" in none.err


def test_without_the_package(bertkit, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place != str(FAKES)])
    done = bertkit(*words(tmp_path, "ipu", *ipu()))
    assert done.status == 4
    lines = done.err.strip().splitlines()
    assert lines[0] == "Error: no backend ipu here: the package poptorch is not installed"
    assert lines[1].startswith("Hint: install the Poplar SDK") and "pip install" in lines[1]
    assert len(lines) == 2


def test_doctor_lists_it_and_auto_wants_a_device(bertkit, poptorch, monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU, which auto prefers")

    def line() -> str:
        out = bertkit("doctor").out
        return next(text for text in out.splitlines() if text.startswith("ipu"))

    assert "ready" in line() and "IPU Mk2" in line()
    assert registry.get("auto").caps.name in ("hpu", "ipu")
    monkeypatch.setattr(poptorch.DEVICE, "ipus", 0)
    assert "missing" in line() and "finds no IPU" in line() and "gc-info" in bertkit("doctor").out
    assert registry.get("auto").caps.name != "ipu"
    monkeypatch.setenv("POPTORCH_IPU_MODEL", "1")
    assert "ready" in line() and "IPU Model" in line()


def test_a_broken_installation_says_so(monkeypatch, poptorch):
    def fail() -> bool:
        raise ImportError("libpoplar.so: cannot open shared object file")

    monkeypatch.setattr(poptorch, "ipuHardwareIsAvailable", fail)
    with pytest.raises(MissingDependencyError, match=r"does not load: libpoplar\.so"):
        registry.get("ipu")


def test_the_peak_is_measured_on_the_device(poptorch):
    adapter = registry.get("ipu")
    adapter.start()
    plain = poptorch.inferenceModel

    def small(model, options=None):
        model.count = 2
        return plain(model, options)

    poptorch.inferenceModel = small
    assert adapter.peak_flops("fp32") > 0
    assert poptorch.DEVICE.holder is None


TEXT = "anna wrote a poem in paris"


@pytest.fixture
def squad(tmp_path):
    """Three questions, an encoder, and a command line that learns them by heart."""
    torch.manual_seed(0)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "who", "where", "what", *TEXT.split()]
    shape = BertConfig(
        vocab_size=len(tokens), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=32, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    save_pretrained(BertForPreTraining(shape), tmp_path / "encoder")
    (tmp_path / "encoder" / "vocab.txt").write_text("\n".join(tokens) + "\n")
    asked = [("who", "anna"), ("where", "paris"), ("what", "a poem")]
    entries = [
        {"id": word, "question": f"{word} wrote",
         "answers": [{"text": answer, "answer_start": TEXT.index(answer)}]}
        for word, answer in asked
    ]  # fmt: skip
    value = {"data": [{"title": "t", "paragraphs": [{"context": TEXT, "qas": entries}]}]}
    (tmp_path / "q.json").write_text(json.dumps(value))

    def command(output: str, *more: object) -> list[object]:
        return [
            "finetune-squad", "--init-checkpoint", tmp_path / "encoder", "--train-file",
            tmp_path / "q.json", "--predict-file", tmp_path / "q.json", "--output",
            tmp_path / output, "--msl", 20, "--max-query-length", 8, "--doc-stride", 8,
            "--max-steps", 4, "--gbs", 6, "--micro-batch-size", 1, "--lr", "0.1",
            "--optimizer", "sgd", "--predict-batch-size", 2, *more, "--json",
        ]  # fmt: skip

    return command


def test_questions_are_learned_and_answered_as_on_the_cpu(bertkit, poptorch, squad, tmp_path):
    """Trains on two IPUs, answers on them: the last batch has one window of two."""
    results = {}
    for backend in ("cpu", "ipu"):
        more = ["--backend", "cpu"] if backend == "cpu" else ipu("layers_per_ipu=[1, 1]")
        done = bertkit(*squad(backend, *more))
        assert done.status == 0, done.err
        results[backend] = done.result
    assert results["ipu"]["train"]["loss"] == pytest.approx(results["cpu"]["train"]["loss"], 1e-4)
    assert results["ipu"]["scores"] == results["cpu"]["scores"]
    best = [
        json.loads((tmp_path / backend / "nbest_predictions.json").read_text())
        for backend in ("cpu", "ipu")
    ]
    for name, guesses in best[0].items():
        mine = {guess["text"]: guess["start_logit"] for guess in best[1][name]}
        for guess in guesses[:3]:
            assert mine[guess["text"]] == pytest.approx(guess["start_logit"], abs=1e-4)
    training, answering = poptorch.DEVICE.compiled
    assert [block for block, _ in training.trace.blocks] == ["stage0", "stage1", "stage2"]
    assert training.training and not answering.training
    assert poptorch.DEVICE.calls == 4 + 2


def test_answers_need_every_output_of_a_call(poptorch, squad, bertkit, monkeypatch):
    broken = changed_adapter("engine_options", "OutputMode.All", "OutputMode.Sum")
    monkeypatch.setattr(registry, "get", lambda name: broken)
    with pytest.raises(Exception, match=r"shape|size|index|broadcast"):
        bertkit(*squad("broken", *ipu("layers_per_ipu=[1, 1]")))


PROGRAM = """
import sys, torch
sys.path.insert(0, {fakes!r})
from bertkit.cli import main
sys.exit(main(sys.argv[1:]))
"""


def start(folder: Path, rank: int, line: list[object]) -> subprocess.Popen[str]:
    """One of two processes of a command, as poprun would start it."""
    place = {
        "POPDIST_NUM_INSTANCES": "2", "POPDIST_INSTANCE_INDEX": str(rank),
        "POPDIST_NUM_LOCAL_REPLICAS": "1", "FAKE_HOROVOD_FILE": str(folder / "meeting"),
        "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo",
    }  # fmt: skip
    program = PROGRAM.format(fakes=str(FAKES))
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, line)], env={**os.environ, **place}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.slow
def test_two_processes_make_the_steps_of_one(bertkit, tmp_path):
    more = ("--gbs", 12, "--eval-input", tmp_path / "eval.tfrecord")
    assert bertkit(*words(tmp_path, "cpu", "--backend", "cpu", *more)).status == 0
    line = words(tmp_path, "two", *ipu("layers_per_ipu=[1, 1]"), *more)
    both = [start(tmp_path, rank, line) for rank in (0, 1)]
    ends = ends_of(both, timeout=300)
    assert [status for status, *_ in ends] == [0, 0], ends
    assert "step-0000002" in ends[0][1] and ends[1][1] == "", "one of them talks"
    mine, theirs = weights(tmp_path / "two"), weights(tmp_path / "cpu")
    for name, value in theirs.items():
        torch.testing.assert_close(mine[name], value, rtol=0, atol=1e-5)
    last = [
        json.loads((tmp_path / name / "metrics.jsonl").read_text().splitlines()[-1])
        for name in ("two", "cpu")
    ]
    assert last[0]["kind"] == last[1]["kind"] == "eval"
    for name in ("mlm_loss", "mlm_accuracy", "nsp_loss"):
        assert last[0][name] == pytest.approx(last[1][name], rel=1e-4)


@pytest.mark.slow
def test_two_processes_learn_and_answer_as_one(bertkit, squad, tmp_path):
    """Twelve windows a step, and three to answer in batches of two."""
    assert bertkit(*squad("cpu", "--backend", "cpu", "--gbs", 12)).status == 0
    line = squad("two", *ipu("layers_per_ipu=[1, 1]"), "--gbs", 12)
    both = [start(tmp_path, rank, line) for rank in (0, 1)]
    ends = ends_of(both, timeout=300)
    assert [status for status, *_ in ends] == [0, 0], ends
    assert ends[1][1] == "", "the second talks"
    mine, theirs = (
        load_file(tmp_path / name / "step-0000004/model.safetensors") for name in ("two", "cpu")
    )
    for name, value in theirs.items():
        torch.testing.assert_close(mine[name], value, rtol=0, atol=1e-5)
    answers = [(tmp_path / name / "predictions.json").read_text() for name in ("two", "cpu")]
    assert answers[0] == answers[1]


def test_the_model_must_be_known_to_place_it(poptorch):
    adapter = registry.get("ipu")
    assert adapter.validate(StepPlan(layout="padded"), OptimizerSpec()) == []
    with pytest.raises(RuntimeError, match="sizes of the model"):
        adapter.build(torch.nn.Linear(1, 1), None, StepPlan())
