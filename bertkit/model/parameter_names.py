"""The table of parameter names, those of `transformers`, that all checkpoint readers use.

bertkit's modules carry these names, so a checkpoint of any other program is read by finding,
for each of its tensors, the name listed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

ENCODER_PREFIX = "bert."
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

# Prefixes that wrappers of a model (data parallel, torch.compile) put before its names.
_WRAPPERS = re.compile(r"^(?:module\.|_orig_mod\.)+")
# torch.compile of single layers leaves its mark inside the names.
_COMPILED = "._orig_mod."

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

    Without the `module.` and `_orig_mod.` of wrappers, with the `bert.` prefix, and `gamma`
    and `beta` of old layer norms as `weight` and `bias`.
    """
    name = _WRAPPERS.sub("", name).replace(_COMPILED, ".")
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


# The modules around the layers of the encoder, in the order in which PyTorch's BERTs, NVIDIA's
# and Habana's among them, define them; the layers come where None stands.
_MODULE_ORDER = (
    WORD_EMBEDDINGS,
    POSITION_EMBEDDINGS,
    SEGMENT_EMBEDDINGS,
    "bert.embeddings.LayerNorm",
    None,
    "bert.pooler.dense",
    MLM_BIAS,  # parameters of a module itself come before those of its parts
    "cls.predictions.transform.dense",
    "cls.predictions.transform.LayerNorm",
    *HEAD_MODULES,
)


def in_module_order(names: Iterable[str]) -> list[str]:
    """Parameters as `named_parameters()` of a BERT model in PyTorch lists them.

    Files name their tensors in any order (safetensors: by the alphabet); programs number the
    parameters of an optimizer in this one.
    """
    return sorted(names, key=_module_place)


def _module_place(name: str) -> tuple[int, int, int, bool]:
    """(module around the layers, layer, module of the layer, whether it is the bias)."""
    number = layer_number(name)
    module, _, kind = name.rpartition(".")
    if number is not None:
        inner = LAYER_MODULES.index(module.split(".", 4)[4])
        return _MODULE_ORDER.index(None), number, inner, kind == "bias"
    place = name if name in _MODULE_ORDER else module
    return _MODULE_ORDER.index(place), 0, 0, kind == "bias"


def pretraining_parameters(layers: int) -> list[str]:
    """Every parameter of BertForPreTraining with so many layers, in module order."""
    modules = [
        f"{LAYER_PREFIX}{number}.{part}" for number in range(layers) for part in LAYER_MODULES
    ]
    modules += [*OTHER_MODULES, "cls.seq_relationship"]
    names = [f"{module}.{kind}" for module in modules for kind in ("weight", "bias")]
    return in_module_order(
        [*names, WORD_EMBEDDINGS, POSITION_EMBEDDINGS, SEGMENT_EMBEDDINGS, MLM_BIAS]
    )


def in_optimizer_order(names: Iterable[str]) -> list[str]:
    """Parameters in the order in which the optimizers of those programs number them.

    Args:
        names: in the order of the model's modules, see `in_module_order`.

    Returns:
        Those of the first group, which have weight decay, and then those of the second,
        biases and layer norms, which have none.
    """
    return sorted(names, key=lambda name: not has_weight_decay(name))
