"""Lists the defaults of Graphcore's three programs for what a file leaves out.

Sources: graphcore/examples at v2.4.0 (`applications/tensorflow2/bert/run_pretraining.py`) and at
v3.4.1 (`nlp/bert/tensorflow2/utilities/options.py`, `nlp/bert/pytorch/args.py`, and
`optimization.py` of both).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Samples of a run by the length of its sequences, in both releases' `batch_config.py`.
SAMPLES = {128: 460_849_152, 384: 34_239_360, 512: 34_239_360}
# Sequences per row of their packed data by length, in v3.4.1's presets.
PACKING = {128: 1.17, 384: 1.7, 512: 2.0}


@dataclass(frozen=True)
class Program:
    """One of their programs.

    Attributes:
        name: as people know it.
        training: defaults of optimizer, memory and run, by key of the table.
        pretraining: defaults of records and model.
        fixed: our settings that no key changes, in every run.
        fixed_pretraining: the same, in pretraining.
        fixed_finetuning: the same, in fine-tuning.
        required: keys that it has no default for, and our settings for each.
    """

    name: str
    training: Mapping[str, Any]
    pretraining: Mapping[str, Any]
    fixed: Mapping[str, Any]
    fixed_pretraining: Mapping[str, Any]
    fixed_finetuning: Mapping[str, Any]
    required: Mapping[str, Sequence[str]]

    def defaults(self, given: Mapping[str, Any], pretrains: bool) -> list[tuple[str, str, Any]]:
        """(key, key in the table, default) of all keys that a file leaves out.

        Args:
            given: key in the table → value of the file.
            pretrains: the file is not for fine-tuning, where the model comes from a checkpoint.
        """
        found = {**self.pretraining, **self.training} if pretrains else dict(self.training)
        return [(key, key, value) for key, value in found.items() if key not in given]


_FIXED = {
    "backend": "ipu",
    "precision": "fp16",
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-6,
    "max_grad_norm": 0.0,  # nothing is clipped, and PopTorch's LAMB cannot
    "keep_last": 0,
}
_LOSS = {"mlm_normalisation": "micro_batch"}  # a mean over the masked tokens of a micro-batch
_BATCH = {
    "micro_batch_size": ("micro_batch_size",),
    "learning_rate.max_learning_rate": ("learning_rate",),
}
# What Hugging Face's BertConfig is for keys of bert_config that are left out.
_SHAPE = {
    "bert_config.hidden_dropout_prob": 0.1,
    "bert_config.attention_probs_dropout_prob": 0.1,
    "bert_config.max_position_embeddings": 512,
    "bert_config.type_vocab_size": 2,
    "bert_config.initializer_range": 0.02,
    "bert_config.layer_norm_eps": 1e-12,
}
# popnn's GELU is the tanh form; new weights are cut at two deviations.
_KERAS_MODEL = {"model.hidden_act": "gelu_new", "model.initializer": "truncated_normal"}
_KERAS = {
    "total_num_train_samples": None,
    "ckpt_every_n_steps_per_execution": 2000,
    "loss_scaling": None,
    "learning_rate.schedule_name": "up_down",
}

# The tokenizer's length, and no scaling of the loss: run_squad.py, run_seq_classification.py.
_FINETUNING = {"max_seq_length": 512, "loss_scale": 1.0}

KERAS_FLAT = Program(
    name="Graphcore v2.4.0",
    training=_KERAS,
    pretraining=_SHAPE,
    fixed={**_FIXED, "ipu.stochastic_rounding": False},  # TensorFlow's default for the IPU
    fixed_pretraining={**_LOSS, **_KERAS_MODEL},
    fixed_finetuning=_FINETUNING,
    required=_BATCH,
)

KERAS_NESTED = Program(
    name="Graphcore v3.4.1",
    training={
        **_KERAS,
        "enable_stochastic_rounding": True,
        "embedding_serialization_factor": 2,
        "enable_recomputation": True,
        "optimizer_state_offchip": True,
        "matmul_partials_type": "half",
        "use_qkv_bias": False,
        "use_projection_bias": False,
    },
    pretraining={**_SHAPE, "use_cls_layer": False},
    fixed=_FIXED,
    fixed_pretraining={**_LOSS, **_KERAS_MODEL},
    fixed_finetuning=_FINETUNING,
    required=_BATCH,
)

TORCH = Program(
    name="Graphcore v3.4.1 for PyTorch",
    training={
        "enable_half_partials": False,
        "recompute_checkpoint_every_layer": False,
        "optimizer_state_offchip": True,
        "replicated_tensor_sharding": False,
        "auto_loss_scaling": False,
        "enable_half_first_order_momentum": False,
        "checkpoint_steps": None,
    },
    pretraining={"packed_data": False},
    fixed={**_FIXED, "log_every": 1},
    fixed_pretraining={
        **_LOSS,
        "model.hidden_act": "gelu",
        "model.hidden_dropout_prob": 0.1,
        "model.max_position_embeddings": 512,
        "model.type_vocab_size": 2,
        "model.initializer": "normal",
        "model.initializer_range": 0.02,
    },
    fixed_finetuning={"doc_stride": 128},
    required={
        "micro_batch_size": ("micro_batch_size",),
        "learning_rate": ("learning_rate",),
        "lr_schedule": ("schedule",),
        "optimizer": ("optimizer",),
        "loss_scaling": ("loss_scale",),
    },
)
# Of pretraining alone: its length, and the sizes of the model.
TORCH_PRETRAINING = {
    "training_steps": ("max_steps", "epochs"),
    "hidden_size": ("model.hidden_size",),
    "num_hidden_layers": ("model.num_hidden_layers",),
    "num_attention_heads": ("model.num_attention_heads",),
}
KERAS_PRETRAINING = {
    "total_num_train_samples": ("max_steps", "epochs"),
    "bert_config.hidden_size": ("model.hidden_size",),
    "bert_config.num_hidden_layers": ("model.num_hidden_layers",),
    "bert_config.num_attention_heads": ("model.num_attention_heads",),
    "bert_config.intermediate_size": ("model.intermediate_size",),
}
PROGRAMS = (KERAS_FLAT, KERAS_NESTED, TORCH)
