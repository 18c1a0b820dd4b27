"""Cerebras' files of fine-tuning, against values worked out by hand from their programs.

R_1.7.0: transformers/{tf,pytorch}/bert/fine_tuning/*/utils.py (defaults of a task), *DataProcessor
(files, columns and labels of GLUE); 2.10: models/nlp/bert/. Values not named here are those of
optimizer and run, as in test_cerebras_files.py.
"""

from __future__ import annotations

import pytest

from bertkit.errors import ConfigError
from external_configs.plans import compare

FOLDER = "cerebras_r170"
THEIRS = "default of Cerebras R_1.7.0"
ALL = {
    "precision": "fp16",
    "optimizer": "adamw_no_bias_correction",
    "weight_decay": 0.01,
    "eps": 1e-6,
    "beta1": 0.9,
    "beta2": 0.999,
    "max_grad_norm": 1.0,
    "loss_scale": 0.0,
    "log_every": 100,
    "classifier_dropout": 0.1,
}
FILES = {
    "params_bert_base_mnli.yaml": {
        "task": "classify",
        "glue": "mnli",
        "labels": ["entailment", "neutral", "contradiction"],
        "max_seq_length": 448,
        "global_batch_size": 12,
        "predict_batch_size": 12,
        "max_steps": 100_000,
        "save_every": 10_000,
        "keep_last": 2,
        "rates": {0: 0.0, 5_000: 2.5e-5, 10_000: 5e-5, 90_000: 5e-5},
    },
    "params_bert_base_sst2.yaml": {
        "task": "classify",
        "glue": "sst2",
        "max_seq_length": 72,
        "global_batch_size": 12,
        "max_steps": 20_000,
        "save_every": 2_000,
        "rates": {0: 0.0, 1_000: 2.5e-5, 2_000: 5e-5, 19_000: 5e-5},
    },
    "params_bert_base_ner_bc5cdr-chem.yaml": {
        "task": "tag",
        "max_seq_length": 128,
        "global_batch_size": 8,
        "optimizer": "adamw",  # TensorFlow's Adam, which has no decay
        "weight_decay": 0.0,
        "max_steps": 15_080,
        "save_every": 1_000,  # left out: their default
        "keep_last": 5,
        # disable_lr_steps_reset: the second line counts from the start of the run
        "rates": {0: 0.0, 754: 5e-6, 7_540: 5e-6, 15_079: 1e-5 / 15_080},
    },
}


@pytest.mark.parametrize("name", FILES)
def test_their_files(vendor, name):
    found, config, origins = vendor(f"{FOLDER}/{name}", "finetune")
    compare(config, {**ALL, **FILES[name]})
    assert origins["beta1"] == THEIRS
    told = {key.key: key.text for key in found.with_outcome("ignored")}
    assert "--train-file" in told["train_input.data_dir"]
    assert "--init-checkpoint" in told["model.pretrain_params_path"]
    for command in ("pretrain", "finetune-squad"):
        with pytest.raises(ConfigError, match="is for `bertkit finetune`"):
            vendor(f"{FOLDER}/{name}", command)


def test_what_tags_do_not_learn_here_is_told(vendor):
    found, *_ = vendor(f"{FOLDER}/params_bert_base_ner_bc5cdr-chem.yaml", "finetune")
    told = "\n".join(found.warnings())
    assert "include_padding_in_loss ignored: the loss here is the mean over the words" in told
    assert "num_classes ignored: tags are those of --train-file" in told
    assert "train_input.label_vocab_file ignored" in told
    assert "train_input.data_dir ignored: holds records that their scripts made" in told


GLUE = """
train_input:
  {{data_processor: {processor}, data_dir: ./glue/{task}, vocab_file: v.txt, do_lower: true,
   max_sequence_length: 72, batch_size: 16, num_workers: 8, shuffle: true, shuffle_seed: 1}}
eval_input: {{data_processor: {processor}, data_dir: ./glue/{task}/, batch_size: 4}}
model: {{hidden_size: 768, mixed_precision: true, task_dropout: 0.2, num_labels: 2,
  problem_type: {problem}, layer_norm_epsilon: 1.0e-5, vocab_size: 30522}}
optimizer: {{optimizer_type: AdamW, weight_decay_rate: 0.01, eps: 1.0e-6, learning_rate: 2.0e-5}}
runconfig: {{max_steps: 100, checkpoint_steps: 20, log_steps: 10, seed: 1, eval_steps: 3}}
"""


def glue(processor="SST2DataProcessor", task="SST-2", problem="single_label_classification"):
    return GLUE.format(processor=processor, task=task, problem=problem)


def test_files_columns_and_labels_of_glue(read):
    """BertClassifierDataProcessor.py: train.tsv, dev*.tsv, columns, MNLI_LABEL_IDX."""
    _, config = read(glue(), command="finetune")
    compare(
        config,
        {
            "glue": "sst2",
            "train_file": "glue/SST-2/train.tsv",
            "eval_file": ["glue/SST-2/dev.tsv"],
            "do_lower_case": True,
            "classifier_dropout": 0.2,
            "predict_batch_size": 4,
        },
    )
    _, config = read(glue("MNLIDataProcessor", "MNLI"), command="finetune")
    compare(
        config,
        {
            "glue": "mnli",
            "train_file": "glue/MNLI/train.tsv",
            "eval_file": ["glue/MNLI/dev_matched.tsv", "glue/MNLI/dev_mismatched.tsv"],
            "labels": ["entailment", "neutral", "contradiction"],
        },
    )


def test_problem_types(read):
    found, _ = read(glue(problem="multi_label_classification"), command="finetune")
    assert (found.values["task"], found.values["multi_label"]) == ("classify", True)
    found, _ = read(glue("STSBDataProcessor", "STS-B", "regression"), command="finetune")
    assert (found.values["task"], found.values["glue"]) == ("regress", "stsb")
    assert found.values["train_file"] == "glue/STS-B/train.tsv"
    with pytest.raises(ConfigError, match=r"problem_type \(ranking\): bertkit knows regression"):
        read(glue(problem="ranking"), command="finetune")


def test_what_their_program_requires_has_no_default_here(read):
    with pytest.raises(ConfigError, match=r"no model\.task_dropout"):
        read(glue().replace("task_dropout: 0.2, ", ""), command="finetune")
    with pytest.raises(ConfigError, match=r"no train_input\.max_sequence_length"):
        read(glue().replace("max_sequence_length: 72, ", ""), command="finetune")
    with pytest.raises(ConfigError, match=r"task_drop .*unknown key"):
        read(glue().replace("task_dropout", "task_drop"), command="finetune")


SUMMARISE = """
train_input: {data_dir: ./cnn/train/, data_processor: BertSumTfRecordsProcessor, vocab_file: v.txt,
  max_sequence_length: 512, max_cls_tokens: 50, batch_size: 10}
eval_input: {data_dir: ./cnn/eval/, data_processor: BertSumTfRecordsProcessor, batch_size: 10}
model: {pretrain_params_path: p.yaml, mixed_precision: true, boundary_casting: false,
  tf_summary: false, loss_weight: 0.0625, enable_gpu_optimizations: false}
optimizer:
  optimizer_type: adam
  beta_1: 0.9
  beta_2: 0.999
  learning_rate:
    - {steps: 4000, scheduler: Linear, initial_learning_rate: 0.0, end_learning_rate: 4.0e-5}
  loss_scaling_factor: dynamic
  log_summaries: true
runconfig: {max_steps: 4000, save_summary_steps: 100, save_checkpoints_steps: 1000, eval_steps: 0,
  keep_checkpoint_max: 3, throttle_secs: 0, enable_gpu_optimizations: false, tf_random_seed: 1202}
"""


def test_summarisation(read):
    """params_bertsum_base.yaml of R_1.7.0; sizes are the defaults of bertsum_data_processor.py."""
    found, config = read(SUMMARISE, command="finetune")
    wanted = {
        "task": "summarise",
        "max_seq_length": 512,
        "max_cls_tokens": 50,
        "global_batch_size": 10,
        "loss_weight": 0.0625,
        "optimizer": "adamw",
        "weight_decay": 0.0,
        "eps": 1e-5,  # left out: of mixed precision
        "max_grad_norm": 0.0,  # left out
        "max_steps": 4_000,
        "seed": 1202,
        "keep_last": 3,
        "oracle": "greedy",
        "summary_sentences": 3,
        "min_sentences": 3,
        "max_sentences": 100,
        "min_sentence_words": 5,
        "max_sentence_words": 200,
        "rates": {0: 0.0, 2_000: 2e-5, 3_999: 4e-5 * 3_999 / 4_000},
    }
    compare(config, wanted)
    _, config = read(SUMMARISE.replace("loss_weight: 0.0625, ", ""), command="finetune")
    assert config.loss_weight == 1.0  # set_defaults
    with pytest.raises(ConfigError, match=r"no train_input\.max_cls_tokens"):
        read(SUMMARISE.replace("max_cls_tokens: 50, ", ""), command="finetune")
    with pytest.raises(ConfigError, match="use_cls_bias"):
        read(SUMMARISE.replace("tf_summary", "use_cls_bias"), command="finetune")
    assert any("train_input.data_dir ignored" in line for line in found.warnings())


TRAINER = """
trainer:
  init:
    backend: {backend_type: CSX}
    model_dir: ./model_dir
    seed: 1
    model: {name: bert/extractive_summarization, vocab_size: 30522, hidden_size: 768,
      vocab_file: /vocab/v.txt, pooler_nonlinearity: tanh, use_cls_bias: true, num_labels: 2,
      loss_weight: 0.0539, compute_eval_metrics: false, fp16_type: cbfloat16}
    optimizer: {Adam: {eps: 1.0e-6}}
    schedulers:
      - SequentialLR: {schedulers: [{LinearLR: {initial_learning_rate: 0.0,
          end_learning_rate: 2.0e-5, total_iters: 10000}}]}
    precision: {enabled: true, fp16_type: cbfloat16, loss_scaling_factor: dynamic,
      max_gradient_norm: 1.0}
    loop: {max_steps: 10000, eval_frequency: 1000, eval_steps: 416}
    checkpoint: {steps: 10000}
    logging: {log_steps: 100}
  fit:
    train_dataloader: {data_processor: BertSumCSVDataProcessor, data_dir: ./csv/train/,
      batch_size: 32, max_sequence_length: 768, max_cls_tokens: 50, num_workers: 1}
    val_dataloader: {data_processor: BertSumCSVDataProcessor, data_dir: ./csv/valid/,
      batch_size: 16, max_sequence_length: 768, max_cls_tokens: 50}
  validate: {val_dataloader: {data_dir: ./csv/valid/}}
"""


def test_the_trainer_form(read):
    _, config = read(TRAINER, command="finetune")
    wanted = {
        "task": "summarise",
        "backend": "cs",
        "precision": "bf16",
        "cs.half": "cbfloat16",
        "vocab": "/vocab/v.txt",
        "max_seq_length": 768,
        "max_cls_tokens": 50,
        "loss_weight": 0.0539,
        "global_batch_size": 32,
        "predict_batch_size": 16,
        "eval_every": 1000,
        "save_every": 10_000,
        "max_steps": 10_000,
    }
    compare(config, wanted)
