"""Recorded fine-tuning, from a command's words to weights: the bits of the same steps run.

On a CPU, whose recorder does the recorded operators again (`backends.torch.graphs.replaying`).
"""

from __future__ import annotations

import json
import random

import pytest
import torch
from backends.torch.graphs.as_on_a_gpu import be_a_gpu
from backends.torch.test_cuda import needs_gpu
from safetensors.torch import load_file
from slow_cases import slow

from bertkit.backends.torch.graphs.step import GraphedStepper
from tasks.finetuning.world import WORDS, make_encoder, texts, write_table
from tasks.squad.world import paragraph, squad

STEPS = 16
RATE = 2.0**-6  # and its sixteenths are exact in float32, as which recorded updates read them


def text_files(folder, count=26, target=str, names=("text", "label")):
    rows = [(text, target(label)) for text, label in texts(count)]
    write_table(folder / "train", rows, names)
    return write_table(folder / "eval", rows[:9], names)


def classify(folder):
    text_files(folder)
    return ["finetune", "--task", "classify"]


def classify_several(folder):
    text_files(folder, target=lambda label: f"{label},it" if label == "good" else "none")
    return ["finetune", "--task", "classify", "--multi-label", "--labels", "good", "it", "none"]


def regress(folder):
    text_files(folder, target=lambda label: {"good": 1.5, "bad": -0.5}[label])
    return ["finetune", "--task", "regress", "--label-column", "label"]


def tag(folder):
    draw = random.Random(1)
    words = ["good O", "film B-IT", "awful O", "book B-IT", "was O", ", O", "lovelyish O"]
    for name, count in (("train", 26), ("eval", 9)):
        found = ["\n".join(draw.choices(words, k=draw.randint(1, 12))) for _ in range(count)]
        (folder / name).write_text("\n\n".join(found) + "\n")
    return ["finetune", "--task", "tag"]


def summarise(folder):
    draw = random.Random(2)
    for name, count in (("train", 26), ("eval", 9)):
        lines = []
        for _ in range(count):
            sizes = [draw.randint(6, 8) for _ in range(draw.randint(1, 4))]
            document = [" ".join(draw.choices(WORDS[5:], k=size)) for size in sizes]
            lines.append(json.dumps({"document": document, "summary": document[:1]}))
        (folder / name).write_text("\n".join(lines) + "\n")
    return ["finetune", "--task", "summarise", "--summary-sentences", "1"]


def find_answers(folder):
    draw = random.Random(3)
    found = []
    for number in range(26):
        words = draw.choices(["good", "fine", "great", "bad", "poor", "sad"], k=draw.randint(3, 20))
        found.append(paragraph(" ".join([f"{number}", *words]), ("it is ?", words[-1])))
    for name, own in (("train", found), ("eval", found[:9])):
        (folder / name).write_text(json.dumps(squad(*own)))
    return ["finetune-squad", "--doc-stride", "8", "--max-query-length", "8"]


OTHERS = [classify, classify_several, regress, summarise]
TASKS = [find_answers, tag, *OTHERS]


@pytest.fixture
def train(bertkit, tmp_path):
    """Train a task as if on a GPU; gives numbers of all steps, weights, and what recorded."""

    def function(make, name, *more, records=True, graphs=True, resumes_at=0, here=True):
        folder = tmp_path / make.__name__
        if not folder.exists():
            folder.mkdir()
            rate = 0.1 if here else 0.0
            make_encoder(folder, hidden_dropout_prob=rate, attention_probs_dropout_prob=rate)
        words = [
            *make(folder), "--backend", "cuda", "--init-checkpoint", folder / "encoder",
            "--train-file", folder / "train", "--output", folder / name, "--msl", 32,
            "--gbs", 12, "--max-steps", STEPS, "--lr", RATE, "--warmup-steps", 0, "--log-every", 1,
            "--set", f"cuda.graphs={str(graphs).lower()}", "--no-compile", *more,
        ]  # fmt: skip
        if make is find_answers and "--eval-every" in more:
            words += ["--predict-file", folder / "eval"]
        elif "--eval-every" in more:
            words += ["--eval-file", folder / "eval"]
        with pytest.MonkeyPatch.context() as patched:
            made = be_a_gpu(patched, records) if here else []
            if resumes_at:
                first = bertkit(*words, "--steps-this-run", resumes_at)
                assert first.status == 75, first.err
            run = bertkit(*words)
        assert run.status == 0, run.err
        lines = [json.loads(line) for line in (folder / name / "metrics.jsonl").open()]
        kept = [{key: line[key] for key in line if "second" not in key} for line in lines]
        weights = load_file(folder / name / f"step-{STEPS:07}" / "model.safetensors")
        return kept, weights, made

    return function


def assert_alike(one, other):
    assert one[0] == other[0]
    assert one[1].keys() == other[1].keys()
    for name, value in one[1].items():
        assert torch.equal(value, other[1][name]), name


@pytest.mark.parametrize("make", [find_answers, tag, *slow(*OTHERS)])
def test_recorded_steps_are_those_that_are_run(train, make):
    """Dropout, two passes a step, steps across the end of an epoch of 26 samples, in bf16."""
    more = ("--precision", "bf16", "--micro-batch-size", 6, "--set", "cuda.totals=2")
    run = train(make, "run", *more, records=False)
    recorded = train(make, "recorded", *more)
    assert_alike(run, recorded)
    (recorder,) = recorded[2]
    assert recorder.records >= 3, "both passes of a step, and the update"
    assert recorder.runs <= 5, "of the first pass and of the second two sizes, and the update"
    assert run[2][0].runs == 0


@pytest.mark.parametrize("make", [find_answers, tag, *slow(*OTHERS)])
def test_rows_of_one_length_are_recorded_too(train, make):
    more = ("--layout", "padded", "--precision", "fp32")
    recorded = train(make, "recorded", *more)
    assert_alike(train(make, "run", *more, graphs=False), recorded)
    (recorder,) = recorded[2]
    assert recorder.records == 2 and recorder.runs == 2, "one kind of pass, and the update"


@pytest.mark.parametrize("make", [find_answers, tag])
def test_evaluations_come_between_recorded_steps(train, make):
    more = ("--eval-every", 3, "--precision", "bf16", "--set", "cuda.totals=3")
    assert_alike(train(make, "run", *more, records=False), train(make, "recorded", *more))


@pytest.mark.parametrize("make", [find_answers, summarise])
def test_a_recorded_run_resumes_with_the_same_bits(train, make):
    more = ("--precision", "bf16", "--save-every", 5, "--set", "cuda.totals=3")
    whole = train(make, "whole", *more)
    assert_alike(whole, train(make, "again", *more, resumes_at=5))


@pytest.mark.parametrize("make", [find_answers, tag, *slow(*OTHERS)])
def test_filled_passes_learn_what_others_learn(train, make, monkeypatch):
    """Without dropout filling changes sums by rounding alone."""
    monkeypatch.setitem(globals(), "make_encoder", lambda folder, **_: plain_encoder(folder))
    more = ("--precision", "fp32", "--micro-batch-size", 4, "--optimizer", "sgd")
    plain, recorded = train(make, "plain", *more, graphs=False), train(make, "filled", *more)
    for one, other in zip(plain[0], recorded[0], strict=True):
        assert one.pop("kind") == other.pop("kind")
        assert one == pytest.approx(other, rel=1e-4)
    for name, value in plain[1].items():
        torch.testing.assert_close(value, recorded[1][name], rtol=1e-4, atol=1e-5)


plain_encoder = make_encoder


def test_a_step_that_depends_on_the_lengths_of_its_batch_would_be_noticed(train, monkeypatch):
    """The span loss as it was: its table is made from lengths that the host knows."""

    def grid(self, values, fill):
        lengths = torch.tensor(self.lengths)
        inside = torch.arange(self.longest)[None, :] < lengths[:, None]
        return values.new_full(inside.shape, fill).masked_scatter(inside, values)

    more = ("--precision", "fp32", "--set", "cuda.totals=1")
    run = train(find_answers, "run", *more, records=False)
    monkeypatch.setattr("bertkit.model.attention.UnpaddedLayout.grid", grid)
    with pytest.raises(AssertionError):
        assert_alike(run, train(find_answers, "recorded", *more))


def test_the_stepper_records_only_where_asked(train, monkeypatch):
    monkeypatch.setattr(GraphedStepper, "train", None)
    train(classify, "run", "--precision", "fp32", graphs=False)


@needs_gpu
@pytest.mark.parametrize("make", TASKS)
@pytest.mark.parametrize("layout", ["unpadded", "padded"])
def test_a_gpu_replays_what_it_would_run(train, make, layout, monkeypatch):
    """And keeps no memory of what a recording makes: others would write over it."""
    left, plain = [], GraphedStepper.train

    def counted(self, batch, step):
        ticket = plain(self, batch, step)
        torch.cuda.synchronize()
        found = [item for item in torch.cuda.memory_snapshot() if any(item["segment_pool_id"])]
        left.append((sum(f["total_size"] for f in found), sum(f["allocated_size"] for f in found)))
        return ticket

    monkeypatch.setattr(GraphedStepper, "train", counted)
    more = ("--precision", "bf16", "--layout", layout, "--micro-batch-size", 6)
    run = train(make, "run", *more, graphs=False, here=False)
    recorded = train(make, "recorded", *more, here=False)
    for one, other in zip(run[0], recorded[0], strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=5e-2, abs=1e-3)
    assert left[-1][0] > 0 and left[-1][1] == 0
