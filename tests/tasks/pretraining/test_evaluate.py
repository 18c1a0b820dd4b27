from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic
from checksums_forgotten import forget_checksums
from safetensors.torch import load_file, save_file

from bertkit.backends import registry
from bertkit.backends.torch.cuda import CudaAdapter
from bertkit.backends.torch.options import CudaOptions
from bertkit.data.record_source import RecordSource
from bertkit.errors import ConfigError, DataError, TargetNotReachedError
from bertkit.tasks.pretraining.config import EvalConfig
from bertkit.tasks.pretraining.evaluate import (
    evaluate_checkpoints,
    require_target,
    unigram_baseline,
)
from bertkit.tasks.pretraining.pretrain import pretrain

CPU = registry.get("cpu")


@pytest.fixture
def trained(settings, records):
    return pretrain(
        settings(max_steps=6, save_every=2, eval_input=[str(records / "eval.tfrecord")]), CPU
    )


def test_checkpoints_of_a_run_in_step_order(trained, records):
    inputs = [str(records / "eval.tfrecord")]
    result = evaluate_checkpoints(EvalConfig(batch_size=3), inputs, [trained.output], CPU)
    assert [item.step for item in result.checkpoints] == [2, 4, 6]
    last = result.checkpoints[-1]
    assert last.mlm_loss == pytest.approx(trained.evaluation["mlm_loss"], rel=1e-6)
    assert last.mlm_accuracy == trained.evaluation["mlm_accuracy"]
    assert last.nsp_accuracy == trained.evaluation["nsp_accuracy"]
    assert last.perplexity == pytest.approx(math.exp(last.mlm_loss))
    assert result.records == 10
    assert "step-0000006" in result.text()


def test_batch_size_and_layout_do_not_matter(trained, records):
    inputs = [str(records / "eval.tfrecord")]
    configs = [EvalConfig(batch_size=size) for size in (1, 4, 64)]
    configs += [EvalConfig(layout=name) for name in ("padded", "bucketed", "packed")]
    found = [
        evaluate_checkpoints(config, inputs, [trained.checkpoint], CPU).checkpoints[0]
        for config in configs
    ]
    for other in found[1:]:
        assert other.mlm_loss == pytest.approx(found[0].mlm_loss, rel=1e-6)
        assert other.mlm_accuracy == found[0].mlm_accuracy


def test_a_limit_takes_the_first_records(trained, records, tmp_path):
    few = evaluate_checkpoints(
        EvalConfig(limit=4), [str(records / "eval.tfrecord")], [trained.checkpoint], CPU
    )
    path = synthetic.write(tmp_path / "four.tfrecord", 4, seed=2)
    same = evaluate_checkpoints(EvalConfig(), [str(path)], [trained.checkpoint], CPU)
    assert few.records == same.records == 4
    assert few.checkpoints[0].mlm_loss == pytest.approx(same.checkpoints[0].mlm_loss, rel=1e-6)


def test_the_target(trained, records):
    result = evaluate_checkpoints(
        EvalConfig(), [str(records / "eval.tfrecord")], [trained.checkpoint], CPU
    )
    require_target(result, None)
    require_target(result, 0.0)
    with pytest.raises(TargetNotReachedError, match=r"--min-mlm-accuracy 0\.99"):
        require_target(result, 0.99)
    broken = replace(result.checkpoints[0], mlm_accuracy=math.nan)
    with pytest.raises(TargetNotReachedError):
        require_target(replace(result, checkpoints=[broken]), 0.0)
    # A model that computes nothing is right by chance.
    for loss in (math.nan, math.inf):
        broken = replace(result.checkpoints[0], mlm_accuracy=1.0, mlm_loss=loss)
        with pytest.raises(TargetNotReachedError, match=f"the masked LM loss of .* is {loss}"):
            require_target(replace(result, checkpoints=[broken]), 0.0)


def test_a_model_that_is_not_finite_is_neither_evaluated_nor_trained(
    bertkit, trained, settings, records
):
    place = Path(trained.checkpoint) / "model.safetensors"
    tensors = load_file(place)
    tensors["bert.pooler.dense.bias"].fill_(math.nan)
    save_file(tensors, place, metadata={"format": "pt"})
    forget_checksums(place.parent)  # as of a checkpoint that was written so
    done = bertkit(
        "eval", "-i", records / "eval.tfrecord", "-c", trained.checkpoint,
        "--min-mlm-accuracy", 0.0, "--backend", "cpu",
    )  # fmt: skip
    assert done.status == 3
    *_, first, hint = done.err.strip().splitlines()
    assert f"{trained.checkpoint}: the model is broken: 1 of 46 tensors are not finite" in first
    assert first.endswith("bert.pooler.dense.bias") and "earlier checkpoint" in hint
    other = settings(init_checkpoint=trained.checkpoint, output=f"{trained.output}2")
    with pytest.raises(DataError, match=r"not finite .*: bert\.pooler\.dense\.bias"):
        pretrain(other, CPU)
    # The run itself goes on from the checkpoint before.
    assert pretrain(settings(max_steps=6, save_every=2), CPU).resumed_from == 4


def test_what_cannot_be_evaluated(trained, tmp_path):
    records = synthetic.write(tmp_path / "long.tfrecord", 3, length=40)
    with pytest.raises(ConfigError, match="max_seq_length 40"):
        evaluate_checkpoints(EvalConfig(), [str(records)], [trained.checkpoint], CPU)
    with pytest.raises(DataError, match="no such checkpoint"):
        evaluate_checkpoints(EvalConfig(), [str(records)], [str(tmp_path / "none")], CPU)
    with pytest.raises(ConfigError, match="--precision fp16 does not work on cpu"):
        evaluate_checkpoints(
            EvalConfig(precision="fp16"), [str(records)], [trained.checkpoint], CPU
        )


def test_an_encoder_without_heads_is_no_pretraining_model(trained, tmp_path):
    from transformers import BertForMaskedLM

    model = BertForMaskedLM.from_pretrained(trained.checkpoint)
    model.save_pretrained(tmp_path / "mlm")
    records = synthetic.write(tmp_path / "r.tfrecord", 10, seed=2)
    found = evaluate_checkpoints(EvalConfig(), [str(records)], [str(tmp_path / "mlm")], CPU)
    assert found.checkpoints[0].nsp_accuracy is None
    assert found.checkpoints[0].mlm_loss == pytest.approx(trained.evaluation["mlm_loss"], rel=1e-5)


def test_the_baseline_is_that_of_word_frequencies(records):
    training = RecordSource([str(records / "train.tfrecord")])
    evaluation = RecordSource([str(records / "eval.tfrecord")])
    found = unigram_baseline(training, evaluation)

    def labels(source):
        batch = source.batch(np.arange(len(source)))
        return batch["masked_lm_ids"][batch["masked_lm_weights"] > 0].tolist()

    seen, asked = labels(training), labels(evaluation)
    best = min(set(seen), key=lambda token: (-seen.count(token), token))
    size = max(seen + asked) + 1
    assert found.token == best
    assert found.accuracy == pytest.approx(asked.count(best) / len(asked))
    losses = [-math.log((seen.count(token) + 1) / (len(seen) + size)) for token in asked]
    assert found.loss == pytest.approx(sum(losses) / len(losses))


def test_kernels_that_no_layer_of_the_checkpoint_would_use_are_refused(trained, records):
    """Also without a GPU; this model's heads have 8 numbers."""
    inputs = [str(records / "eval.tfrecord")]
    config = EvalConfig(precision="bf16", cuda=CudaOptions(fused=True))
    with pytest.raises(ConfigError, match=r"cuda\.fused has no kernels for attention heads of 8"):
        evaluate_checkpoints(config, inputs, [trained.checkpoint], CudaAdapter())


def test_pairs_are_not_judged_where_the_run_left_them_out(settings, records, caplog):
    """Its head is still as it was drawn."""
    done = pretrain(settings(nsp=False, max_steps=2), CPU)
    result = evaluate_checkpoints(EvalConfig(), [str(records)], [done.output], CPU)
    (found,) = result.checkpoints
    assert found.nsp_accuracy is None and found.mlm_loss > 0
    assert "(--no-nsp)" in caplog.text
