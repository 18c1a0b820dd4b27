"""Fine-tuning and answering in two processes over gloo, against one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from together import ends_of, free_ports

from bertkit.backends.base import StepPlan
from bertkit.backends.process_group import ProcessGroup, Topology
from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.errors import ConfigError
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining, BertForQuestionAnswering
from bertkit.tasks.finetuning.open import open_encoder
from bertkit.tasks.squad.answer_files import answer_windows
from bertkit.tasks.squad.batches import WindowBatcher
from bertkit.tasks.squad.config import SquadConfig
from bertkit.tasks.squad.decode import Predictions
from bertkit.tasks.squad.features import WindowMaker
from bertkit.tasks.squad.finetune import finetune
from bertkit.tasks.squad.objective import SpanObjective
from bertkit.tasks.squad.prepare import prepare
from bertkit.tasks.squad.questions import read_questions
from bertkit.tokenization.wordpiece import WordPieceTokenizer
from tasks.squad.world import PEOPLE, RIVERS, squad


@pytest.fixture
def words(tmp_path, vocab_file, write):
    """Four steps of SGD on five questions, as a command line without its output."""
    torch.manual_seed(0)
    size = len(vocab_file.read_text().split())
    shape = BertConfig(
        vocab_size=size, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=48, initializer_range=0.1,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    save_pretrained(BertForPreTraining(shape), tmp_path / "encoder")
    shutil.copy(vocab_file, tmp_path / "encoder/vocab.txt")
    file = write("questions.json", squad(RIVERS, PEOPLE))
    return [
        "finetune-squad", "--backend", "cpu", "--train-file", file, "--predict-file", file,
        "--init-checkpoint", tmp_path / "encoder", "--msl", 48, "--doc-stride", 8,
        "--max-query-length", 12, "--gbs", 4, "--micro-batch-size", 1, "--max-steps", 4,
        "--optimizer", "sgd", "--lr", "0.5", "--warmup-proportion", 0, "--max-grad-norm", "0.5",
        "--predict-batch-size", 2, "--save-every", 2, "--keep-last", 0, "--log-every", 1, "--json",
    ]  # fmt: skip


def start_two(*words):
    """[(status, stdout, stderr)] of two processes, started as torchrun does."""
    (port,) = free_ports(1)
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "bertkit", *map(str, words)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **place, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]  # fmt: skip
    return ends_of(processes)


def result_of(ends):
    assert [status for status, *_ in ends] == [0, 0], ends[0][2] + ends[1][2]
    assert ends[1][1] == "", "the second process talks"
    return json.loads(ends[0][1].splitlines()[-1])


def weights_of(result):
    return load_file(result["checkpoint"] + "/model.safetensors")


@pytest.mark.slow
def test_two_processes_train_and_answer_as_one_does(bertkit, words, tmp_path):
    one = bertkit(*words, "--output", tmp_path / "one")
    assert one.status == 0, one.err
    two = result_of(start_two(*words, "--output", tmp_path / "two", "--cache", tmp_path / "cache"))
    first, second = weights_of(one.result), weights_of(two)
    before = load_file(tmp_path / "encoder/model.safetensors")
    name = "bert.embeddings.word_embeddings.weight"
    assert float((first[name] - before[name]).abs().max()) > 1e-2
    assert max(float((first[name] - second[name]).abs().max()) for name in first) < 1e-6
    for what in ("loss", "grad_norm", "span_loss", "span_accuracy"):
        assert two["train"][what] == pytest.approx(one.result["train"][what], rel=1e-5), what
    assert two["scores"] == one.result["scores"]
    lines = [
        [json.loads(line)["loss"] for line in (tmp_path / run / "metrics.jsonl").open()]
        for run in ("one", "two")
    ]
    assert lines[1] == pytest.approx(lines[0], rel=1e-5) and len(lines[0]) == 4
    assert json.loads((tmp_path / "two/step-0000004/state.json").read_text())["world"] == 2
    # Each wrote its own windows, or took them from the cache: one file for each of both uses.
    assert len(list((tmp_path / "cache").iterdir())) == 2

    # The same weights: the same answers to the last bit, although three batches go to two.
    asked = ["--no-do-train", "--do-predict", "--init-checkpoint", two["checkpoint"]]
    alone = bertkit(*words, *asked, "--output", tmp_path / "alone")
    both = result_of(start_two(*words, *asked, "--output", tmp_path / "both"))
    assert alone.status == 0 and both["scores"] == alone.result["scores"]
    for name in ("predictions.json", "nbest_predictions.json", "review.json"):
        mine, theirs = (tmp_path / run / name for run in ("both", "alone"))
        assert mine.read_bytes() == theirs.read_bytes(), name


class Half(ProcessGroup):
    """The second of two processes, which gathers what a first one like it would have."""

    def gather(self, item):
        return [4, item]

    def collect(self, item):
        return []


def test_sizes_are_agreed_on_and_a_process_without_a_batch_waits(
    words, tmp_path, vocab_file, write, monkeypatch
):
    config = SquadConfig(
        init_checkpoint=str(tmp_path / "encoder"), max_seq_length=48, max_query_length=12,
        doc_stride=8, predict_batch_size="auto",
    )  # fmt: skip
    shape, vocab, _ = open_encoder(config, tmp_path / "encoder")
    tokenizer = WordPieceTokenizer(vocab)
    questions = read_questions(write("q.json", squad(RIVERS, PEOPLE)))
    windows = WindowMaker(tokenizer, 48, 8, 12).windows(questions, training=False)
    adapter = CpuAdapter()
    adapter.start()
    adapter.process_group = Half(Topology(2, 1, 1))
    stepper = adapter.build(BertForQuestionAnswering(shape), SpanObjective(), StepPlan())
    asked, predict = [], stepper.predict
    monkeypatch.setattr(stepper, "predict", lambda batch: asked.append(batch) or predict(batch))
    monkeypatch.setattr(
        "bertkit.tasks.squad.answer_files.find_batch_size", lambda *words, fastest: 64
    )
    batcher = WindowBatcher(vocab.cls_id, vocab.sep_id)
    given = {
        "adapter": adapter, "stepper": stepper, "batcher": batcher, "tokenizer": tokenizer,
        "questions": questions, "windows": windows,
    }  # fmt: skip
    found = answer_windows(config, **given)
    assert found == Predictions()
    # Five windows in batches of four: the second batch has one.
    assert [batch.sequences for batch in asked] == [1]
    alone = replace(config, predict_batch_size="8")
    answer_windows(alone, **given)
    assert len(asked) == 1
    # Engines that join processes want as many calls of each.
    monkeypatch.setattr(CpuAdapter, "caps", replace(CpuAdapter.caps, fixed_shapes=True))
    answer_windows(alone, **given)
    assert [batch.sequences for batch in asked] == [1, 8]


@pytest.mark.slow
def test_another_number_of_processes_goes_on_with_a_note(bertkit, words, tmp_path):
    run = [*words, "--no-do-predict", "--no-do-eval", "--output", tmp_path / "run"]
    whole = bertkit(*words, "--no-do-predict", "--no-do-eval", "--output", tmp_path / "whole")
    assert whole.status == 0, whole.err
    assert result_of(start_two(*run))["step"] == 4
    shutil.rmtree(tmp_path / "run/step-0000004")
    again = bertkit(*run)
    assert again.status == 0 and again.result["step"] == 4
    assert "not be bit-identical: 2 processes, now 1" in again.err
    first, second = weights_of(whole.result), weights_of(again.result)
    assert max(float((first[name] - second[name]).abs().max()) for name in first) < 1e-6


def test_what_does_not_divide_and_what_one_process_does_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="scoring runs in one process"):
        finetune(SquadConfig(predict_file="p", output="x", do_predict=False, do_eval=True),
                 CpuAdapter())  # fmt: skip
    with pytest.raises(ConfigError, match="not a multiple of --micro-batch-size 2 x 2 processes"):
        prepare(
            SquadConfig(
                train_file="t", init_checkpoint="c", output="x", global_batch_size=6,
                micro_batch_size=2,
            ),
            CpuAdapter(),
        )  # fmt: skip
