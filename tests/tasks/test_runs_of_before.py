"""Runs begun before pretraining and SQuAD shared settings and checkpoints had checksums."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import synthetic
import torch
from safetensors.torch import load_file

from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.errors import ConfigError, StoppedError
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.tasks.squad.config import SquadConfig
from bertkit.tasks.squad.finetune import finetune
from bertkit.train.checkpoints import checkpoint
from tasks.squad.world import PEOPLE, RIVERS, WORDS, squad

# The settings that state.json held then.
SQUAD_THEN = {
    "init_checkpoint", "vocab", "do_lower_case", "version_2_with_negative",
    "null_score_diff_threshold", "max_seq_length", "doc_stride", "max_query_length",
    "n_best_size", "max_answer_length", "backend", "precision", "layout", "predict_batch_size",
    "hpu", "ipu", "cs", "train_file", "predict_file", "output", "do_train", "do_predict",
    "do_eval", "global_batch_size", "micro_batch_size", "epochs", "max_steps", "optimizer",
    "learning_rate", "schedule", "warmup_proportion", "weight_decay", "max_grad_norm",
    "save_every", "cache", "keep_last", "log_every", "log_to", "resume", "limit", "seed",
}  # fmt: skip
PRETRAINING_THEN = {
    "input", "text", "text_cache", "mask", "new_pairs", "output", "eval_input", "vocab",
    "init_checkpoint", "resume", "backend", "precision", "layout", "bucket_boundaries",
    "sequences_per_pack", "global_batch_size", "micro_batch_size", "recompute", "max_steps",
    "epochs", "steps_this_run", "optimizer", "shard_optimizer", "learning_rate",
    "end_learning_rate", "schedule", "stage", "power", "warmup_proportion", "warmup_steps",
    "start_warmup_step", "beta1", "beta2", "eps", "weight_decay", "max_grad_norm", "clip",
    "loss_scale", "mlm_normalisation", "nsp", "save_every", "keep_last", "keep_every",
    "background_save", "eval_every", "eval_every_samples", "mlperf_log", "json_summary",
    "measure_peak", "profile_steps", "log_every", "log_to", "target_mlm_accuracy", "seed",
    "records", "model", "cuda", "hpu", "ipu", "cs",
}  # fmt: skip
STATE_THEN = {
    "step", "position", "epoch", "seed", "data_fingerprint", "config", "seconds", "finished",
    "metrics", "versions", "world",
}  # fmt: skip
SHAPE = BertConfig(
    vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
    intermediate_size=32, max_position_embeddings=48,
)  # fmt: skip


def age(run, then, metrics):
    """Give the run's last state.json the form of then; returns the settings it loses."""
    path = checkpoint.latest(run) / "state.json"
    state = json.loads(path.read_text())
    assert state.keys() > STATE_THEN
    state = {name: state[name] for name in STATE_THEN}
    new = state["config"].keys() - then
    assert not then - state["config"].keys()
    state["config"] = {name: state["config"][name] for name in then}
    state["metrics"] = {name: state["metrics"][name] for name in metrics}
    path.write_text(json.dumps(state))
    return new


def same(one, two):
    first, second = (load_file(f"{place}/model.safetensors") for place in (one, two))
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def test_a_squad_run_resumes(tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split()]
    torch.manual_seed(0)
    shape = replace(SHAPE, vocab_size=len(words))
    save_pretrained(BertForPreTraining(shape), tmp_path / "encoder")
    (tmp_path / "encoder/vocab.txt").write_text("\n".join(words) + "\n")
    (tmp_path / "q.json").write_text(json.dumps(squad(RIVERS, PEOPLE)))
    config = SquadConfig(
        train_file=str(tmp_path / "q.json"), init_checkpoint=str(tmp_path / "encoder"),
        output=str(tmp_path / "whole"), max_seq_length=48, doc_stride=16, max_query_length=12,
        global_batch_size=4, max_steps=6,
    )  # fmt: skip
    whole = finetune(config, CpuAdapter())
    cut = replace(config, output=str(tmp_path / "cut"))
    with pytest.raises(StoppedError):
        finetune(replace(cut, steps_this_run=3), CpuAdapter())
    assert {"beta1", "eps", "warmup_steps", "cuda"} <= age(cut.output, SQUAD_THEN, ["train"])
    shutil.copytree(cut.output, tmp_path / "other")
    same(whole.checkpoint, finetune(cut, CpuAdapter()).checkpoint)
    # What it does not name had its default, and decides numbers like any other setting.
    changed = replace(config, output=str(tmp_path / "other"), beta1=0.8)
    with pytest.raises(ConfigError, match=r"beta1 0\.9, now 0\.8"):
        finetune(changed, CpuAdapter())


def test_a_pretraining_run_resumes(tmp_path):
    synthetic.write(tmp_path / "train.tfrecord", 20)
    config = PretrainConfig(
        input=[str(tmp_path / "train.tfrecord")], output=str(tmp_path / "whole"), model=SHAPE,
        global_batch_size=4, max_steps=6,
    )  # fmt: skip
    whole = pretrain(config, CpuAdapter())
    cut = replace(config, output=str(tmp_path / "cut"))
    with pytest.raises(StoppedError):
        pretrain(replace(cut, steps_this_run=3), CpuAdapter())
    age(cut.output, PRETRAINING_THEN, ["train", "eval"])
    same(whole.checkpoint, pretrain(cut, CpuAdapter()).checkpoint)
