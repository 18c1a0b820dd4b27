"""Tells Cerebras' three trainers apart, and lists the defaults of each for what a file leaves out.

Sources: the model zoo at R_1.7.0 (`transformers/tf/bert/utils.py`, `common/tf/optimizers/`,
`common/pytorch/PyTorchBaseModel.py`) and at 2.10, whose defaults are those of the package
cerebras-pytorch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Of a key that is not read.
UNUSED = object()
# A default, or how it follows from the keys that a file gives.
Default = Any | Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Program:
    """One of their trainers.

    Attributes:
        name: as people know it.
        training: defaults of optimizer and run, by key of the table.
        pretraining: defaults of records and model.
        required: keys that it has no default for, and our settings for each.
        adam_decays: its Adam and SGD add the decay to the gradient; else they have none.
    """

    name: str
    training: Mapping[str, Default]
    pretraining: Mapping[str, Default]
    required: Mapping[str, Sequence[str]]
    adam_decays: bool = True

    def defaults(self, given: Mapping[str, Any], pretrains: bool) -> list[tuple[str, str, Any]]:
        """(key, key in the table, default) of all keys that a file leaves out.

        Args:
            given: key in the table → value of the file.
            pretrains: the file is not for fine-tuning, where the model comes from a checkpoint.
        """
        found = {**self.pretraining, **self.training} if pretrains else dict(self.training)
        values = {key: value(given) if callable(value) else value for key, value in found.items()}
        return [
            (key, key, value)
            for key, value in values.items()
            if key not in given and value is not UNUSED
        ]


def _length(given: Mapping[str, Any]) -> Any:
    return given.get("train_input.max_sequence_length", UNUSED)


def _epsilon(given: Mapping[str, Any]) -> float:
    return 1e-5 if given.get("model.mixed_precision") else 1e-8


def _dropout(given: Mapping[str, Any]) -> Any:
    return given.get("model.dropout_rate", 0.1)


def _masking(value: Any) -> Default:
    """A default of the data processors that draw new masks."""
    key = "train_input.data_processor"
    return lambda given: value if "Dynamic" in str(given.get(key)) else UNUSED


def _momentum(given: Mapping[str, Any]) -> Default:
    used = str(given.get("optimizer.optimizer_type")).lower() == "momentum"
    return 0.9 if used else UNUSED


_MASKS: dict[str, Default] = {
    "train_input.masked_lm_prob": _masking(0.15),
    "train_input.mask_whole_word": _masking(False),
}
_OPTIMIZER: dict[str, Default] = {
    "optimizer.beta1": 0.9,
    "optimizer.beta2": 0.999,
    "optimizer.max_gradient_norm": 0.0,
    "optimizer.loss_scaling_factor": 1.0,
}
_TRAINING_NEEDS = {
    "train_input.batch_size": ("global_batch_size",),
    "optimizer.optimizer_type": ("optimizer",),
    "optimizer.learning_rate": ("stage", "learning_rate"),
}
_NEEDS = {
    **_TRAINING_NEEDS,
    "model.mixed_precision": ("precision",),
    "model.hidden_size": ("model.hidden_size",),
    "model.num_hidden_layers": ("model.num_hidden_layers",),
    "model.num_heads": ("model.num_attention_heads",),
    "model.filter_size": ("model.intermediate_size",),
    "model.dropout_rate": ("model.hidden_dropout_prob",),
}

TENSORFLOW = Program(
    name="Cerebras R_1.7.0",
    training={
        **_OPTIMIZER,
        "optimizer.weight_decay_rate": 0.0,
        "optimizer.epsilon": _epsilon,
        "optimizer.use_bias_correction": False,
        "optimizer.momentum": _momentum,
        "optimizer.disable_lr_steps_reset": False,
        "runconfig.max_steps": None,
        "runconfig.save_summary_steps": 100,
        "runconfig.save_checkpoints_steps": 1000,
        "runconfig.keep_checkpoint_max": 5,
        "runconfig.tf_random_seed": None,
    },
    pretraining={
        **_MASKS,
        "model.use_segment_embedding": False,
        "model.max_position_embeddings": _length,
        "model.attention_dropout_rate": 0.0,
        "model.layer_norm_epsilon": 1e-8,
        "model.disable_nsp": False,
        "model.mlm_loss_scaling": "precomputed_num_masked",
        "initializer.name": "truncated_normal",
        "initializer.stddev": 0.02,
    },
    required={**_NEEDS, "model.encoder_nonlinearity": ("model.hidden_act",)},
    adam_decays=False,
)

TORCH_1 = Program(
    name="Cerebras R_1.7.0 for PyTorch",
    training={
        **_OPTIMIZER,
        "optimizer.weight_decay_rate": 0.0,
        "optimizer.eps": 1e-6,
        "optimizer.correct_bias": False,
        "optimizer.disable_lr_steps_reset": True,
        "runconfig.max_steps": None,
        "runconfig.checkpoint_steps": 0,
        "runconfig.max_checkpoints": None,
        "runconfig.seed": None,
    },
    pretraining={
        **_MASKS,
        "model.encoder_nonlinearity": "gelu",
        "model.max_position_embeddings": _length,
        "model.disable_nsp": False,
        "model.initializer_range": 0.02,
    },
    required={
        **_NEEDS,
        "model.attention_dropout_rate": ("model.attention_probs_dropout_prob",),
        "model.layer_norm_epsilon": ("model.layer_norm_eps",),
    },
)

TORCH_2 = Program(
    name="Cerebras 2.10",
    training={
        **_OPTIMIZER,
        "optimizer.weight_decay": 0.0,
        "optimizer.eps": 1e-6,
        "optimizer.correct_bias": True,
        "optimizer.disable_lr_steps_reset": False,
        "model.mixed_precision": False,
        "runconfig.max_steps": None,
        "runconfig.checkpoint_steps": None,
        "runconfig.max_checkpoints": None,
        "runconfig.seed": None,
    },
    pretraining={
        **_MASKS,
        "model.hidden_size": 768,
        "model.num_hidden_layers": 12,
        "model.num_heads": 12,
        "model.filter_size": 3072,
        "model.encoder_nonlinearity": "gelu",
        "model.dropout_rate": 0.1,
        "model.attention_dropout_rate": _dropout,
        "model.max_position_embeddings": _length,
        "model.layer_norm_epsilon": 1e-5,
        "model.disable_nsp": False,
        "model.initializer_range": 0.02,
    },
    required=_TRAINING_NEEDS,
)

PROGRAMS = (TENSORFLOW, TORCH_1, TORCH_2)

# Keys that only one of them reads.
_TENSORFLOW_KEYS = {
    "model.boundary_casting",
    "model.tf_summary",
    "model.use_segment_embedding",
    "optimizer.use_bias_correction",
    "optimizer.log_summaries",
    "runconfig.save_checkpoints_steps",
    "runconfig.keep_checkpoint_max",
    "runconfig.tf_random_seed",
}
_TORCH_KEYS = {
    "model.vocab_size",
    "runconfig.checkpoint_steps",
    "runconfig.log_steps",
    "runconfig.seed",
    "optimizer.correct_bias",
    "optimizer.eps",
    "optimizer.weight_decay",
}
_TORCH_1_KEYS = {"optimizer.weight_decay_rate", "optimizer.disable_lr_steps_reset"}


def program_of(given: Mapping[str, Any], trainer: bool) -> Program:
    """The program that a file is for.

    Args:
        given: key in the table → value of the file.
        trainer: it has the one section `trainer`.
    """
    if trainer:
        return TORCH_2
    keys = given.keys()
    processor = str(given.get("train_input.data_processor", ""))
    tensorflow = len(keys & _TENSORFLOW_KEYS) + ("TfRecords" in processor)
    torch = len(keys & _TORCH_KEYS) + ("CSV" in processor)
    if tensorflow >= torch:
        return TENSORFLOW
    return TORCH_1 if keys & _TORCH_1_KEYS else TORCH_2
