"""Defines the head that gives a text, or a pair of texts, its label, labels or score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from bertkit.model.bert import BertModel, TokenBatch, initialise
from bertkit.model.config import BertConfig
from bertkit.model.dropout import dropout
from bertkit.model.losses import weighted_cross_entropy
from bertkit.model.scores import head_scores

# What transformers calls the three kinds of loss.
SINGLE, MULTI = "single_label_classification", "multi_label_classification"
REGRESSION = "regression"


class BertForSequenceClassification(nn.Module):
    """Encoder with scores of the labels from the pooled [CLS].

    Args:
        config: the encoder's shape.
        labels: number of them; 1 for regression.
        problem_type: `SINGLE`, `MULTI` or `REGRESSION`.
        classifier_dropout: before the head; None: that of the encoder's hidden rows.
        class_weights: factor of every label in the loss; empty for 1.
        facts: further entries of the checkpoint's config.json, such as names of labels.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        config: BertConfig,
        labels: int,
        problem_type: str = SINGLE,
        *,
        classifier_dropout: float | None = None,
        class_weights: Sequence[float] = (),
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.problem_type = problem_type
        self.rate = config.hidden_dropout_prob if classifier_dropout is None else classifier_dropout
        self.facts = dict(facts or {})
        self.bert = BertModel(config)
        self.classifier = nn.Linear(config.hidden_size, labels)
        weights = torch.tensor(list(class_weights)) if class_weights else None
        self.register_buffer("class_weights", weights, persistent=False)
        initialise(self, config)

    def forward(
        self, tokens: TokenBatch, labels: Tensor | None = None, weights: Tensor | None = None
    ) -> dict[str, Tensor]:
        """`losses` where labels are given, else `outputs`, the logits float32 [N, C]."""
        if labels is None:
            return {"outputs": self.logits(tokens)}
        return self.losses(tokens, labels, weights)

    def logits(self, tokens: TokenBatch) -> Tensor:
        """Scores of the labels, float32 [N, C]."""
        (first,) = self.bert.at(tokens, [tokens.cls_rows])
        pooler = cast(nn.Module, self.bert.pooler)
        pooled = dropout(pooler(first), self.rate, self.training)
        return head_scores(self.classifier, pooled)

    def losses(
        self, tokens: TokenBatch, labels: Tensor, weights: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The loss, and sums over the batch.

        Cross entropy; of several labels the mean of their binary cross entropies; of
        regression the squared error: what transformers' class of the same name has.

        Args:
            tokens: T rows of N sequences.
            labels: int64 [N]; float32 [N, C] of 0 and 1 for `MULTI`; float32 [N] for
                regression.
            weights: float32 [N], the factor of each sequence in the loss; those of weight 0
                are padding. None: weight 1.

        Returns:
            Scalars: `loss`, the weighted sum that carries gradients, and for reports
            `label_loss_sum`, `label_correct` (all labels right; not for regression) and
            `label_count`.
        """
        logits = self.logits(tokens)
        rows = weights if weights is not None else logits.new_ones(len(logits))
        if self.problem_type == SINGLE:
            factors = rows if self.class_weights is None else rows * self.class_weights[labels]
            found = weighted_cross_entropy(logits, labels, factors)
            return {
                "loss": found.loss,
                "label_loss_sum": found.plain,
                "label_correct": found.correct,
                "label_count": found.cases,
            }
        counts = (rows > 0).to(rows.dtype)
        if self.problem_type == MULTI:
            labels = labels.reshape(logits.shape)  # some engines hand over flat arrays
            each = functional.binary_cross_entropy_with_logits(
                logits, labels, weight=self.class_weights, reduction="none"
            ).mean(-1)
            right = ((logits > 0) == (labels > 0)).all(-1).to(rows.dtype)
            sums = {"label_correct": (right * counts).sum()}
        else:
            each, sums = (logits[:, 0] - labels).square(), {}
        return {
            "loss": (each * rows).sum(),
            "label_loss_sum": (each.detach() * counts).sum(),
            **sums,
            "label_count": counts.sum(),
        }
