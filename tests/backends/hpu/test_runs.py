"""Whole runs of the hpu adapter on the stand-in: through the command line, and on two cards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import synthetic
import torch
from safetensors.torch import load_file
from tasks.squad.world import PEOPLE, RIVERS, WORDS, squad
from together import ends_of, free_ports

from backends.hpu import gaudi, gaudi_pair
from bertkit.backends.hpu import adapter
from bertkit.train.checkpoints import checkpoint

HERE = Path(__file__).parent
PLACES = (HERE.parents[1], HERE.parents[2], HERE.parent / "fakes")
MODEL = ["hidden_size=16", "num_hidden_layers=1", "num_attention_heads=2", "intermediate_size=32",
         "max_position_embeddings=48", "hidden_dropout_prob=0.0",
         "attention_probs_dropout_prob=0.0"]  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    place = tmp_path_factory.mktemp("records") / "r.tfrecord"
    return synthetic.write(place, gaudi.RECORDS, seed=5)


@pytest.fixture
def cards(monkeypatch):
    """A machine with a card."""
    monkeypatch.setattr(adapter, "DEVICE_NODES", (__file__,))
    with gaudi.machine():
        yield


@pytest.fixture
def words(tmp_path):
    """A quick run's command line."""
    synthetic.write(tmp_path / "train.tfrecord", 20, seed=1)
    synthetic.write(tmp_path / "eval.tfrecord", 10, seed=2)
    sets = [word for item in ("vocab_size=64", *MODEL) for word in ("--set", f"model.{item}")]
    return [
        "pretrain", "--input", str(tmp_path / "train.tfrecord"),
        "--eval-input", str(tmp_path / "eval.tfrecord"), "--max_steps", "4", "--gbs", "8",
        "--micro-batch-size", "4", "--log-every", "2", "--save-every", "2", "--eval-every", "2",
        "--learning-rate", "0.01", "--json", *sets,
    ]  # fmt: skip


def weights_of(place):
    return load_file(Path(place) / "model.safetensors")


@pytest.mark.slow
def test_pretrain_resume_next_phase_and_eval(words, bertkit, tmp_path, cards):
    hpu_words = [*words, "--backend", "hpu", "--optimizer", "nvlamb"]
    whole = bertkit(*hpu_words, "--output", tmp_path / "whole")
    assert whole.status == 0, whole.err
    first = bertkit(*hpu_words, "--output", tmp_path / "parts", "--steps-this-run", "2")
    assert first.status == 75
    rest = bertkit(*hpu_words, "--output", tmp_path / "parts")
    assert rest.status == 0 and rest.result["resumed_from"] == 2
    one, other = (weights_of(done.result["checkpoint"]) for done in (whole, rest))
    assert [name for name in one if not torch.equal(one[name], other[name])] == []

    phase2 = bertkit(
        *hpu_words, "--output", tmp_path / "phase2", "--init-checkpoint",
        whole.result["checkpoint"], "--steps-this-run", "2",
    )  # fmt: skip
    assert phase2.status == 75
    place = tmp_path / "phase2" / "step-0000002"
    steps = {
        float(own["step"]) for own in checkpoint.load_stepper_state(place)["optimizer"].values()
    }
    assert steps == {2.0}
    lines = (tmp_path / "phase2" / "metrics.jsonl").read_text().splitlines()
    rates = [json.loads(line)["learning_rate"] for line in lines if '"train"' in line]
    begun = (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()
    assert rates[0] == json.loads(begun[0])["learning_rate"]

    measured = bertkit(
        "eval", "--input", tmp_path / "eval.tfrecord", "-c", whole.result["checkpoint"],
        "--batch-size", "4", "--backend", "hpu", "--set", "hpu.graphs=true", "--json",
    )  # fmt: skip
    assert measured.status == 0, measured.err
    (quality,) = measured.result["checkpoints"]
    assert quality["mlm_loss"] == pytest.approx(whole.result["evaluation"]["mlm_loss"], rel=1e-5)
    assert gaudi.engine().LOG.initialised == 1


def test_pretrain_trains_what_the_cpu_trains(words, bertkit, tmp_path, cards):
    # The first rate of a warm-up is 0.
    more = ["--optimizer", "sgd", "--warmup-steps", "0"]
    results = [
        bertkit(*words, *more, "--backend", name, "--output", tmp_path / name)
        for name in ("cpu", "hpu")
    ]
    assert [done.status for done in results] == [0, 0], results[1].err
    one, other = (weights_of(done.result["checkpoint"]) for done in results)
    assert max(float((one[name] - other[name]).abs().max()) for name in one) < 1e-5
    assert results[0].result["evaluation"] == pytest.approx(
        results[1].result["evaluation"], rel=1e-5
    )


@pytest.fixture
def questions(tmp_path):
    """A command line that learns five questions."""
    vocab = tmp_path / "vocab.txt"
    vocab.write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split()]) + "\n"
    )
    (tmp_path / "train.json").write_text(json.dumps(squad(RIVERS, PEOPLE)))
    encoder = tmp_path / "encoder"
    shape = dict(item.split("=") for item in MODEL)
    torch.manual_seed(0)
    _save_encoder(encoder, len(vocab.read_text().split()), shape)
    return [
        "finetune-squad", "--train-file", tmp_path / "train.json", "--predict-file",
        tmp_path / "train.json", "--init-checkpoint", encoder, "--vocab", vocab,
        "--max-seq-length", "48", "--doc-stride", "16", "--max-query-length", "12", "--gbs", "4",
        "--micro-batch-size", "2", "--max-steps", "3", "--optimizer", "sgd", "--lr", "0.1",
        "--predict-batch-size", "2", "--warmup-proportion", "0", "--json",
    ]  # fmt: skip


@pytest.mark.parametrize("graphs", ["false", "true"])
def test_finetune_squad_and_predict(questions, bertkit, tmp_path, cards, graphs):
    results = [
        bertkit(*questions, "--backend", name, "--output", tmp_path / name,
                "--set", f"hpu.graphs={graphs}")
        for name in ("cpu", "hpu")
    ]  # fmt: skip
    assert [done.status for done in results] == [0, 0], results[1].err
    answers = [(tmp_path / name / "predictions.json").read_text() for name in ("cpu", "hpu")]
    assert answers[0] == answers[1]
    one, other = (weights_of(done.result["checkpoint"]) for done in results)
    assert max(float((one[name] - other[name]).abs().max()) for name in one) < 1e-5


def _save_encoder(place, size, shape):
    from bertkit.model.checkpoints.hf import save_pretrained
    from bertkit.model.config import BertConfig
    from bertkit.model.heads import BertForPreTraining

    numbers = {name: float(text) if "." in text else int(text) for name, text in shape.items()}
    save_pretrained(BertForPreTraining(BertConfig(vocab_size=size, **numbers)), place)


# ---------------------------------------------------------------- several processes


def start(program, *words, world=2):
    """Start processes as mpirun does; (status, stdout, stderr) of each."""
    (port,) = free_ports(1)
    processes = [
        subprocess.Popen(
            [sys.executable, str(HERE / program), *map(str, words)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={
                **os.environ, "OMPI_COMM_WORLD_SIZE": str(world), "OMP_NUM_THREADS": "1",
                "OMPI_COMM_WORLD_RANK": str(rank), "OMPI_COMM_WORLD_LOCAL_RANK": str(rank),
                "OMPI_COMM_WORLD_LOCAL_SIZE": str(world), "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
                "PYTHONPATH": os.pathsep.join(map(str, PLACES)),
            },
        )
        for rank in range(world)
    ]  # fmt: skip
    return ends_of(processes, timeout=900)


@pytest.mark.slow
def test_two_cards_of_one_run_train_what_the_cpu_trains(words, bertkit, tmp_path):
    """Through the command line, from mpirun's environment, on the lazy device."""
    more = ["--optimizer", "sgd", "--warmup-steps", "0", "--micro-batch-size", "2"]
    done = start("gaudi_main.py", *words, *more, "--backend", "hpu", "--output", tmp_path / "two")
    assert [status for status, *_ in done] == [0, 0], done[0][2] + done[1][2]
    assert done[1][1] == ""
    result = json.loads(done[0][1].splitlines()[-1])
    assert result["plan"]["batch_equation"].endswith("accumulation 2 x processes 2")
    one = bertkit(*words, *more, "--backend", "cpu", "--output", tmp_path / "one")
    pair = (weights_of(item["checkpoint"]) for item in (result, one.result))
    first, second = pair
    assert max(float((first[name] - second[name]).abs().max()) for name in first) < 1e-5
    assert result["evaluation"] == pytest.approx(one.result["evaluation"], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["hpu.mode=eager", "hpu.flat_all_reduce=false"],
        pytest.param(["hpu.mode=lazy"], marks=pytest.mark.slow),
    ],
)
def test_two_cards_learn_and_answer_questions(questions, bertkit, tmp_path, options):
    """Both exchanges of gradients; five windows in batches of two go to two cards."""
    sets = [word for item in options for word in ("--set", item)]
    ends = start(
        "gaudi_main.py", *questions, *sets, "--backend", "hpu", "--output", tmp_path / "two"
    )
    assert [status for status, *_ in ends] == [0, 0], ends[0][2] + ends[1][2]
    assert ends[1][1] == ""
    two = json.loads(ends[0][1].splitlines()[-1])
    one = bertkit(*questions, "--backend", "cpu", "--output", tmp_path / "one").result
    first, second = (weights_of(item["checkpoint"]) for item in (one, two))
    assert max(float((first[name] - second[name]).abs().max()) for name in first) < 1e-5
    for name in ("loss", "span_loss", "span_accuracy"):
        assert two["train"][name] == pytest.approx(one["train"][name], rel=1e-5), name
    answers = [(tmp_path / run / "predictions.json").read_text() for run in ("one", "two")]
    assert answers[0] == answers[1] and two["scores"] == one["scores"]


def exchanges_once_per_step(found, expected):
    assert [run["calls"] for run in found] == [[1] * gaudi_pair.STEPS] * 2


def trains_what_one_process_trains(found, expected):
    for run in found:
        seen = gaudi.Seen(weights=run["weights"])
        assert gaudi.distance(seen, expected) < 1e-5
    losses = [sum(parts) for parts in zip(*(run["losses"] for run in found), strict=True)]
    assert losses == pytest.approx(expected.losses, rel=1e-5)


def keeps_parts_of_one_state(one, other, whole):
    names = len(whole.state["optimizer"])
    assert one["kept"] + other["kept"] == names and 0 < one["kept"] < names
    for run in (one, other):
        assert gaudi.distance(gaudi.Seen(weights=run["weights"]), whole) < 1e-4
    saved, again = one["state"]["optimizer"], one["again"]["optimizer"]
    assert saved.keys() == again.keys() == whole.state["optimizer"].keys()
    for name, own in saved.items():
        assert float(own["step"]) == gaudi_pair.STEPS
        assert all(torch.equal(value, again[name][what]) for what, value in own.items())


@pytest.mark.slow
def test_gradients_of_two_cards_are_those_of_one_process(path, tmp_path):
    """Both exchanges give what one process gives, and every broken one is noticed."""
    shutil.copy(path, tmp_path / "r.tfrecord")
    ends = start("gaudi_pair.py", tmp_path, "eager")
    assert [status for status, *_ in ends] == [0, 0], ends[0][2] + ends[1][2]
    one, other = (torch.load(tmp_path / f"eager-{rank}.pt") for rank in range(2))
    expected = gaudi.on_the_cpu(path, steps=gaudi_pair.STEPS)
    for name in ("flat", "averaged"):
        exchanges_once_per_step((one[name], other[name]), expected)
        trains_what_one_process_trains((one[name], other[name]), expected)
    broken = {
        "divided twice": trains_what_one_process_trains,
        "every micro-batch": exchanges_once_per_step,
        "no broadcast": trains_what_one_process_trains,
        "own counts only": trains_what_one_process_trains,
    }
    known = {*broken, "flat", "averaged", "sharded", "sharded, clipped by parts", "refused"}
    assert known == one.keys()
    for name, rule in broken.items():
        with pytest.raises(AssertionError):
            rule((one[name], other[name]), expected)
    whole = gaudi.on_the_cpu(path, "nvlamb", gaudi_pair.STEPS, gaudi_pair.SHARDED_CLIP)
    keeps_parts_of_one_state(one["sharded"], other["sharded"], whole)
    with pytest.raises(AssertionError):
        name = "sharded, clipped by parts"
        keeps_parts_of_one_state(one[name], other[name], whole)
    # Graphs go inside data parallelism.
    assert "only after wrapping with ModuleCacher" in one["refused"]


@pytest.mark.slow
def test_the_flat_exchange_on_the_lazy_device(path, tmp_path):
    shutil.copy(path, tmp_path / "r.tfrecord")
    ends = start("gaudi_pair.py", tmp_path, "lazy")
    assert [status for status, *_ in ends] == [0, 0], ends[0][2] + ends[1][2]
    one, other = (torch.load(tmp_path / f"lazy-{rank}.pt") for rank in range(2))
    expected = gaudi.on_the_cpu(path, steps=gaudi_pair.STEPS)
    exchanges_once_per_step((one["flat"], other["flat"]), expected)
    trains_what_one_process_trains((one["flat"], other["flat"]), expected)
    assert "hccl: expected a tensor on hpu, got one on cpu" in one["refused"]
