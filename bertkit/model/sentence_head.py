"""Defines the head of extractive summarisation: one score per sentence, from its own [CLS]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from bertkit.model.bert import BertModel, TokenBatch, initialise
from bertkit.model.config import BertConfig
from bertkit.model.dropout import dropout
from bertkit.model.scores import head_scores


class BertForSentenceExtraction(nn.Module):
    """Encoder with one logit per sentence, as BERTSum's `Classifier` and Cerebras' models.

    `transformers` has no such class; its BertModel reads the encoder.

    Args:
        config: the encoder's shape.
        classifier_dropout: before the head; theirs have none.
        facts: further entries of the checkpoint's config.json.
    """

    def __init__(
        self,
        config: BertConfig,
        *,
        classifier_dropout: float = 0.0,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.rate = classifier_dropout
        self.facts = dict(facts or {})
        self.bert = BertModel(config, pooler=False)
        self.classifier = nn.Linear(config.hidden_size, 1)
        initialise(self, config)

    def forward(
        self,
        tokens: TokenBatch,
        rows: Tensor,
        labels: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """`losses` where labels are given, else `outputs`, the logits float32 [K, 1]."""
        if labels is None:
            return {"outputs": self.logits(tokens, rows)[:, None]}
        return self.losses(tokens, rows, labels, weights)

    def logits(self, tokens: TokenBatch, rows: Tensor) -> Tensor:
        """Scores of sentences, float32 [K].

        Args:
            tokens: T rows of N sequences.
            rows: int64 [K], the row of each sentence's [CLS].
        """
        (hidden,) = self.bert.at(tokens, [rows])
        hidden = dropout(hidden, self.rate, self.training)
        return head_scores(self.classifier, hidden).squeeze(-1)

    def losses(
        self, tokens: TokenBatch, rows: Tensor, labels: Tensor, weights: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Binary cross entropy of sigmoid(logit), and sums over the sentences.

        Args:
            tokens: T rows of N sequences.
            rows: int64 [K], the row of each sentence's [CLS].
            labels: float32 [K], 1 on sentences that belong to the summary.
            weights: float32 [K], the factor of each sentence in the loss; those of weight 0 are
                padding. None: weight 1.

        Returns:
            Scalars: `loss`, the weighted sum that carries gradients, and for reports
            `sentence_loss_sum`, `sentence_correct` and `sentence_count`.
        """
        logits = self.logits(tokens, rows)
        labels = labels.to(logits.dtype)
        weights = logits.new_ones(len(logits)) if weights is None else weights.to(logits.dtype)
        each = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        counts = (weights > 0).to(logits.dtype)
        right = ((logits > 0) == (labels > 0)).to(logits.dtype)
        return {
            "loss": (each * weights).sum(),
            "sentence_loss_sum": (each.detach() * counts).sum(),
            "sentence_correct": (right * counts).sum(),
            "sentence_count": counts.sum(),
        }
