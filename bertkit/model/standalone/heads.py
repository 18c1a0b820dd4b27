"""Says what each kind of model gives for a batch: logits, or the loss where labels are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from bertkit.errors import UsageError
from bertkit.model.bert import BertModel, initialise
from bertkit.model.classification import MULTI, REGRESSION, BertForSequenceClassification
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining, BertForQuestionAnswering
from bertkit.model.model_types import PAIR_HEAD, POOLER, WORD_HEAD
from bertkit.model.sentence_head import BertForSentenceExtraction
from bertkit.model.standalone.flat_rows import FlatRows
from bertkit.model.token_classification import BertForTokenClassification


@dataclass(frozen=True)
class ModelOutput:
    """What a model gives for B sequences of L places; None what it does not give.

    Attributes:
        loss: Scalar with gradients, where labels were given; then there are no logits, because
            only what has a label was computed.
        logits: Masked LM [B, L, V]; labels of tokens [B, L, C]; labels of sequences [B, C];
            scores of sentences [B, L], at each [CLS]. On padding they mean nothing.
        next_sentence_logits: [B, 2]: the second text follows, or does not.
        start_logits, end_logits: [B, L], of an answer; very low on padding.
        last_hidden_state: [B, L, H], of an encoder without a head.
        pooler_output: [B, H], of an encoder with a pooler.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    next_sentence_logits: Tensor | None = None
    start_logits: Tensor | None = None
    end_logits: Tensor | None = None
    last_hidden_state: Tensor | None = None
    pooler_output: Tensor | None = None


@dataclass(frozen=True)
class Targets:
    """Labels of a batch, as transformers' models take them; None where none are given."""

    labels: Tensor | None = None
    next_sentence_label: Tensor | None = None
    start_positions: Tensor | None = None
    end_positions: Tensor | None = None

    def require(self, *names: str) -> None:
        """Refuse labels that the model has no use for.

        Raises:
            UsageError: names them.
        """
        given = [name for name in self.__dataclass_fields__ if getattr(self, name) is not None]
        if unused := [name for name in given if name not in names]:
            known = ", ".join(names) or "no labels"
            raise UsageError(f"the model has no use for {', '.join(unused)}", f"it takes {known}")


class Encoder(nn.Module):
    """The encoder alone, without a head."""

    def __init__(self, config: BertConfig, pooler: bool = True) -> None:
        super().__init__()
        self.config = config
        self.bert = BertModel(config, pooler)
        initialise(self, config)


def outputs(network: nn.Module, rows: FlatRows, targets: Targets, parts: set[str]) -> ModelOutput:
    """The loss of a batch if `targets` has labels, else its logits.

    Args:
        network: One of the classes of bertkit.model.
        rows: The batch.
        targets: Its labels.
        parts: Prefixes of parameters that the checkpoint does not have, whose outputs would
            mean nothing.

    Raises:
        UsageError: Labels that the model has no use for.
    """
    return _OUTPUTS[type(network)](cast(Any, network), rows, targets, parts)


def _pretraining(
    network: BertForPreTraining, rows: FlatRows, targets: Targets, parts: set[str]
) -> ModelOutput:
    words = WORD_HEAD not in parts
    pairs = not parts & {PAIR_HEAD, POOLER}
    known = (["labels"] if words else []) + (["next_sentence_label"] if words and pairs else [])
    targets.require(*known)
    every = torch.arange(len(rows.places), device=rows.places.device)
    if targets.labels is None:
        if targets.next_sentence_label is not None:
            raise UsageError("next_sentence_label needs labels, those of the masked tokens")
        logits, following = network.logits(rows.tokens, every)
        return ModelOutput(
            logits=rows.table(logits) if words else None,
            next_sentence_logits=following if pairs else None,
        )
    labels = rows.taken(targets.labels)
    wanted = (labels >= 0).nonzero()[:, 0]
    labels, following_labels = labels[wanted], targets.next_sentence_label
    sums = network(
        rows.tokens,
        wanted,
        labels,
        None if following_labels is None else following_labels.reshape(-1).clamp(min=0),
        _shares(labels),
        None if following_labels is None else _shares(following_labels.reshape(-1)),
    )
    return ModelOutput(loss=sums["loss"])


def _answers(
    network: BertForQuestionAnswering, rows: FlatRows, targets: Targets, parts: set[str]
) -> ModelOutput:
    targets.require("start_positions", "end_positions")
    first, last = targets.start_positions, targets.end_positions
    if (first is None) != (last is None):
        raise UsageError("start_positions and end_positions must be given together")
    if first is not None and last is not None:
        weights = _shares(first.reshape(-1))
        return ModelOutput(
            loss=network(rows.tokens, first.reshape(-1), last.reshape(-1), weights)["loss"]
        )
    scores = network(rows.tokens)
    lowest = torch.finfo(scores["start_scores"].dtype).min
    return ModelOutput(
        start_logits=rows.table(scores["start_scores"], lowest),
        end_logits=rows.table(scores["end_scores"], lowest),
    )


def _classes(
    network: BertForSequenceClassification, rows: FlatRows, targets: Targets, parts: set[str]
) -> ModelOutput:
    targets.require("labels")
    if targets.labels is None:
        return ModelOutput(logits=network.logits(rows.tokens))
    count = rows.shape[0]
    weights = torch.full((count,), 1 / count, device=targets.labels.device)
    numbers = network.problem_type in (MULTI, REGRESSION)
    labels = targets.labels.float() if numbers else targets.labels
    flat = labels if network.problem_type == MULTI else labels.reshape(-1)
    return ModelOutput(loss=network(rows.tokens, flat, weights)["loss"])


def _tags(
    network: BertForTokenClassification, rows: FlatRows, targets: Targets, parts: set[str]
) -> ModelOutput:
    targets.require("labels")
    if targets.labels is None:
        return ModelOutput(logits=rows.table(network.logits(rows.tokens)))
    labels = rows.taken(targets.labels)
    return ModelOutput(loss=network(rows.tokens, None, labels, _shares(labels))["loss"])


def _sentences(
    network: BertForSentenceExtraction, rows: FlatRows, targets: Targets, parts: set[str]
) -> ModelOutput:
    targets.require("labels")
    every = torch.arange(len(rows.places), device=rows.places.device)
    if targets.labels is None:
        return ModelOutput(logits=rows.table(network.logits(rows.tokens, every)))
    labels = rows.taken(targets.labels)
    wanted = (labels >= 0).nonzero()[:, 0]
    labels = labels[wanted].float()
    return ModelOutput(loss=network(rows.tokens, wanted, labels, _shares(labels))["loss"])


def _encoder(network: Encoder, rows: FlatRows, targets: Targets, parts: set[str]) -> ModelOutput:
    targets.require()
    hidden = network.bert(rows.tokens)
    pooler = None if POOLER in parts else network.bert.pooler
    pooled = None if pooler is None else pooler(hidden.index_select(0, rows.tokens.cls_rows))
    return ModelOutput(last_hidden_state=rows.table(hidden), pooler_output=pooled)


def _shares(labels: Tensor) -> Tensor:
    """The factor of each label that makes a mean of the loss; 0 for negative labels."""
    known = (labels >= 0).float()
    return known / known.sum().clamp(min=1)


_OUTPUTS: dict[type[nn.Module], Callable[[Any, FlatRows, Targets, set[str]], ModelOutput]] = {
    BertForPreTraining: _pretraining,
    BertForQuestionAnswering: _answers,
    BertForSequenceClassification: _classes,
    BertForTokenClassification: _tags,
    BertForSentenceExtraction: _sentences,
    Encoder: _encoder,
}
