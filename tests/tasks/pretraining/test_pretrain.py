"""Runs as a whole: the same numbers however they are cut, batched, or laid out."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic
import torch
import yaml
from safetensors.torch import load_file
from train.runs import run

from bertkit.errors import BertkitError, ConfigError, DataError, StoppedError, TargetNotReachedError
from bertkit.train.checkpoints import checkpoint
from bertkit.train.checkpoints.run_state import load_state


def everything(folder):
    """All tensors of a checkpoint: weights and moments."""
    state = torch.load(Path(folder) / "optimizer.pt", weights_only=True)
    moments = {
        f"{name} {key}": value
        for name, states in state["optimizer"].items()
        for key, value in states.items()
    }
    return {**load_file(Path(folder) / "model.safetensors"), **moments}


def assert_same_bits(one, two):
    first, second = everything(one), everything(two)
    assert first.keys() == second.keys()
    different = [name for name in first if not torch.equal(first[name], second[name])]
    assert different == []


def distance(one, two):
    """Largest difference of weights, key biases left out: their gradient is round-off."""
    first, second = (
        load_file(Path(one) / "model.safetensors"),
        load_file(Path(two) / "model.safetensors"),
    )
    return max(
        float((first[name] - second[name]).abs().max()) for name in first if "key.bias" not in name
    )


def lines(folder):
    return [json.loads(line) for line in (Path(folder) / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def whole(settings, tmp_path):
    """An uninterrupted run of twenty steps."""
    return run(settings(output=str(tmp_path / "whole")))


@pytest.mark.slow
def test_a_run_learns(settings, records):
    result = run(
        settings(
            max_steps=150, learning_rate=2e-2, log_every=50, eval_every=50,
            eval_input=[str(records / "train.tfrecord")], weight_decay=0.0,
        )
    )  # fmt: skip
    kinds = {kind: [line for line in lines(result.output) if line["kind"] == kind]
             for kind in ("train", "eval")}  # fmt: skip
    losses = [line["mlm_loss"] for line in kinds["train"]]
    assert losses[0] > 3 > losses[-1]
    assert [line["step"] for line in kinds["eval"]] == [50, 100, 150]
    # Always saying the most frequent token is right in about 5 % of the cases.
    assert result.evaluation["mlm_accuracy"] > 0.3
    assert result.evaluation["mlm_accuracy"] == kinds["eval"][-1]["mlm_accuracy"]


def test_the_same_seed_gives_the_same_bits_and_another_does_not(settings, whole, tmp_path):
    again = run(settings(output=str(tmp_path / "again")))
    assert_same_bits(whole.checkpoint, again.checkpoint)
    other = run(settings(output=str(tmp_path / "other"), seed=1))
    assert distance(whole.checkpoint, other.checkpoint) > 1e-3


# Forty records, batches of eight: an epoch is five steps, step 7 lies inside the second.
@pytest.mark.parametrize(
    "cut", [7, *(pytest.param(cut, marks=pytest.mark.slow) for cut in (1, 10, 19))]
)
@pytest.mark.parametrize("optimizer", ["adamw", "nvlamb"])
def test_resuming_continues_bit_for_bit(settings, tmp_path, cut, optimizer):
    whole = run(settings(output=str(tmp_path / "whole"), optimizer=optimizer))
    config = settings(output=str(tmp_path / "cut"), optimizer=optimizer)
    with pytest.raises(StoppedError, match=f"at step {cut} of 20"):
        run(replace(config, steps_this_run=cut))
    result = run(config)
    assert result.resumed_from == cut
    assert_same_bits(whole.checkpoint, result.checkpoint)


def test_metrics_of_a_resumed_run_have_no_line_twice(settings, whole, tmp_path):
    config = settings(output=str(tmp_path / "cut"), save_every=10)
    with pytest.raises(StoppedError):
        run(replace(config, steps_this_run=15))
    # As if killed after step 15 was logged and before its checkpoint was whole.
    shutil.rmtree(tmp_path / "cut" / "step-0000015")
    with open(tmp_path / "cut" / "metrics.jsonl", "a") as stream:
        stream.write('{"kind": "train", "st')
    result = run(config)
    assert result.resumed_from == 10
    entries = lines(result.output)
    assert [line["step"] for line in entries] == [5, 10, 15, 20]
    for ours, theirs in zip(entries, lines(whole.output), strict=True):
        assert ours["loss"] == theirs["loss"]
        assert ours["learning_rate"] == theirs["learning_rate"]


def test_accumulation_gives_the_single_batch(settings, tmp_path):
    shape = replace(settings().model, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    results = [
        run(
            settings(
                output=str(tmp_path / f"micro{size}"), micro_batch_size=size, model=shape,
                max_steps=5,
            )
        )
        for size in (8, 4, 2, 1)
    ]  # fmt: skip
    for other in results[1:]:
        assert distance(results[0].checkpoint, other.checkpoint) < 1e-5


def test_micro_batch_normalisation_is_another_number(settings, tmp_path):
    shape = replace(settings().model, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    results = [
        run(
            settings(
                output=str(tmp_path / name), mlm_normalisation=name, micro_batch_size=1,
                model=shape, max_steps=3,
            )
        )
        for name in ("global_step", "micro_batch")
    ]  # fmt: skip
    assert distance(results[0].checkpoint, results[1].checkpoint) > 1e-4


def test_groups_of_means_stay_when_passes_are_larger(settings, tmp_path):
    shape = replace(settings().model, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    whole = {"mlm_normalisation": "micro_batch", "model": shape, "max_steps": 3,
             "optimizer": "sgd", "learning_rate": 1.0}  # fmt: skip
    plain, *others = [
        run(settings(output=str(tmp_path / f"{size}"), micro_batch_size=size, mlm_group=2, **whole))
        for size in (2, 8, 1)
    ]
    for other in others:
        assert distance(plain.checkpoint, other.checkpoint) < 1e-6
    eights = run(settings(output=str(tmp_path / "8s"), micro_batch_size=8, **whole))
    assert distance(plain.checkpoint, eights.checkpoint) > 1e-4


def test_layouts_are_the_same_run(settings, tmp_path):
    shape = replace(settings().model, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    results = [
        run(settings(output=str(tmp_path / layout), layout=layout, model=shape, max_steps=5))
        for layout in ("unpadded", "padded", "bucketed", "packed")
    ]
    for other in results[1:]:
        assert other.train["loss"] == pytest.approx(results[0].train["loss"], rel=1e-6)
        assert distance(results[0].checkpoint, other.checkpoint) < 1e-5


def test_bf16_trains_and_keeps_fp32_weights(settings):
    result = run(settings(precision="bf16"))
    assert all(value.dtype == torch.float32 for value in everything(result.checkpoint).values())
    assert result.train["loss"] < lines(result.output)[0]["loss"]


def test_without_next_sentence_prediction(settings):
    result = run(settings(nsp=False, max_steps=3, log_every=1))
    assert "nsp_loss" not in result.train
    assert result.train["loss"] == pytest.approx(result.train["mlm_loss"])


def test_keep_last_and_save_every(settings):
    result = run(settings(save_every=4, keep_last=2))
    assert [step for step, _ in checkpoint.in_run(result.output)] == [16, 20]


def test_the_run_folder(settings, tmp_path):
    vocab = tmp_path / "vocab.txt"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"t{i}" for i in range(59))]
    vocab.write_text("\n".join(tokens) + "\n")
    result = run(settings(vocab=str(vocab), max_steps=2))
    settings_written = yaml.safe_load((Path(result.output) / "config.yaml").read_text())
    assert settings_written["max_steps"] == 2
    assert settings_written["backend"] == "cpu"
    assert (Path(result.checkpoint) / "vocab.txt").read_bytes() == vocab.read_bytes()
    state = load_state(result.checkpoint)
    assert (state.step, state.position, state.epoch) == (2, 16, 0.4)
    assert state.finished


def test_a_checkpoint_loads_in_transformers(settings, records):
    from transformers import BertForPreTraining

    from bertkit.data.batch_layouts import Layout
    from bertkit.data.record_source import RecordSource
    from bertkit.data.step_batch import weighted

    result = run(settings(max_steps=30, eval_input=[str(records / "eval.tfrecord")]))
    theirs, report = BertForPreTraining.from_pretrained(result.checkpoint, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    source = RecordSource([str(records / "eval.tfrecord")])
    chosen = weighted(source.batch(torch.arange(10).numpy()), "global_step", 10)
    (batch,) = Layout("padded", 10).micro_batches(chosen)
    arrays = {name: torch.from_numpy(values) for name, values in batch.arrays.items()}
    with torch.no_grad():
        out = theirs.eval()(
            input_ids=arrays["ids"].view(10, -1),
            token_type_ids=arrays["segments"].view(10, -1),
            attention_mask=arrays["mask"].long(),
        )
    logits = out.prediction_logits.flatten(0, 1)[arrays["mlm_rows"]]
    loss = torch.nn.functional.cross_entropy(logits, arrays["mlm_labels"])
    assert float(loss) == pytest.approx(result.evaluation["mlm_loss"], rel=1e-5)
    right = (logits.argmax(-1) == arrays["mlm_labels"]).float().mean()
    assert float(right) == pytest.approx(result.evaluation["mlm_accuracy"])


def test_a_finished_run_is_not_run_again(settings):
    first = run(settings(max_steps=3))
    before = (Path(first.checkpoint) / "model.safetensors").stat().st_mtime_ns
    second = run(settings(max_steps=3))
    assert second.resumed_from == second.step == 3
    assert (Path(first.checkpoint) / "model.safetensors").stat().st_mtime_ns == before


def test_phase_two_takes_weights_only(settings, whole, tmp_path):
    result = run(
        settings(output=str(tmp_path / "two"), init_checkpoint=whole.checkpoint, max_steps=1)
    )
    assert result.resumed_from == 0
    # A first step of a rise has rate 0: the weights are still those of phase one.
    warm = run(
        settings(
            output=str(tmp_path / "warm"), init_checkpoint=whole.checkpoint, max_steps=1,
            warmup_steps=1,
        )
    )  # fmt: skip
    assert distance(warm.checkpoint, whole.checkpoint) == 0
    assert distance(result.checkpoint, whole.checkpoint) > 0


def test_other_settings_or_data_are_refused_on_resume(settings, records, tmp_path):
    config = settings()
    with pytest.raises(StoppedError):
        run(replace(config, steps_this_run=2))
    with pytest.raises(ConfigError, match=r"learning_rate 0\.01, now 0\.5; max_steps 20, now 10"):
        run(replace(config, learning_rate=0.5, max_steps=10))
    with pytest.raises(DataError, match="other records"):
        run(replace(config, input=[str(records / "eval.tfrecord")]))
    with pytest.raises(DataError, match="holds a run already"):
        run(replace(config, resume="never"))
    assert [step for step, _ in checkpoint.in_run(config.output)] == [2]
    # What decides no number may change, and the layout with a warning.
    assert run(replace(config, save_every=3, log_every=2, layout="padded")).step == 20


def test_overwrite_starts_again(settings):
    run(settings(max_steps=4))
    result = run(settings(max_steps=3, resume="never"), overwrite=True)
    assert (result.resumed_from, result.step) == (0, 3)
    assert [step for step, _ in checkpoint.in_run(result.output)] == [3]


def test_resume_from_a_named_checkpoint(settings, tmp_path):
    first = settings(output=str(tmp_path / "a"), save_every=5, keep_last=0)
    whole = run(first)
    branch = run(
        replace(first, output=str(tmp_path / "b"), resume=str(tmp_path / "a" / "step-0000010"))
    )
    assert branch.resumed_from == 10
    assert_same_bits(whole.checkpoint, branch.checkpoint)
    ended = replace(first, output=str(tmp_path / "c"), resume=whole.checkpoint)
    with pytest.raises(ConfigError, match=r"that run is finished at step 20, so .*c would hold no"):
        run(ended)
    assert run(replace(ended, max_steps=21)).step == 21


def test_a_target_ends_the_run_or_is_missed(settings, records):
    goal = {"eval_input": [str(records / "eval.tfrecord")], "eval_every": 5}
    reached = run(settings(target_mlm_accuracy=0.0, **goal))
    assert reached.step == 5
    assert run(settings(target_mlm_accuracy=0.0, **goal)).step == 5, "it stays finished"
    with pytest.raises(TargetNotReachedError, match="below --target-mlm-accuracy 1"):
        run(settings(target_mlm_accuracy=1.0, **goal), overwrite=True)


def test_a_loss_that_is_no_number_stops_before_it_is_saved(settings):
    with pytest.raises(BertkitError, match="the loss is nan at step"):
        run(settings(learning_rate=1e30, max_grad_norm=0.0, save_every=1, log_every=20))
    for _, folder in checkpoint.in_run(settings().output):
        assert all(torch.isfinite(value).all() for value in everything(folder).values())


def test_records_longer_than_the_model(settings, tmp_path):
    path = synthetic.write(tmp_path / "long.tfrecord", 4, length=40)
    with pytest.raises(ConfigError, match=r"max_seq_length 40.*max_position_embeddings is 32"):
        run(settings(input=[str(path)]))


def test_records_written_by_tensorflow(settings, shared):
    path = shared / "goldens" / "records" / "google_sample_128.tfrecord"
    shape = replace(settings().model, vocab_size=30522, max_position_embeddings=128)
    result = run(settings(input=[str(path)], model=shape, max_steps=15, log_every=5))
    assert result.plan.records == 60
    first, last = lines(result.output)[0], result.train
    assert first["mlm_loss"] == pytest.approx(10.3, abs=0.5), "near ln 30522 at the start"
    assert last["mlm_loss"] < first["mlm_loss"] - 1


def test_epochs_decide_the_steps(settings):
    assert run(settings(epochs=1.5)).step == 8


PROGRAM = """
import sys
from bertkit.cli import main
sys.exit(main(sys.argv[1:]))
"""


# The signal comes while the run continues after its n-th checkpoint, however busy the machine is.
STRUCK = """
import os
from bertkit.train.checkpoints import checkpoint
write, left = checkpoint.save, {after}
def save(*given, **named):
    global left
    place = write(*given, **named)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), {number})
    return place
checkpoint.save = save
"""


def words(config, number=0, after=1):
    """The same run as a command line; with a number, that signal ends it."""
    program = STRUCK.format(number=int(number), after=after) + PROGRAM if number else PROGRAM
    shape = config.model
    given = {
        "input": config.input[0], "output": config.output, "global-batch-size": 8,
        "micro-batch-size": 4, "max-steps": config.max_steps, "learning-rate": 0.01,
        "save-every": config.save_every, "log-every": 5, "backend": "cpu",
    }  # fmt: skip
    sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
             "intermediate_size", "max_position_embeddings")  # fmt: skip
    flags = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    sets = [word for name in sizes for word in ("--set", f"model.{name}={getattr(shape, name)}")]
    return [sys.executable, "-c", program, "pretrain", *flags, *sets]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 75), (signal.SIGKILL, -9)])
def test_a_run_ended_from_outside_goes_on_bit_for_bit(settings, tmp_path, number, status):
    config = settings(output=str(tmp_path / "cut"), max_steps=80, save_every=10)
    done = subprocess.run(words(config, number), capture_output=True, text=True, check=False,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip
    error = done.stderr
    assert done.returncode == status, error
    if number == signal.SIGTERM:
        assert "stopped by SIGTERM" in error and "Traceback" not in error
    resumed = run(config)
    assert 0 < resumed.resumed_from < 80
    whole = run(replace(config, output=str(tmp_path / "whole")))
    assert_same_bits(whole.checkpoint, resumed.checkpoint)
    assert not list(Path(config.output).glob(".*"))


@pytest.mark.slow
def test_interrupting_leaves_the_last_checkpoint_whole(settings, tmp_path):
    config = settings(output=str(tmp_path / "cut"), max_steps=100_000, save_every=10)
    done = subprocess.run(
        words(config, signal.SIGINT, after=2), capture_output=True, text=True, check=False
    )
    error = done.stderr
    assert done.returncode == 130, error
    assert "Interrupted" in error and "last checkpoint" in error and "Traceback" not in error
    last = checkpoint.latest(config.output)
    assert last is not None
    assert load_state(last).step == int(last.name[5:])
    everything(last)
