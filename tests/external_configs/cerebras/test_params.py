"""Cerebras params: the older sections and the `trainer` form."""

from __future__ import annotations

import pytest
import yaml

from bertkit.errors import ConfigError
from bertkit.external_configs.translation import flattened
from external_configs.cerebras.params import CEREBRAS, TRAINER, edited


def test_cerebras_sections(read):
    found, config = read(CEREBRAS)
    assert config.global_batch_size == 1024 and config.micro_batch_size == 256
    assert found.values["input"] == ["/data/owt/128/a", "/data/owt/128/b"]
    assert config.eval_input == ["/data/owt/val"] and config.vocab == "vocab.txt"
    # disable_lr_steps_reset: the second line is already 10,000 steps on when it takes over.
    begins = 1e-4 - 1e-4 * 10_000 / 890_000
    assert config.stage == ["linear:10000:0.0:0.0001", f"linear:880000:{begins}:0.0"]
    assert config.mlm_normalisation == "micro_batch"  # of each of the four batches of a step
    assert config.eval_every == 5000  # train_and_eval: after every checkpoint
    assert (config.max_steps, config.save_every, config.keep_last) == (900_000, 5000, 4)
    assert (config.seed, config.log_every, config.nsp) == (7, 100, True)
    assert (config.precision, config.cs.half) == ("bf16", "cbfloat16")
    assert (config.layout, config.bucket_boundaries) == ("bucketed", [39, 56, 72, 89, 108])
    assert (config.model.intermediate_size, config.model.num_attention_heads) == (3072, 12)
    assert config.loss_scale == 0
    ignored = {key.key for key in found.with_outcome("ignored")}
    assert {
        "train_input.shuffle_buffer",
        "runconfig.eval_steps",
        "eval_input.batch_size",
    } <= ignored


def test_cerebras_trainer_form(read):
    found, config = read(TRAINER)
    assert (config.backend, config.cs.systems, config.output) == ("cs", 2, "out")
    assert found.values["output"] == "runs/pubmed"
    assert (config.model.vocab_size, config.model.hidden_size) == (28996, 1024)
    assert (config.optimizer, config.beta2, config.weight_decay) == ("adamw", 0.98, 0.01)
    assert config.stage == ["linear:2400:0.0:8e-05", "linear:9600:8e-05:0.0"]
    assert (config.max_steps, config.save_every, config.eval_every) == (12_000, 2000, 1000)
    assert (config.mask, config.global_batch_size, config.seed) == ("dynamic", 800, 3)
    assert not found.with_outcome("refused")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hidden_size: 768", "hiden_size: 768", r"model\.hiden_size.*did you mean"),
        ("use_ffn_bias: true", "use_ffn_bias: false", r"model\.use_ffn_bias.*BERT always has it"),
        ("mode: train_and_eval", "mode: predict", "bertkit eval"),
        ("scheduler: Linear", "scheduler: Cosine", "no scheduler 'Cosine'"),
        ("optimizer_type: adamw", "optimizer_type: rmsprop", "no optimizer for rmsprop"),
        ("hidden_size: 768", "embedding_size: 128\n  hidden_size: 768", "width of the layers"),
        ("scheduler: Linear, steps: 10000", "scheduler: Linear", "without its steps"),
        ("grad_accum_steps: 4", "grad_accum_steps: four", "grad_accum_steps"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(read, old, new, message):
    with pytest.raises(ConfigError, match=message):
        read(CEREBRAS.replace(old, new))


def test_every_key_is_told(read):
    found, _ = read(CEREBRAS)
    keys = [key for key, _ in flattened(yaml.safe_load(CEREBRAS))]
    assert [key.key for key in found.keys][: len(keys)] == keys and len(keys) > 50
    rest = found.keys[len(keys) :]
    assert rest and {key.outcome for key in rest} == {"default of Cerebras R_1.7.0"}
    assert all(text.partition(": ")[2] for _, _, text in found.rows())
    assert not any(" _" in text for _, _, text in found.rows())


def test_a_mode_that_only_trains_does_not_open_the_evaluation_records(read):
    found, config = read(edited(("mode: train_and_eval", "mode: train")))
    assert config.eval_input == [] and config.eval_every == 0
    assert "does not evaluate" in {key.key: key.text for key in found.keys}["eval_input.data_dir"]


def test_a_model_without_segments_has_one_for_all_tokens(read):
    text = edited(("use_segment_embedding: true", "use_segment_embedding: false"))
    _, config = read(text)
    assert config.model.type_vocab_size == 1
    found, _ = read(text.replace("  use_segment_embedding: false\n", ""))
    assert found.defaults["model.type_vocab_size"] == 1  # left out, it is False there


@pytest.mark.parametrize(
    ("scaling", "weight", "reason"),
    [
        ("num_masked", 1, None),
        ("batch_size", 1, "here it is their mean"),
        ("batch_size", 0.058, "it stands for 1 / masked tokens"),
        ("num_masked", 0.5, "weigh the same here"),
    ],
)
def test_a_weight_of_the_masked_loss_counts_in_their_tensorflow_program(
    read, scaling, weight, reason
):
    """BertModel.build_total_loss multiplies by it, whatever mlm_loss_scaling is."""
    line = f"mlm_loss_scaling: {scaling}\n  mlm_loss_weight: {weight}"
    text = CEREBRAS.replace("mlm_loss_scaling: num_masked", line)
    if weight == 0.5:
        with pytest.raises(ConfigError, match=reason):
            read(text)
    else:
        lines = [item for item in read(text)[0].warnings() if "mlm_loss_weight" in item]
        assert [reason in item for item in lines] == ([True] if reason else [])
