"""Habana's fine-tuning commands: what each becomes, worked out by hand."""

from __future__ import annotations

import pytest

from bertkit.configuration.config import Layer, resolve
from bertkit.errors import ConfigError
from bertkit.external_configs.detect import translate_file
from bertkit.external_configs.habana.squad import DEFAULTS, TABLE
from bertkit.tasks.squad.config import SquadConfig

README = "habana_1.23/readme_commands.txt"
ORIGIN = "default of run_squad.py"


@pytest.fixture
def plan(shared):
    """The resolved settings of a published command, as `finetune-squad --config` has them."""

    def run(name):
        found = translate_file(str(shared / "data" / "vendor_configs" / name), "finetune-squad")
        # The page leaves the checkpoint to its reader.
        given = {"init_checkpoint": "c"} if "init_checkpoint" not in found.values else {}
        return found, resolve(SquadConfig, [*found.layers(), Layer("--set", given)])

    return run


def test_the_fine_tuning_job_of_voyager(plan):
    _, resolved = plan("voyager_v111/bert_ftuning_8cards.yaml")
    config, origins = resolved.config, resolved.origins
    # 8 cards x --train_batch_size=24, no accumulation
    assert (config.global_batch_size, config.micro_batch_size) == (192, 24)
    assert (config.predict_batch_size, config.seed, config.log_every) == ("8", 1, 20)
    assert (config.max_seq_length, config.doc_stride, config.do_lower_case) == (384, 128, True)
    # --max_steps=-1: by epochs
    assert (config.max_steps, config.epochs, config.learning_rate) == (0, 2.0, 3e-5)
    assert (config.trains, config.predicts, config.do_eval) == (True, True, True)
    # --hmp is mixed precision in bf16 until 1.11, and lazy mode its default.
    assert (config.backend, config.precision, config.hpu.mode) == ("hpu", "bf16", "lazy")
    assert config.init_checkpoint == "/ceph/results/bert_pytorch/8cards/ckpt_20.pt"
    assert config.vocab == "/ceph/datasets/bert/pytorch/uncased_L-24_H-1024_A-16/vocab.txt"
    assert config.train_file == "/ceph/datasets/bert/pytorch/squad/v1.1/train-v1.1.json"
    assert config.predict_file == "/ceph/datasets/bert/pytorch/squad/v1.1/dev-v1.1.json"
    assert config.json_summary == "/ceph/tmp/log_directory/dllogger.json"
    # Left out: run_squad.py has warm-up 0.1; and no weight decay but on NVIDIA's GPUs.
    assert (config.warmup_proportion, config.weight_decay, config.schedule) == (0.1, 0.0, "linear")
    assert origins["warmup_proportion"] == origins["weight_decay"] == ORIGIN
    # FusedAdamW(bias_correction=False)
    assert config.optimizer == "adamw_no_bias_correction" and origins["optimizer"] == ORIGIN


def test_the_inference_job_of_voyager(plan):
    _, resolved = plan("voyager_v111/bert_inference_1card.yaml")
    config, origins = resolved.config, resolved.origins
    assert (config.trains, config.predicts, config.do_eval) == (False, True, True)
    assert (config.predict_batch_size, config.hpu.graphs) == ("24", True)
    assert (config.backend, config.precision, config.hpu.mode) == ("hpu", "bf16", "lazy")
    assert config.output == "/ceph/results/bert_pytorch/1card/inference"
    assert config.init_checkpoint == "/ceph/results/bert_pytorch/8cards/ckpt_20.pt"
    assert config.vocab == "/ceph/datasets/bert/pytorch/uncased_L-24_H-1024_A-16/vocab.txt"
    assert (config.max_seq_length, config.doc_stride, config.do_lower_case) == (384, 128, True)
    assert origins["max_seq_length"] == origins["doc_stride"] == ORIGIN


@pytest.mark.parametrize(
    ("number", "batch", "precision", "mode"),
    [
        (21, 24, "bf16", "lazy"),
        (22, 12, "fp32", "lazy"),
        (23, 12, "fp32", "compile"),
        (24, 192, "bf16", "lazy"),  # 8 x 24
        (25, 96, "fp32", "lazy"),  # 8 x 12
        (26, 192, "bf16", "compile"),
    ],
)
def test_the_fine_tuning_commands_of_the_1_23_page(plan, number, batch, precision, mode):
    found, resolved = plan(f"{README}:{number}")
    config = resolved.config
    assert (config.global_batch_size, config.precision) == (batch, precision)
    assert config.hpu.mode == mode and not config.hpu.compiled_autograd
    assert (config.epochs, config.max_steps, config.learning_rate) == (2.0, 0, 3e-5)
    assert (config.predict_batch_size, config.log_every, config.seed) == ("8", 20, 1)
    assert (config.trains, config.predicts, config.do_eval) == (True, True, True)
    # <path-to-checkpoint> is for the reader to fill in.
    assert "init_checkpoint" not in found.values and config.vocab is None
    assert sum("a placeholder" in line for line in found.warnings()) == 2


@pytest.mark.parametrize(
    ("number", "mode", "graphs"), [(33, "lazy", False), (34, "lazy", True), (37, "compile", False)]
)
def test_the_inference_commands_of_the_1_23_page(plan, number, mode, graphs):
    _, resolved = plan(f"{README}:{number}")
    config = resolved.config
    assert (config.trains, config.predicts, config.do_eval) == (False, True, True)
    assert (config.predict_batch_size, config.precision) == ("24", "bf16")
    assert (config.hpu.mode, config.hpu.graphs) == (mode, graphs)


@pytest.mark.parametrize("number", [35, 36, 38])
def test_half_precision_is_refused_by_name(shared, number):
    path = shared / "data" / "vendor_configs" / README
    with pytest.raises(ConfigError, match=r"--fp16.*hpu computes in bf16 or fp32"):
        translate_file(f"{path}:{number}", "finetune-squad")


def test_a_file_of_the_other_task_is_sent_to_its_command(shared):
    folder = shared / "data" / "vendor_configs" / "voyager_v111"
    with pytest.raises(ConfigError, match="is for `bertkit finetune-squad`, not for `bertkit pre"):
        translate_file(str(folder / "bert_ftuning_8cards.yaml"))
    with pytest.raises(ConfigError, match="is for `bertkit pretrain`"):
        translate_file(str(folder / "bert_phase1_8cards.yaml"), "finetune-squad")


def test_flags_left_out_are_those_of_the_program(tmp_path):
    line = "python run_squad.py --do_train --train_file=t.json --init_checkpoint=c --output_dir=o"
    (tmp_path / "run.sh").write_text(f"{line} --use_habana --config_file=x --vocab_file=v\n")
    found = translate_file(str(tmp_path / "run.sh"), "finetune-squad")
    config = resolve(SquadConfig, found.layers()).config
    assert (config.seed, config.log_every, config.predict_batch_size) == (42, 50, "8")
    assert (config.do_lower_case, config.do_predict, config.do_eval) == (False, False, False)
    assert (config.precision, config.learning_rate, config.epochs) == ("fp32", 5e-5, 3.0)
    told = {row[0]: row[2] for row in found.rows()}
    assert told["--do_lower_case"] == f"{ORIGIN}: do_lower_case = False"
    assert all(f"--{flag}" in told for flag in DEFAULTS)


# All flags of run_squad.py of Model-References 1.11 and 1.23.
FLAGS = [
    "bert_model", "output_dir", "init_checkpoint", "train_file", "predict_file", "max_seq_length",
    "doc_stride", "max_query_length", "do_train", "do_predict", "train_batch_size",
    "predict_batch_size", "learning_rate", "num_train_epochs", "max_steps", "warmup_proportion",
    "n_best_size", "max_answer_length", "verbose_logging", "no_cuda", "seed",
    "gradient_accumulation_steps", "do_lower_case", "local_rank", "fp16", "amp", "loss_scale",
    "version_2_with_negative", "null_score_diff_threshold", "vocab_file", "config_file",
    "log_freq", "json_summary", "eval_script", "do_eval", "use_env", "skip_checkpoint",
    "disable_progress_bar", "skip_cache", "cache_dir", "use_habana", "use_hpu_graphs", "autocast",
    "hmp", "hmp_bf16", "hmp_fp32", "hmp_verbose", "use_lazy_mode", "use_fused_adam",
    "per_param_grad_clipping", "throughput_warmup_steps", "profile", "profile_steps",
    "tensorboard_logdir", "use_torch_compile", "compiled_autograd", "enable_tensorboard_logging",
    "log_memory_usage",
]  # fmt: skip


def test_every_flag_of_the_program_has_a_rule():
    assert [flag for flag in FLAGS if flag not in TABLE] == []
