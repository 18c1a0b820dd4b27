"""Holds a checkpoint's tensors under bertkit's names, and where each of them came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bertkit.codecs.strict_json import json_text
from bertkit.errors import ConfigError, DataError
from bertkit.model.config import BertConfig
from bertkit.model.model_types import UNTIED
from bertkit.model.parameter_names import (
    CONSTANTS,
    MLM_BIAS,
    MLM_DECODER,
    MLM_DECODER_BIAS,
    POSITION_EMBEDDINGS,
    SEGMENT_EMBEDDINGS,
    WORD_EMBEDDINGS,
    is_parameter,
    layer_number,
)
from bertkit.storage.files import write_text
from bertkit.tokenization.tokenizer_facts import TokenizerFacts


@dataclass(frozen=True)
class TensorRecord:
    """What became of one tensor of a checkpoint.

    Attributes:
        name: in the file.
        shape: as stored.
        target: the name it has here; empty where it was not taken.
        reason: why it was left out; empty without a target: it is unknown.
    """

    name: str
    shape: tuple[int, ...]
    target: str = ""
    reason: str = ""


@dataclass
class CheckpointContents:
    """What a format's reader returns.

    Attributes:
        format: name of the checkpoint format.
        path: the file, folder or prefix that was read.
        tensors: one record for every tensor in it, in the file's order.
        weights: our name → tensor on the CPU.
        moments: our name → `exp_avg` and `exp_avg_sq`; empty unless asked for.
        step: optimizer steps done, where the checkpoint says so.
        heads: attention heads, where the tensors' shapes show them; else 0.
    """

    format: str
    path: Path
    tensors: list[TensorRecord] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)
    moments: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    step: int | None = None
    heads: int = 0

    @property
    def folder(self) -> Path:
        """Where its configuration and vocabulary are looked for."""
        return self.path if self.path.is_dir() else self.path.parent

    @property
    def unknown(self) -> list[str]:
        """Tensors that are no parameter of BERT, and have no known reason to be there."""
        return [record.name for record in self.tensors if not record.target and not record.reason]

    def add_weight(self, name: str, tensor: Tensor, target: str) -> None:
        """Take a tensor as a parameter; one that repeats another is recorded and left out.

        Raises:
            DataError: that parameter already has another value.
        """
        if target in self.weights and torch.equal(self.weights[target], tensor):
            self.skip(name, tuple(tensor.shape), f"repeats {target}")
            return
        if target in self.weights:
            raise DataError(f"{self.path}: two tensors for {target}; {name} is the second")
        self.tensors.append(TensorRecord(name, tuple(tensor.shape), target))
        self.weights[target] = tensor

    def skip(self, name: str, shape: tuple[int, ...], reason: str = "") -> None:
        """Record a tensor that is left out; without a reason it counts as unknown."""
        self.tensors.append(TensorRecord(name, tuple(shape), reason=reason))

    def add_pytorch_weights(
        self, tensors: Mapping[str, Tensor], targets: Mapping[str, str]
    ) -> None:
        """Sort the tensors of a PyTorch file: weights, repeated ones, constants, unknown ones.

        Args:
            tensors: name in the file → tensor.
            targets: name in the file → our name.

        Raises:
            DataError: two different tensors for one parameter.
            ConfigError: a decoder that is not the word embedding.
        """
        found = {targets[name]: tensor for name, tensor in tensors.items()}
        for name, tensor in tensors.items():
            target, shape = targets[name], tuple(tensor.shape)
            if target in CONSTANTS:
                self.skip(name, shape, "holds constants")
            elif target == MLM_DECODER and WORD_EMBEDDINGS in found:
                require_tied(tensor, found[WORD_EMBEDDINGS], self.path)
                self.skip(name, shape, "repeats the word embedding")
            elif target == MLM_DECODER_BIAS and _equal(tensor, found.get(MLM_BIAS, tensor)):
                if MLM_BIAS in found:
                    self.skip(name, shape, f"repeats {MLM_BIAS}")
                else:
                    self.add_weight(name, tensor, MLM_BIAS)
            elif is_parameter(target):
                self.add_weight(name, tensor, target)
            else:
                self.skip(name, shape)

    def add_moment(self, name: str, tensor: Tensor, target: str, moment: str) -> None:
        """Take an optimizer moment (`exp_avg` or `exp_avg_sq`) of a weight."""
        self.tensors.append(TensorRecord(name, tuple(tensor.shape), f"{target} ({moment})"))
        self.moments.setdefault(target, {})[moment] = tensor

    def add_checked_moment(self, name: str, tensor: object, target: str, moment: str) -> None:
        """Take an optimizer moment, as float32, of a weight that was added before.

        Args:
            name: in the file.
            tensor: what was read there.
            target: our name of the weight.
            moment: `exp_avg` or `exp_avg_sq`.

        Raises:
            DataError: no tensor, no such weight, or another shape than the weight's.
        """
        weight = self.weights.get(target)
        if weight is None or not isinstance(tensor, Tensor):
            raise DataError(
                f"{self.path}: {name} of the optimizer has no matching weight in the checkpoint"
            )
        if tensor.shape != weight.shape:
            raise DataError(
                f"{self.path}: {name} of the optimizer has shape {list(tensor.shape)},"
                f" {target} {list(weight.shape)}"
            )
        self.add_moment(name, tensor.float(), target, moment)


@dataclass(frozen=True)
class CheckpointToWrite:
    """What a format's writer gets.

    Attributes:
        weights: our name → contiguous tensor on the CPU.
        moments: our name → `exp_avg` and `exp_avg_sq`; may be empty.
        step: optimizer steps done; None if unknown.
        config: shape of the model.
        architecture: class of transformers that the weights make.
        has_vocab: whether `vocab.txt` is written beside, so that a tokenizer can be set up.
        tokenizer: how text is treated, and how long it may be.
        card: text of a model card, Markdown.
        other_keys: what the source's `config.json` says beyond the shape: labels, and keys
            that bertkit does not know.
        settings: of the run that trained it, by dotted name; empty if unknown.
    """

    weights: Mapping[str, Tensor]
    moments: Mapping[str, Mapping[str, Tensor]]
    step: int | None
    config: BertConfig
    architecture: str
    has_vocab: bool
    tokenizer: TokenizerFacts
    card: str
    other_keys: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def write_config(self, path: Path) -> None:
        """Write `config.json`, or `bert_config.json`: shape, class, labels and all other keys."""
        kinds = {value.dtype for value in self.weights.values() if value.is_floating_point()}
        kind = {"torch_dtype": str(kinds.pop()).removeprefix("torch.")} if len(kinds) == 1 else {}
        values = {**self.config.to_dict(self.architecture), **self.other_keys, **kind}
        write_text(path, json_text(values, indent=2) + "\n")


def require_tied(decoder: Tensor, words: Tensor, path: Path) -> None:
    """Refuse a masked LM decoder that is not the word embedding.

    Raises:
        ConfigError: they differ.
    """
    if not _equal(decoder, words):
        raise ConfigError(
            f"{path}: untied: {UNTIED}",
            "its encoder alone can be had in transformers: AutoModel.from_pretrained(IN)"
            ".save_pretrained(OUT)",
        )


def no_optimizer_state(
    path: Path, why: str = "holds no optimizer state", instead: str = ""
) -> DataError:
    """The error where moments were asked for and cannot be had.

    Args:
        path: of the checkpoint.
        why: they cannot.
        instead: what could be given instead of it; may be empty.
    """
    also = f"give {instead}, or " if instead else ""
    return DataError(f"{path}: {why}", f"{also}leave --keep-optimizer out")


def infer_config(weights: Mapping[str, Tensor], heads: int, path: Path) -> BertConfig:
    """The sizes that the tensors' shapes show; rates and activation are BERT's own.

    Raises:
        DataError: the encoder's tensors are not there.
    """
    layers = {number for name in weights if (number := layer_number(name)) is not None}
    names = (
        WORD_EMBEDDINGS,
        POSITION_EMBEDDINGS,
        SEGMENT_EMBEDDINGS,
        "bert.encoder.layer.0.intermediate.dense.weight",
    )
    missing = [name for name in names if name not in weights]
    if missing:
        raise DataError(f"{path}: not a BERT encoder: there is no {', '.join(missing)}")
    flat = [name for name in names if weights[name].dim() != 2]
    if flat:
        shape = list(weights[flat[0]].shape)
        raise DataError(f"{path}: not a BERT encoder: {flat[0]} has the shape {shape}")
    words, positions, segments, inner = (weights[name] for name in names)
    return BertConfig(
        vocab_size=words.shape[0],
        hidden_size=words.shape[1],
        num_hidden_layers=max(layers) + 1,
        num_attention_heads=heads,
        intermediate_size=inner.shape[0],
        max_position_embeddings=positions.shape[0],
        type_vocab_size=segments.shape[0],
    )


def _equal(one: Tensor, other: Tensor | None) -> bool:
    return other is not None and torch.equal(one, other)
