"""What a reader of a checkpoint format gives: tensors under our names, and an account of all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from bertkit.errors import DataError
from bertkit.model.config import BertConfig

WORDS = "bert.embeddings.word_embeddings.weight"
DECODER = "cls.predictions.decoder.weight"
DECODER_BIAS = "cls.predictions.decoder.bias"
MLM_BIAS = "cls.predictions.bias"
# What AdamW and LAMB keep of a weight's gradients: decaying means of them and of their squares.
MOMENTS = ("exp_avg", "exp_avg_sq")

# Names that a bertkit model may have (`transformers`' names).
_KNOWN = re.compile(
    r"bert\.embeddings\.(?:word|position|token_type)_embeddings\.weight"
    r"|cls\.predictions\.bias"
    r"|(?:bert\.embeddings\.LayerNorm"
    r"|bert\.encoder\.layer\.\d+\.(?:attention\.self\.(?:query|key|value)"
    r"|attention\.output\.(?:dense|LayerNorm)|intermediate\.dense|output\.(?:dense|LayerNorm))"
    r"|bert\.pooler\.dense|cls\.predictions\.transform\.(?:dense|LayerNorm)"
    r"|cls\.seq_relationship|qa_outputs|classifier)\.(?:weight|bias)"
)
# Tensors that hold constants.
CONSTANTS = {"bert.embeddings.position_ids", "bert.embeddings.token_type_ids"}


@dataclass(frozen=True)
class Row:
    """One tensor of a checkpoint.

    Attributes:
        name: in the file.
        shape: as stored.
        target: the name it has here; empty where it was not taken.
        reason: why it was left out; empty and no target = nobody knows it.
    """

    name: str
    shape: tuple[int, ...]
    target: str = ""
    reason: str = ""


@dataclass
class Reading:
    """A checkpoint's content.

    Attributes:
        form: name of its format.
        place: its file, folder or prefix.
        rows: every tensor in it, in the file's order.
        weights: our name → tensor on the CPU.
        moments: our name → `exp_avg` and `exp_avg_sq`; empty unless asked for.
        step: updates done, where it says so.
        heads: attention heads, where the tensors' shapes tell.
    """

    form: str
    place: Path
    rows: list[Row] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)
    moments: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    step: int | None = None
    heads: int = 0

    @property
    def folder(self) -> Path:
        """Where its configuration and vocabulary are looked for."""
        return self.place if self.place.is_dir() else self.place.parent

    def take(self, name: str, tensor: Tensor, target: str) -> None:
        """Note a tensor that has a place here; one that only repeats another is left out.

        Raises:
            DataError: another tensor already has that place.
        """
        if target in self.weights and torch.equal(self.weights[target], tensor):
            self.leave(name, tuple(tensor.shape), f"repeats {target}")
            return
        if target in self.weights:
            raise DataError(f"{self.place}: two tensors for {target}; {name} is the second")
        self.rows.append(Row(name, tuple(tensor.shape), target))
        self.weights[target] = tensor

    def leave(self, name: str, shape: tuple[int, ...], reason: str = "") -> None:
        """Note a tensor that is left out; without a reason it is unknown."""
        self.rows.append(Row(name, tuple(shape), reason=reason))

    def add_moment(self, name: str, tensor: Tensor, target: str, moment: str) -> None:
        """Note an optimizer moment (`exp_avg` or `exp_avg_sq`) of a weight."""
        self.rows.append(Row(name, tuple(tensor.shape), f"{target} ({moment})"))
        self.moments.setdefault(target, {})[moment] = tensor

    @property
    def unknown(self) -> list[str]:
        """Tensors that have no place and no reason."""
        return [row.name for row in self.rows if not row.target and not row.reason]


def is_known(target: str) -> bool:
    """Whether a bertkit model can have a parameter of that name."""
    return _KNOWN.fullmatch(target) is not None


def our_name(name: str) -> str:
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


def take_named(reading: Reading, tensors: Mapping[str, Tensor], targets: Mapping[str, str]) -> None:
    """Sort PyTorch tensors into a reading: weights, repeated ones, constants, unknown ones.

    Args:
        reading: filled.
        tensors: name in the file → tensor.
        targets: name in the file → our name.
    """
    found = {targets[name]: tensor for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        target, shape = targets[name], tuple(tensor.shape)
        if target in CONSTANTS:
            reading.leave(name, shape, "holds constants")
        elif target == DECODER and _same(tensor, found.get(WORDS)):
            reading.leave(name, shape, "repeats the word embedding")
        elif target == DECODER_BIAS and _same(tensor, found.get(MLM_BIAS, tensor)):
            if MLM_BIAS in found:
                reading.leave(name, shape, f"repeats {MLM_BIAS}")
            else:
                reading.take(name, tensor, MLM_BIAS)
        elif is_known(target):
            reading.take(name, tensor, target)
        else:
            reading.leave(name, shape)


def untied(name: str) -> str:
    """The parameter behind a name of ours: the masked LM head shares its matrix and bias."""
    return {DECODER: WORDS, DECODER_BIAS: MLM_BIAS}.get(name, name)


def take_moment(reading: Reading, name: str, tensor: object, target: str, moment: str) -> None:
    """Take an optimizer moment of a weight that has been taken, as float32.

    Args:
        reading: with all weights.
        name: in the file.
        tensor: read there.
        target: our name of the weight.
        moment: `exp_avg` or `exp_avg_sq`.

    Raises:
        DataError: no tensor, no such weight, or another shape than the weight's.
    """
    weight = reading.weights.get(target)
    if weight is None or not isinstance(tensor, Tensor):
        raise DataError(f"{reading.place}: {name} of the optimizer belongs to no weight here")
    if tensor.shape != weight.shape:
        raise DataError(
            f"{reading.place}: {name} of the optimizer has shape {list(tensor.shape)},"
            f" {target} {list(weight.shape)}"
        )
    reading.add_moment(name, tensor.float(), target, moment)


def no_moments(place: Path, why: str = "holds no optimizer state") -> DataError:
    """What is said where moments are asked for and cannot be had."""
    return DataError(f"{place}: {why}", "leave --keep-optimizer out")


def decays(name: str) -> bool:
    """Whether a parameter of ours has weight decay in NVIDIA's and Cerebras' programs."""
    return not any(part in name for part in ("bias", "LayerNorm"))


def numbered(names: Iterable[str]) -> list[str]:
    """Parameters in the order in which the optimizers of those programs number them.

    The first group has weight decay, the second, biases and layer norms, none.
    """
    return sorted(names, key=lambda name: not decays(name))


def _same(one: Tensor, other: Tensor | None) -> bool:
    return other is not None and torch.equal(one, other)


def infer_config(weights: Mapping[str, Tensor], heads: int, place: Path) -> BertConfig:
    """The sizes that the tensors' shapes show; rates and activation are BERT's own.

    Raises:
        DataError: the encoder's tensors are not there.
    """
    layers = {int(name.split(".")[3]) for name in weights if name.startswith("bert.encoder.layer.")}
    names = (
        WORDS, "bert.embeddings.position_embeddings.weight",
        "bert.embeddings.token_type_embeddings.weight",
        "bert.encoder.layer.0.intermediate.dense.weight",
    )  # fmt: skip
    missing = [name for name in names if name not in weights]
    if missing:
        raise DataError(f"{place}: not a BERT encoder: there is no {', '.join(missing)}")
    words, positions, kinds, inner = (weights[name] for name in names)
    return BertConfig(
        vocab_size=words.shape[0],
        hidden_size=words.shape[1],
        num_hidden_layers=max(layers) + 1,
        num_attention_heads=heads,
        intermediate_size=inner.shape[0],
        max_position_embeddings=positions.shape[0],
        type_vocab_size=kinds.shape[0],
    )
