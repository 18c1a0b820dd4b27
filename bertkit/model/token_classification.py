"""Defines the head that gives every token, or the first one of every word, its label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from bertkit.model.bert import BertModel, TokenBatch, initialise
from bertkit.model.config import BertConfig
from bertkit.model.dropout import dropout
from bertkit.model.losses import weighted_cross_entropy
from bertkit.model.scores import head_scores


class BertForTokenClassification(nn.Module):
    """Encoder with scores of the labels for every token.

    Args:
        config: the encoder's shape.
        labels: number of them.
        classifier_dropout: before the head; None: that of the encoder's hidden rows.
        facts: further entries of the checkpoint's config.json, such as names of labels.
    """

    def __init__(
        self,
        config: BertConfig,
        labels: int,
        *,
        classifier_dropout: float | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.rate = config.hidden_dropout_prob if classifier_dropout is None else classifier_dropout
        self.facts = dict(facts or {})
        self.bert = BertModel(config, pooler=False)
        self.classifier = nn.Linear(config.hidden_size, labels)
        initialise(self, config)

    def forward(
        self,
        tokens: TokenBatch,
        rows: Tensor | None = None,
        labels: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """`losses` where labels are given, else `outputs`, the logits of `rows`."""
        if labels is None:
            return {"outputs": self.logits(tokens, rows)}
        return self.losses(tokens, rows, labels, weights)

    def logits(self, tokens: TokenBatch, rows: Tensor | None = None) -> Tensor:
        """Scores of the labels, float32 [M, C].

        Args:
            tokens: T rows of N sequences.
            rows: int64 [M], the rows to look at; None for all T.
        """
        hidden = self.bert(tokens) if rows is None else self.bert.at(tokens, [rows])[0]
        return head_scores(self.classifier, dropout(hidden, self.rate, self.training))

    def losses(
        self,
        tokens: TokenBatch,
        rows: Tensor | None,
        labels: Tensor,
        weights: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Cross entropy, and sums over the batch.

        Args:
            tokens: T rows of N sequences.
            rows: int64 [M], the rows to look at; None for all T.
            labels: int64 [M]; negative ones do not count.
            weights: float32 [M], the factor of each row in the loss; those of weight 0 do not
                count. None: weight 1.

        Returns:
            Scalars: `loss`, the weighted sum that carries gradients, and for reports
            `tag_loss_sum`, `tag_correct` and `tag_count`.
        """
        known = (labels >= 0).float()
        factors = known if weights is None else known * weights
        found = weighted_cross_entropy(self.logits(tokens, rows), labels.clamp(min=0), factors)
        return {
            "loss": found.loss,
            "tag_loss_sum": found.plain,
            "tag_correct": found.correct,
            "tag_count": found.cases,
        }
