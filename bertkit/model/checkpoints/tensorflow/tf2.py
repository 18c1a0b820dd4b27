"""Maps the names in TensorFlow 2 object checkpoints of the official BERT to bertkit's names.

Keys are paths through the objects, such as
`encoder/layer_with_weights-4/_attention_layer/_key_dense/kernel/.ATTRIBUTES/VARIABLE_VALUE`:
weighted layer 0 is the word embedding, 1 positions, 2 segments, 3 their norm, then one
per layer of the encoder, then the pooler. The pretrainer keeps the words in its head.
"""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from bertkit.errors import DataError
from bertkit.model.checkpoints.contents import CheckpointContents
from bertkit.model.checkpoints.tensorflow.bundle import Bundle
from bertkit.model.parameter_names import (
    LAYER_PREFIX,
    MLM_BIAS,
    POSITION_EMBEDDINGS,
    SEGMENT_EMBEDDINGS,
    WORD_EMBEDDINGS,
)

GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_SLOT = re.compile(r"(.*)/\.OPTIMIZER_SLOT/.*/(m|v)")
_MOMENT = {"m": "exp_avg", "v": "exp_avg_sq"}
_ENCODER = re.compile(r"(?:encoder|model/layer_with_weights-0)/layer_with_weights-(\d+)/(.+)")
_HEAD = re.compile(r"model/layer_with_weights-1/(.+)")
_EMBEDDINGS = {
    (0, "embeddings"): WORD_EMBEDDINGS,
    (1, "embeddings"): POSITION_EMBEDDINGS,
    (2, "embeddings"): SEGMENT_EMBEDDINGS,
    (3, "gamma"): "bert.embeddings.LayerNorm.weight",
    (3, "beta"): "bert.embeddings.LayerNorm.bias",
}
_FIRST_LAYER = 4
_PARTS = {
    "_attention_layer/_query_dense": "attention.self.query",
    "_attention_layer/_key_dense": "attention.self.key",
    "_attention_layer/_value_dense": "attention.self.value",
    "_attention_layer/_output_dense": "attention.output.dense",
    "_attention_layer_norm": "attention.output.LayerNorm",
    "_intermediate_dense": "intermediate.dense",
    "_output_dense": "output.dense",
    "_output_layer_norm": "output.LayerNorm",
}
_HEADS = {
    "embedding_table": WORD_EMBEDDINGS,
    "dense/kernel": "cls.predictions.transform.dense.weight",
    "dense/bias": "cls.predictions.transform.dense.bias",
    "layer_norm/gamma": "cls.predictions.transform.LayerNorm.weight",
    "layer_norm/beta": "cls.predictions.transform.LayerNorm.bias",
    "output_bias.Sbias": MLM_BIAS,
}
_PARAMETER = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}
_BOOKKEEPING = re.compile(r"save_counter|global_step|step|optimizer/.+|.*/optimizer/.+")


def our_name(path: str) -> str:
    """Our name of an object path without its attribute suffix; empty if unknown."""
    head = _HEAD.fullmatch(path)
    if head:
        return _HEADS.get(head[1], "")
    match = _ENCODER.fullmatch(path)
    if match is None:
        return ""
    number, rest = int(match[1]), match[2]
    if number < _FIRST_LAYER:
        return _EMBEDDINGS.get((number, rest), "")
    part, _, parameter = rest.rpartition("/")
    if rest in ("kernel", "bias"):
        return f"bert.pooler.dense.{_PARAMETER[rest]}"
    if part not in _PARTS or parameter not in _PARAMETER:
        return ""
    layer = f"{LAYER_PREFIX}{number - _FIRST_LAYER}"
    return f"{layer}.{_PARTS[part]}.{_PARAMETER[parameter]}"


def read(bundle: Bundle, moments: bool = False) -> CheckpointContents:
    """Sort the tensors of a checkpoint of the official models' encoder or pretrainer.

    Args:
        bundle: opened.
        moments: also read the optimizer's slots.

    Raises:
        DataError: damaged, or two tensors for one place.
    """
    contents = CheckpointContents("tf2", Path(bundle.prefix))
    for key in bundle.entries:
        path, shape = key.removesuffix(_VALUE), bundle.shape(key)
        slot = _SLOT.fullmatch(path)
        target = our_name(slot[1] if slot else path)
        reason = "the graph of objects" if key == GRAPH else bundle.why_unreadable(key)
        if not reason and slot and not moments:
            reason = "optimizer slot"
        if not reason and not target and _BOOKKEEPING.fullmatch(path):
            reason = "counter or optimizer state"
        if reason or not target:
            contents.skip(key, shape, reason)
        elif slot:
            moment = _matrix(bundle.read(key), target)
            contents.add_moment(key, moment, target, _MOMENT[slot[2]])
        else:
            tensor = bundle.read(key)
            if target.endswith("query.weight") and tensor.dim() == 3:
                contents.heads = tensor.shape[1]
            contents.add_weight(key, _matrix(tensor, target), target)
    return contents


def _matrix(tensor: Tensor, target: str) -> Tensor:
    """The heads' axes joined, and [inputs, outputs] turned into [outputs, inputs].

    Raises:
        DataError: it has other axes than the official model's.
    """
    if target.endswith(".bias") or "LayerNorm" in target:
        return tensor.reshape(-1)
    if target.endswith("embeddings.weight"):
        return tensor
    if tensor.dim() == 3:
        joined = (0, 1) if target.endswith("attention.output.dense.weight") else (1, 2)
        tensor = tensor.flatten(*joined)
    if tensor.dim() != 2:
        raise DataError(f"{target} has shape {list(tensor.shape)} in the checkpoint")
    return tensor.t().contiguous()
