"""Defines a model of any kind as a torch module that is called as transformers' models are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from bertkit.errors import ConfigError, UsageError
from bertkit.model.checkpoints.card.model_card import ModelFacts, model_card
from bertkit.model.checkpoints.contents import CheckpointToWrite
from bertkit.model.checkpoints.finite import require_finite
from bertkit.model.checkpoints.hf import write
from bertkit.model.config import BertConfig, label_names
from bertkit.model.heads import BertForPreTraining
from bertkit.model.model_types import WORD_HEAD
from bertkit.model.standalone.flat_rows import flat_rows
from bertkit.model.standalone.heads import ModelOutput, Targets, outputs
from bertkit.model.standalone.tokenizer import Tokenizer
from bertkit.storage.files import atomic_folder
from bertkit.tokenization import tokenizer_files
from bertkit.tokenization.tokenizer_facts import NOT_RECORDED
from bertkit.tokenization.vocabulary import MASK

_INNER = "network."


@dataclass(frozen=True)
class Guess:
    """A token for a [MASK].

    Attributes:
        token: The token; a piece that continues a word begins with `##`.
        probability: From 0 to 1, among all tokens.
        number: Of the token in the vocabulary.
    """

    token: str
    probability: float
    number: int


class Model(nn.Module):
    """A BERT as a torch module: padded tensors in, logits or a loss out.

    Made by `bertkit.load_model` and `bertkit.new_model`. The names of its weights in
    `state_dict()` are those of the class of transformers that `architecture` names. Padding at
    the ends of sequences costs nothing.

    Attributes:
        config: Shape of the encoder.
        architecture: Name of the class in transformers.
        tokenizer: Of its vocabulary; None where none is known.
        labels: Names of its labels; empty for models that have none.

    Args:
        network: One of the classes of `bertkit.model`.
        architecture: Name of the class in transformers.
        tokenizer: Of its vocabulary.
        facts: Further entries of its config.json, such as names of labels.
        absent: Names of parameters that the checkpoint did not have.
    """

    def __init__(
        self,
        network: nn.Module,
        architecture: str,
        tokenizer: Tokenizer | None = None,
        facts: Mapping[str, Any] | None = None,
        absent: Iterable[str] = (),
    ) -> None:
        super().__init__()
        self.network = network
        self.config = cast(BertConfig, network.config)
        self.architecture = architecture
        self.tokenizer = tokenizer
        self._facts = dict(facts or {})
        self._absent = frozenset(absent)
        self._parts = set(map(_prefix, self._absent))
        self.register_state_dict_post_hook(_plain_names)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_inner_names)  # type: ignore[no-untyped-call]

    @property
    def labels(self) -> list[str]:
        """Names of its labels, by number; empty for models that have none."""
        return label_names(self._facts, "config.json")

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        next_sentence_label: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
    ) -> ModelOutput:
        """The loss where labels are given, else logits.

        The arguments and the loss are those of transformers' class of the same name.

        Args:
            input_ids: int64 [B, L], token numbers.
            attention_mask: [B, L], 0 on padding; None: there is none.
            token_type_ids: int64 [B, L], the segment of each token; None: 0.
            labels: Of masked LM and of tokens int64 [B, L], -100 where there is none; of
                sequences [B], or [B, C] for several labels at once.
            next_sentence_label: int64 [B], 0: the second text follows, 1: it does not.
            start_positions: int64 [B], the first token of each answer.
            end_positions: int64 [B], the last token of each answer.

        Returns:
            What the kind of model gives, see `ModelOutput`.

        Raises:
            DataError: Tensors of other shapes, too long sequences, unknown tokens.
            UsageError: Labels that the model has no use for.
        """
        rows = flat_rows(self.config, input_ids, attention_mask, token_type_ids)
        targets = Targets(labels, next_sentence_label, start_positions, end_positions)
        return outputs(self.network, rows, targets, self._parts)

    @torch.no_grad()
    def fill_mask(self, text: str, count: int = 5) -> list[list[Guess]]:
        """The likeliest tokens for every [MASK] of a text.

        Args:
            text: With one [MASK] or several.
            count: Tokens to give for each.

        Returns:
            For each [MASK] its guesses, the likeliest first.

        Raises:
            ConfigError: The model has no masked LM head, or no vocabulary is known.
            UsageError: The text has no [MASK] within the model's positions.
        """
        if not isinstance(self.network, BertForPreTraining) or WORD_HEAD in self._parts:
            raise ConfigError(
                f"a {self.architecture} does not guess words", "give a pretrained model"
            )
        if self.tokenizer is None:
            raise ConfigError("the model's vocabulary is not known", "give vocab to load_model")
        vocab = self.tokenizer.vocab
        device = next(self.parameters()).device
        batch = {name: values.to(device) for name, values in self.tokenizer(text).items()}
        places = (batch["input_ids"][0] == vocab.mask_id).nonzero()[:, 0]
        if not len(places):
            raise UsageError(f"there is no {MASK} in the text", f"example: The {MASK} is green.")
        training = self.training
        self.eval()
        try:
            logits = self(**batch).logits[0, places, : len(vocab)]
        finally:
            self.train(training)
        best = torch.softmax(logits, -1).topk(min(count, len(vocab)))
        return [
            [
                Guess(vocab.token(number), share, number)
                for share, number in zip(shares, numbers, strict=True)
            ]
            for shares, numbers in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]

    def save(self, folder: str | Path) -> str:
        """Write a checkpoint that bertkit and transformers load: weights, shape, vocabulary.

        Args:
            folder: New, or empty.

        Returns:
            The folder, to be given to `evaluate`, `convert`, `pretrain(init_checkpoint=…)` and
            so on.

        Raises:
            UsageError: There is something already.
            DataError: A weight is not finite.
        """
        place = Path(folder)
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise UsageError(f"{place} exists", "give a new folder")
        weights = {
            name: value.detach().to("cpu").contiguous()
            for name, value in self.state_dict().items()
            if name not in self._absent
        }
        require_finite(weights, place)
        facts = self.tokenizer.facts if self.tokenizer else NOT_RECORDED
        card = model_card(
            name=place.name,
            architecture=self.architecture,
            config=self.config,
            source="a training loop in Python",
            facts=ModelFacts(),
            license_name="",
            data_license="",
            has_vocab=self.tokenizer is not None,
        )
        content = CheckpointToWrite(
            weights=weights,
            moments={},
            step=None,
            config=self.config,
            architecture=self.architecture,
            has_vocab=self.tokenizer is not None,
            tokenizer=facts,
            card=card,
            other_keys=self._facts,
        )
        if place.is_dir():
            place.rmdir()  # empty
        with atomic_folder(place) as partial:
            write(partial, content)
            if self.tokenizer:
                words = self.tokenizer.vocabulary_bytes()
                tokenizer_files.write_vocabulary(partial, words, facts)
        return str(place)


def _prefix(name: str) -> str:
    """The part of a model that a parameter belongs to: `bert.pooler.`, `cls.predictions.`."""
    return ".".join(name.split(".")[:2]) + "."


def _plain_names(
    module: nn.Module, state: dict[str, Any], prefix: str, local_metadata: Any
) -> None:
    """In a `state_dict`, the names of transformers: without the wrapper's own part."""
    inner = prefix + _INNER
    for name in [name for name in state if name.startswith(inner)]:
        state[prefix + name[len(inner) :]] = state.pop(name)


def _inner_names(module: nn.Module, state: dict[str, Any], prefix: str, *others: Any) -> None:
    """The names of `_plain_names` back, before a `state_dict` is loaded."""
    inner = prefix + _INNER
    for name in [name for name in state if name.startswith(prefix)]:
        if not name.startswith(inner):
            state[inner + name[len(prefix) :]] = state.pop(name)
