"""Habana's own commands: what each becomes, worked out by hand from the file and the program."""

from __future__ import annotations

import json

import pytest

from bertkit.configuration.config import resolve
from bertkit.errors import ConfigError
from bertkit.external_configs.detect import translate_file
from bertkit.external_configs.habana.pretraining import DEFAULTS, TABLE
from bertkit.tasks.pretraining.config import PretrainConfig

VOYAGER = "voyager_v111"
README = "habana_1.23/readme_commands.txt"

JOB = """
apiVersion: kubeflow.org/v2beta1
kind: MPIJob
spec:
  slotsPerWorker: 8
  mpiReplicaSpecs:
    Launcher:
      template:
        spec:
          containers:
          - name: launcher
            command: ["/bin/bash", "-c"]
            args:
            - >-
              mpirun -np {cards} --allow-run-as-root \\
                python3 run_pretraining.py --do_train --bert_model=bert-large-uncased \\
                --autocast --config_file=./missing.json --use_habana --use_lazy_mode True \\
                --allreduce_post_accumulation --allreduce_post_accumulation_fp16 \\
                --json-summary=${{dllog}}/log.json --output_dir=/out --use_fused_lamb \\
                --input_dir=/data/hdf5 --train_batch_size=8192 --max_seq_length=128 \\
                --max_predictions_per_seq=20 --max_steps=7038 --warmup_proportion=0.2843 \\
                --num_steps_per_checkpoint=200 --learning_rate 0.006 \\
                --gradient_accumulation_steps=128 --enable_packed_data_mode False ;
    Worker:
      replicas: 1
"""


@pytest.mark.parametrize("cards", [8, 32])
def test_habana_job(read, monkeypatch, cards):
    monkeypatch.delenv("dllog", raising=False)
    found, config = read(JOB.format(cards=cards))
    assert config.global_batch_size == 8192 * cards and config.micro_batch_size == 64
    assert (config.backend, config.optimizer, config.precision) == ("hpu", "nvlamb", "bf16")
    assert (config.schedule, config.power, config.warmup_proportion) == ("polynomial", 0.5, 0.2843)
    assert (config.learning_rate, config.max_steps, config.save_every) == (0.006, 7038, 200)
    assert (config.layout, config.hpu.mode) == ("padded", "lazy")
    assert config.model.num_hidden_layers == 24 and found.values["output"] == "/out"
    reasons = {key.key: key.text for key in found.with_outcome("ignored")}
    assert "variable" in reasons["--json-summary"] and "no such file" in reasons["--config_file"]


@pytest.fixture
def plan(shared):
    """The resolved settings of a published command, as `pretrain --config` has them."""

    def run(name):
        found = translate_file(str(shared / "data" / "vendor_configs" / name))
        return resolve(PretrainConfig, found.layers())

    return run


# File: cards x --train_batch_size, micro-batch = batch / accumulation, length, predictions,
# rate, warm-up, and its cards' results folder.
VOYAGER_FILES = [
    # 1 x 8,192; 8192 / 128 = 64
    ("bert_phase1_1card.yaml", 8192, 64, 128, 20, 0.006, 0.2843, "1card"),
    # N_CARDS = 1 node x 8: 8 x 8,192
    ("bert_phase1_8cards.yaml", 65_536, 64, 128, 20, 0.006, 0.2843, "8cards"),
    # N_CARDS = 4 nodes x 8: 32 x 8,192
    ("bert_phase1_32cards.yaml", 262_144, 64, 128, 20, 0.006, 0.2843, "32cards"),
    # 8 x 8,192; 8192 / 512 = 16
    ("bert_phase2_8cards.yaml", 65_536, 16, 512, 80, 0.004, 0.128, "8cards"),
]


@pytest.mark.parametrize(
    ("name", "batch", "micro", "length", "predictions", "rate", "warmup", "place"), VOYAGER_FILES
)
def test_the_jobs_of_voyager(plan, name, batch, micro, length, predictions, rate, warmup, place):
    found = plan(f"{VOYAGER}/{name}")
    config, origins = found.config, found.origins
    assert (config.global_batch_size, config.micro_batch_size) == (batch, micro)
    assert config.records.max_seq_length == length
    assert config.records.max_predictions_per_seq == predictions
    assert (config.learning_rate, config.warmup_proportion) == (rate, warmup)
    assert (config.max_steps, config.save_every, config.layout) == (10, 5, "padded")
    # --autocast; --use_lazy_mode=True, or left out: lazy until 1.11
    assert (config.backend, config.precision, config.hpu.mode) == ("hpu", "bf16", "lazy")
    # From the container's variables `output`, `dataset` and `dllog`.
    assert config.output == f"/ceph/results/bert_pytorch/{place}"
    assert config.input[0].startswith("/ceph/datasets/bert/pytorch/hdf5_lower_case_1_seq_len_")
    assert config.json_summary.startswith("/ceph/tmp/log_directory/")
    # bert_config.json of the program is BERT-large.
    assert (config.model.num_hidden_layers, config.model.hidden_size) == (24, 1024)
    check_program(config, origins)


def check_program(config, origins):
    """What run_pretraining.py does whatever its flags are, and its defaults of those left out."""
    assert (config.optimizer, config.eps, config.weight_decay) == ("nvlamb", 1e-6, 0.01)
    assert (config.beta1, config.beta2, config.max_grad_norm) == (0.9, 0.999, 1.0)
    assert (config.schedule, config.power, config.keep_last) == ("polynomial", 0.5, 3)
    assert config.mlm_normalisation == "micro_batch"
    assert (config.seed, config.log_every) == (42, 1)
    for name in ("optimizer", "weight_decay", "seed", "log_every", "mlm_normalisation"):
        assert origins[name] == "default of run_pretraining.py"


# Number in the page: cards, global batch, micro-batch, length, packed, precision.
README_COMMANDS = [
    (1, 8192, 64, 128, "packed", "bf16"),  # 8192 / 128
    (2, 4096, 8, 512, "packed", "bf16"),  # 4096 / 512
    (3, 8192, 64, 128, "packed", "bf16"),
    (4, 8192, 64, 128, "packed", "bf16"),
    (5, 4096, 16, 512, "packed", "bf16"),  # 4096 / 256
    (6, 8192, 64, 128, "padded", "bf16"),
    (7, 4096, 8, 512, "padded", "bf16"),
    (8, 512, 16, 128, "padded", "fp32"),  # 512 / 32
    (9, 128, 2, 512, "padded", "fp32"),  # 128 / 64
    (10, 65_536, 64, 128, "packed", "bf16"),  # 8 x 8,192
    (11, 32_768, 8, 512, "packed", "bf16"),  # 8 x 4,096
    (12, 65_536, 64, 128, "packed", "bf16"),
    (13, 32_768, 16, 512, "packed", "bf16"),
    (14, 65_536, 64, 128, "packed", "bf16"),
    (15, 65_536, 64, 128, "padded", "bf16"),
    (16, 32_768, 8, 512, "padded", "bf16"),
    (17, 65_536, 32, 128, "padded", "fp32"),  # 8192 / 256
    (18, 32_768, 8, 512, "padded", "fp32"),  # its mpirun line lacks the backslash
    (19, 65_536, 64, 128, "padded", "bf16"),
    (20, 32_768, 8, 512, "padded", "bf16"),
    (27, 65_536, 64, 128, "packed", "bf16"),  # 32 x 2,048; 2048 / 32
    (28, 32_768, 8, 512, "packed", "bf16"),  # 32 x 1,024; a blank follows a backslash
    (29, 65_536, 64, 128, "padded", "bf16"),  # lacks a backslash in its middle
    (30, 32_768, 8, 512, "padded", "bf16"),
    (31, 8192, 8, 128, "packed", "bf16"),  # 8 x 1,024; 1024 / 128
    (32, 8192, 2, 512, "packed", "bf16"),  # 1024 / 512
]


@pytest.mark.parametrize(
    ("number", "batch", "micro", "length", "layout", "precision"), README_COMMANDS
)
def test_the_pretraining_commands_of_the_1_23_page(
    plan, number, batch, micro, length, layout, precision
):
    found = plan(f"{README}:{number}")
    config, first = found.config, length == 128
    assert (config.global_batch_size, config.micro_batch_size) == (batch, micro)
    assert (config.records.max_seq_length, config.layout) == (length, layout)
    assert (config.precision, config.backend) == (precision, "hpu")
    # Every command has --use_torch_compile; compiled autograd is then on by default.
    assert (config.hpu.mode, config.hpu.compiled_autograd) == ("compile", True)
    assert config.learning_rate == (0.006 if first else 0.004)
    assert config.warmup_proportion == (0.2843 if first else 0.128)
    assert config.records.max_predictions_per_seq == (20 if first else 80)
    # 16, 17 and 20 are tests of a few steps.
    assert config.max_steps == {16: 5, 17: 3, 20: 5}.get(number, 7038 if first else 1563)
    assert config.save_every == 200 and config.input[0].startswith("/data/pytorch/")
    assert config.output.endswith("/results/checkpoints")
    large = number in (31, 32)  # bert_config_1.2B.json of the program
    assert config.model.num_hidden_layers == (40 if large else 24)
    assert config.model.hidden_size == (1536 if large else 1024)
    assert config.shard_optimizer == large
    check_program(config, found.origins)


def test_a_file_of_many_commands_is_asked_for_one(shared):
    path = shared / "data" / "vendor_configs" / README
    with pytest.raises(ConfigError, match="holds 38 training commands"):
        translate_file(str(path))


@pytest.mark.parametrize("name", ["data_gen.yaml", "setup.sh"])
@pytest.mark.parametrize("command", ["pretrain", "finetune-squad"])
def test_jobs_that_train_nothing_are_refused_by_name(shared, name, command):
    path = shared / "data" / "vendor_configs" / VOYAGER / name
    with pytest.raises(ConfigError, match=f"{name}: runs none of the programs"):
        translate_file(str(path), command)


SHORT = (
    "python3 run_pretraining.py --config_file=c.json --input_dir=/d --output_dir=/o --use_habana"
)


def test_flags_left_out_are_those_of_the_program(read):
    """argparse of run_pretraining.py, 1.11 and 1.23; none of bertkit's own defaults is the same."""
    found, config = read(SHORT)
    assert (config.learning_rate, config.warmup_proportion, config.seed) == (5e-5, 0.01, 42)
    assert (config.global_batch_size, config.micro_batch_size, config.max_steps) == (32, 32, 1000)
    assert (config.records.max_seq_length, config.records.max_predictions_per_seq) == (512, 80)
    assert (config.save_every, config.log_every, config.layout) == (100, 1, "packed")
    assert (config.precision, config.hpu.mode) == ("fp32", "lazy")
    assert {"input", "output", "backend"} >= found.values.keys() - {"hpu.mode"}
    told = {row[0]: row[2] for row in found.rows()}
    assert told["--learning_rate"] == "default of run_pretraining.py: learning_rate = 5e-05"
    assert told["--json-summary"].startswith("default of run_pretraining.py: ignored")
    assert all(f"--{flag}" in told for flag in DEFAULTS)


@pytest.mark.parametrize(
    ("line", "mode", "autograd"),
    [
        (f"{SHORT} --use_lazy_mode False", "eager", False),
        (f"export PT_HPU_LAZY_MODE=0\n{SHORT} --use_lazy_mode=True", "eager", False),
        (f"PT_HPU_LAZY_MODE=1 {SHORT} --use_lazy_mode=False", "lazy", False),
        (f"mpirun -n 2 -x PT_HPU_LAZY_MODE=2 {SHORT}", "eager", False),
        (f"{SHORT} --use_torch_compile", "compile", True),
        (f"{SHORT} --no_compiled_autograd --use_torch_compile", "compile", False),
    ],
)
def test_the_mode_is_that_of_the_variable_or_the_flag(read, line, mode, autograd):
    _, config = read(line)
    assert (config.hpu.mode, bool(config.hpu.compiled_autograd)) == (mode, autograd)


def test_the_order_of_flags_decides_nothing(read, tmp_path):
    (tmp_path / "c.json").write_text('{"hidden_size": 64, "num_hidden_layers": 3, '
                                     '"num_attention_heads": 2, "vocab_size": 99}')  # fmt: skip
    for flags in (
        "--config_file={} --bert_model=bert-base",
        "--bert_model=bert-base --config_file={}",
    ):
        _, config = read(f"python run_pretraining.py {flags.format(tmp_path / 'c.json')}")
        assert (config.model.hidden_size, config.model.vocab_size) == (64, 104)  # rounded up to 8
    for flags in ("--skip_checkpoint --num_steps_per_checkpoint 7",
                  "--num_steps_per_checkpoint 7 --skip_checkpoint"):  # fmt: skip
        assert read(f"{SHORT} {flags}")[1].save_every == 0


def test_the_model_of_a_config_file_is_taken_whole(read, tmp_path):
    shape = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2,
             "vocab_size": 99, "hidden_dropout_prob": 0.0, "hidden_act": "relu",
             "attention_probs_dropout_prob": 0.2, "max_position_embeddings": 256,
             "type_vocab_size": 3, "initializer_range": 0.05}  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps(shape))
    _, config = read(f"python run_pretraining.py --config_file={tmp_path / 'c.json'}")
    wrong = {key for key, value in shape.items() if getattr(config.model, key) != value}
    assert wrong == {"vocab_size"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--train_batch_size=10 --gradient_accumulation_steps=4", "10 is not a multiple"),
        ("--gradient_accumulation_steps=0", "not a multiple"),
        ("--fp16", "hpu computes in bf16 or fp32"),
        ("--use_magic", "unknown key"),
        ("--train_batch_size", "must be a whole number"),
        ("--train_batch_size=many", "must be a whole number"),
        ("--gradient_accumulation_steps=1.5", "must be a whole number"),
        ("--learning_rate=nan", "must be a number"),
        ("--autocast False", "takes no value there"),
        ("--checkpoint_activations=true", "takes no value there"),
        ("--seed 1 2", "'2' of run_pretraining.py belongs to no flag"),
    ],
)
def test_what_cannot_be_had_is_refused(read, flags, message):
    with pytest.raises(ConfigError, match=message):
        read(f"{SHORT} {flags}")


def test_without_habana_the_program_takes_what_is_there(read):
    line = SHORT.replace("--use_habana", "")
    assert read(line)[1].backend == "auto"
    assert read(f"{line} --no_cuda")[1].backend == "cpu"
    assert read(f"{line} --fp16")[1].precision == "fp16"


# All flags of run_pretraining.py of Model-References 1.11 and 1.23.
FLAGS = [
    "input_dir", "config_file", "bert_model", "output_dir", "init_checkpoint", "max_seq_length",
    "max_predictions_per_seq", "train_batch_size", "learning_rate", "num_train_epochs",
    "max_steps", "warmup_proportion", "local_rank", "seed", "gradient_accumulation_steps", "fp16",
    "amp", "loss_scale", "log_freq", "checkpoint_activations", "resume_from_checkpoint",
    "resume_step", "num_steps_per_checkpoint", "skip_checkpoint", "phase2",
    "allreduce_post_accumulation", "allreduce_post_accumulation_fp16", "phase1_end_step",
    "init_loss_scale", "do_train", "json_summary", "use_env", "disable_progress_bar",
    "steps_this_run", "no_cuda", "use_habana", "autocast", "hmp", "hmp_bf16", "hmp_fp32",
    "hmp_opt_level", "hmp_verbose", "use_fused_lamb", "use_lazy_mode", "enable_packed_data_mode",
    "use_zero_optimizer", "profile", "profile_steps", "tensorboard_logdir", "use_hpu_graphs",
    "use_torch_compile", "no_compiled_autograd", "log_memory_usage", "enable_tensorboard_logging",
]  # fmt: skip


def test_every_flag_of_the_program_has_a_rule():
    assert [flag for flag in FLAGS if flag not in TABLE] == []


GRAPHCORES = """pytorch_bert_base_pretrain_real_pod16:
   cmd: >-
      python3 run_pretraining.py
         --config pretrain_base_128
         --training-steps 10
pytorch_bert_large_pretrain_real_pod16:
   cmd: >-
      python3 run_pretraining.py
         --config pretrain_large_128
"""
MLPERFS = """#!/bin/bash
python3 run_pretraining.py --bert_config_file=bert_config.json --output_dir=/tmp/output \\
  --input_file='tfrecords/part*' --do_train --train_batch_size=24
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GRAPHCORES, "--config is a flag of Graphcore's run_pretraining.py"),
        (MLPERFS, "--bert_config_file is a flag of Google's or MLPerf's run_pretraining.py"),
        (
            MLPERFS.replace("run_pretraining", "run_squad"),
            "--bert_config_file is a flag of Google's or MLPerf's run_squad.py",
        ),
    ],
)
def test_programs_of_the_same_name_are_told_apart(read, text, told):
    with pytest.raises(ConfigError, match=told):
        read(text, "commands.yml")
