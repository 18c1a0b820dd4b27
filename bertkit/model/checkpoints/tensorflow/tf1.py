"""Google's TensorFlow 1 checkpoints (also MLPerf's): their names and slots under ours."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from bertkit.model.checkpoints.contents import Reading
from bertkit.model.checkpoints.tensorflow.bundle import Bundle

_PLAIN = {
    "bert/embeddings/word_embeddings": "bert.embeddings.word_embeddings.weight",
    "bert/embeddings/position_embeddings": "bert.embeddings.position_embeddings.weight",
    "bert/embeddings/token_type_embeddings": "bert.embeddings.token_type_embeddings.weight",
    "cls/predictions/output_bias": "cls.predictions.bias",
    "cls/seq_relationship/output_weights": "cls.seq_relationship.weight",
    "cls/seq_relationship/output_bias": "cls.seq_relationship.bias",
    "cls/squad/output_weights": "qa_outputs.weight",
    "cls/squad/output_bias": "qa_outputs.bias",
    "output_weights": "classifier.weight",
    "output_bias": "classifier.bias",
}
_MODULE = re.compile(
    r"(bert/embeddings/LayerNorm|bert/pooler/dense|cls/predictions/transform/(?:dense|LayerNorm)"
    r"|bert/encoder/layer_\d+/(?:attention/self/(?:query|key|value)"
    r"|attention/output/(?:dense|LayerNorm)|intermediate/dense|output/(?:dense|LayerNorm)))"
    r"/(kernel|bias|gamma|beta)"
)
_PARAMETER = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}
_SLOTS = {
    "adam_m": "exp_avg", "adam_v": "exp_avg_sq", "lamb_m": "exp_avg", "lamb_v": "exp_avg_sq",
    "Adam": "exp_avg", "Adam_1": "exp_avg_sq",
}  # fmt: skip
_ACCUMULATOR = re.compile(r"GradientAccumulator(_\d+)?")
_COUNTERS = {"global_step", "update_count", "beta1_power", "beta2_power"}


def our_name(name: str) -> tuple[str, bool]:
    """(our name, whether the matrix is to be transposed); the name is empty if unknown."""
    if name in _PLAIN:
        return _PLAIN[name], False
    match = _MODULE.fullmatch(name)
    if match is None:
        return "", False
    module = re.sub(r"layer_(\d+)", r"layer.\1", match[1]).replace("/", ".")
    return f"{module}.{_PARAMETER[match[2]]}", match[2] == "kernel"


def read(bundle: Bundle, moments: bool = False) -> Reading:
    """Sort the tensors of a checkpoint of Google's `run_pretraining.py` or `run_squad.py`.

    Args:
        bundle: opened.
        moments: also read the slots of Adam or LAMB.

    Raises:
        DataError: damaged.
    """
    reading = Reading("tf1", Path(bundle.prefix))
    for name in bundle.entries:
        reason = _reason(bundle, name)
        base, _, last = name.rpartition("/")
        owner, turned = our_name(base)
        target, turn = our_name(name)
        if reason:
            reading.leave(name, bundle.shape(name), reason)
        elif target:
            reading.take(name, _turned(bundle.read(name), turn), target)
        elif owner and last in _SLOTS and moments:
            moment = _turned(bundle.read(name), turned)
            reading.add_moment(name, moment, owner, _SLOTS[last])
        elif owner and last in _SLOTS:
            reading.leave(name, bundle.shape(name), "optimizer slot")
        elif owner and _ACCUMULATOR.fullmatch(last):
            reading.leave(name, bundle.shape(name), "accumulated gradient")
        else:
            reading.leave(name, bundle.shape(name))
    if "global_step" in bundle and not bundle.why_unreadable("global_step"):
        reading.step = int(bundle.read("global_step"))
    return reading


def _reason(bundle: Bundle, name: str) -> str:
    if name in _COUNTERS:
        return "counter"
    return bundle.why_unreadable(name)


def _turned(tensor: Tensor, turn: bool) -> Tensor:
    """TensorFlow keeps [inputs, outputs], PyTorch [outputs, inputs]."""
    return tensor.t().contiguous() if turn else tensor
