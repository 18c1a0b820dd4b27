"""The table of parameter names, those of `transformers`, that all checkpoint readers use.

bertkit's modules carry these names, so a checkpoint of any other program is read by finding,
for each of its tensors, the name listed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

WORD_EMBEDDINGS = "bert.embeddings.word_embeddings.weight"
POSITION_EMBEDDINGS = "bert.embeddings.position_embeddings.weight"
SEGMENT_EMBEDDINGS = "bert.embeddings.token_type_embeddings.weight"
MLM_BIAS = "cls.predictions.bias"
# The masked LM head multiplies by the word embeddings; some files repeat them under these names.
MLM_DECODER = "cls.predictions.decoder.weight"
MLM_DECODER_BIAS = "cls.predictions.decoder.bias"
LAYER_PREFIX = "bert.encoder.layer."

# Modules of one layer of the encoder; each has a weight and a bias.
LAYER_MODULES = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)
# Modules around the layers, and the heads, each with a weight and a bias.
OTHER_MODULES = (
    "bert.embeddings.LayerNorm",
    "bert.pooler.dense",
    "cls.predictions.transform.dense",
    "cls.predictions.transform.LayerNorm",
)
HEAD_MODULES = ("cls.seq_relationship", "qa_outputs", "classifier")

# Tensors of old files that hold constants.
CONSTANTS = {"bert.embeddings.position_ids", "bert.embeddings.token_type_ids"}
# What AdamW and LAMB keep per weight: decaying means of its gradients and of their squares.
MOMENTS = ("exp_avg", "exp_avg_sq")


def _any_of(names: Iterable[str]) -> str:
    return "|".join(map(re.escape, names))


_LAYER_MODULE = rf"{re.escape(LAYER_PREFIX)}\d+\.(?:{_any_of(LAYER_MODULES)})"
_PARAMETER = re.compile(
    rf"(?:{_LAYER_MODULE}|{_any_of(OTHER_MODULES)}|{_any_of(HEAD_MODULES)})\.(?:weight|bias)"
    rf"|{_any_of((WORD_EMBEDDINGS, POSITION_EMBEDDINGS, SEGMENT_EMBEDDINGS, MLM_BIAS))}"
)


def is_parameter(name: str) -> bool:
    """Whether a bertkit model can have a parameter of that name."""
    return _PARAMETER.fullmatch(name) is not None


def layer_number(name: str) -> int | None:
    """The layer of the encoder, from 0, that a parameter belongs to; None for all others."""
    return int(name.split(".")[3]) if name.startswith(LAYER_PREFIX) else None


def from_pytorch_name(name: str) -> str:
    """A name of any PyTorch BERT under the names of BertForPreTraining.

    Without the wrapper's `module.`, with the `bert.` prefix, and `gamma` and `beta` of
    old layer norms as `weight` and `bias`.
    """
    name = name.removeprefix("module.")
    name = name.replace("LayerNorm.gamma", "LayerNorm.weight")
    name = name.replace("LayerNorm.beta", "LayerNorm.bias")
    if name.startswith(("embeddings.", "encoder.", "pooler.")):
        name = "bert." + name
    return name


def tied_parameter(name: str) -> str:
    """The parameter behind a name: the masked LM head shares its matrix and its bias."""
    return {MLM_DECODER: WORD_EMBEDDINGS, MLM_DECODER_BIAS: MLM_BIAS}.get(name, name)


def has_weight_decay(name: str) -> bool:
    """Whether a parameter has weight decay in NVIDIA's and Cerebras' programs."""
    return not any(part in name for part in ("bias", "LayerNorm"))


def in_optimizer_order(names: Iterable[str]) -> list[str]:
    """Parameters in the order in which the optimizers of those programs number them.

    The first group has weight decay; the second, biases and layer norms, has none.
    """
    return sorted(names, key=lambda name: not has_weight_decay(name))
