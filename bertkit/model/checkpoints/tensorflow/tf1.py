"""Maps the names in Google's and MLPerf's TensorFlow 1 checkpoints to bertkit's names."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from bertkit.model.checkpoints.contents import CheckpointContents
from bertkit.model.checkpoints.tensorflow.bundle import Bundle
from bertkit.model.parameter_names import (
    LAYER_MODULES,
    MLM_BIAS,
    OTHER_MODULES,
    POSITION_EMBEDDINGS,
    SEGMENT_EMBEDDINGS,
    WORD_EMBEDDINGS,
)

PLAIN = {
    "bert/embeddings/word_embeddings": WORD_EMBEDDINGS,
    "bert/embeddings/position_embeddings": POSITION_EMBEDDINGS,
    "bert/embeddings/token_type_embeddings": SEGMENT_EMBEDDINGS,
    "cls/predictions/output_bias": MLM_BIAS,
    "cls/seq_relationship/output_weights": "cls.seq_relationship.weight",
    "cls/seq_relationship/output_bias": "cls.seq_relationship.bias",
    "cls/squad/output_weights": "qa_outputs.weight",
    "cls/squad/output_bias": "qa_outputs.bias",
    "output_weights": "classifier.weight",
    "output_bias": "classifier.bias",
}
# The other modules are called as in transformers, with slashes and `layer_N`.
_PATHS = [
    *(rf"bert/encoder/layer_\d+/{name.replace('.', '/')}" for name in LAYER_MODULES),
    *(name.replace(".", "/") for name in OTHER_MODULES),
]
_MODULE = re.compile(rf"({'|'.join(_PATHS)})/(kernel|bias|gamma|beta)")
_PARAMETER = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}
_SLOTS = {
    "adam_m": "exp_avg",
    "adam_v": "exp_avg_sq",
    "lamb_m": "exp_avg",
    "lamb_v": "exp_avg_sq",
    "Adam": "exp_avg",
    "Adam_1": "exp_avg_sq",
}
_ACCUMULATOR = re.compile(r"GradientAccumulator(_\d+)?")
_COUNTERS = {"global_step", "update_count", "beta1_power", "beta2_power"}


def our_name(name: str) -> tuple[str, bool]:
    """(our name, whether the matrix is to be transposed); the name is empty if unknown."""
    if name in PLAIN:
        return PLAIN[name], False
    match = _MODULE.fullmatch(name)
    if match is None:
        return "", False
    module = re.sub(r"layer_(\d+)", r"layer.\1", match[1]).replace("/", ".")
    return f"{module}.{_PARAMETER[match[2]]}", match[2] == "kernel"


def read(bundle: Bundle, moments: bool = False) -> CheckpointContents:
    """Sort the tensors of a checkpoint of Google's `run_pretraining.py` or `run_squad.py`.

    Args:
        bundle: opened.
        moments: also read the slots of Adam or LAMB.

    Raises:
        DataError: damaged.
    """
    contents = CheckpointContents("tf1", Path(bundle.prefix))
    for name in bundle.entries:
        reason = _reason(bundle, name)
        base, _, last = name.rpartition("/")
        owner, transpose_owner = our_name(base)
        target, transpose = our_name(name)
        if reason:
            contents.skip(name, bundle.shape(name), reason)
        elif target:
            contents.add_weight(name, _transposed(bundle.read(name), transpose), target)
        elif owner and last in _SLOTS and moments:
            moment = _transposed(bundle.read(name), transpose_owner)
            contents.add_moment(name, moment, owner, _SLOTS[last])
        elif owner and last in _SLOTS:
            contents.skip(name, bundle.shape(name), "optimizer slot")
        elif owner and _ACCUMULATOR.fullmatch(last):
            contents.skip(name, bundle.shape(name), "accumulated gradient")
        else:
            contents.skip(name, bundle.shape(name))
    if "global_step" in bundle and not bundle.why_unreadable("global_step"):
        contents.step = int(bundle.read("global_step"))
    return contents


def _reason(bundle: Bundle, name: str) -> str:
    if name in _COUNTERS:
        return "counter"
    return bundle.why_unreadable(name)


def _transposed(tensor: Tensor, transpose: bool) -> Tensor:
    """TensorFlow keeps [inputs, outputs], PyTorch [outputs, inputs]."""
    return tensor.t().contiguous() if transpose else tensor
