"""Defines the heads on the encoder: masked LM, next sentence prediction and answer span."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from bertkit.model.attention import PackedLayout
from bertkit.model.bert import BertModel, TokenBatch, activation, initialise
from bertkit.model.config import BertConfig
from bertkit.model.losses import (
    LossSums,
    Projection,
    vocabulary_loss,
    weighted_cross_entropy,
)
from bertkit.model.scores import head_scores


class PredictionTransform(nn.Module):
    """Projection, activation and layer norm before the vocabulary."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.kind = config.hidden_act

    def forward(self, rows: Tensor) -> Tensor:
        """Rows [M, H] to [M, H]."""
        normed: Tensor = self.LayerNorm(activation(self.dense(rows), self.kind))
        return normed


class Predictions(nn.Module):
    """The masked LM head; its matrix is the word embedding, so only a bias is its own."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.transform = PredictionTransform(config)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))


class PretrainingHeads(nn.Module):
    """Masked LM and next sentence heads under the names of `transformers`."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.predictions = Predictions(config)
        self.seq_relationship = nn.Linear(config.hidden_size, 2)


class BertForPreTraining(nn.Module):
    """Encoder with masked LM and next sentence prediction.

    Attributes:
        project: how logits over the vocabulary are made; machines with little memory cut
            this product. None: `functional.linear`, looked up at every call, because
            engines with half types of their own replace it.
        fused: kernels made for the loss over the vocabulary compute it where they can, see
            `bertkit.model.fused`.
        facts: further entries of the checkpoint's config.json.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.facts: dict[str, Any] = {}
        self.project: Projection | None = None
        self.fused = False
        self.bert = BertModel(config)
        self.cls = PretrainingHeads(config)
        initialise(self, config)

    def forward(
        self,
        tokens: TokenBatch,
        mlm_rows: Tensor,
        mlm_labels: Tensor,
        nsp_labels: Tensor | None = None,
        mlm_weights: Tensor | None = None,
        nsp_weights: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The same as `losses`, so that wrappers of modules see one call per batch."""
        return self.losses(tokens, mlm_rows, mlm_labels, nsp_labels, mlm_weights, nsp_weights)

    def losses(
        self,
        tokens: TokenBatch,
        mlm_rows: Tensor,
        mlm_labels: Tensor,
        nsp_labels: Tensor | None = None,
        mlm_weights: Tensor | None = None,
        nsp_weights: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The loss, and sums over the batch.

        Args:
            tokens: T rows of N sequences.
            mlm_rows: the M rows whose token is to be predicted, see `picked`; logits are
                computed for these only.
            mlm_labels: int64[M], the tokens; negative ones are ignored.
            nsp_labels: int64[N], 0 = the second part follows, 1 = random; negative ones
                are ignored. None leaves the task out.
            mlm_weights: float32[M], the factor of each row in the loss; rows of weight 0
                are padding and count nowhere. None: weight 1.
            nsp_weights: float32[N], the same for next sentence prediction.

        Returns:
            Scalars: `loss`, the weighted sum that carries gradients, and for reports
            `mlm_loss_sum`, `mlm_correct`, `mlm_count`, `nsp_loss_sum`, `nsp_correct`,
            `nsp_count`, in which every row that counts does so once. Without weights the
            loss sums carry gradients too.
        """
        heads = [mlm_rows] if nsp_labels is None else [mlm_rows, tokens.cls_rows]
        hidden = self.bert.at(tokens, heads)
        return self.scored(hidden, mlm_labels, nsp_labels, mlm_weights, nsp_weights)

    def scored(
        self,
        hidden: list[Tensor],
        mlm_labels: Tensor,
        nsp_labels: Tensor | None,
        mlm_weights: Tensor | None,
        nsp_weights: Tensor | None,
    ) -> dict[str, Tensor]:
        """What `losses` returns, from the rows [M, H] to predict and the rows [N, H] of [CLS]."""
        words = vocabulary_loss(
            self.transformed(hidden[0]),
            self._words,
            self.cls.predictions.bias,
            mlm_labels,
            row_weights=mlm_weights,
            project=self.project,
            fused=self.fused,
        )
        sums = {
            "loss": words.loss,
            "mlm_loss_sum": words.loss if mlm_weights is None else words.plain,
            "mlm_correct": words.correct,
            "mlm_count": words.cases,
        }
        if nsp_labels is None:
            none = torch.zeros_like(words.plain)
            return {**sums, "nsp_loss_sum": none, "nsp_correct": none, "nsp_count": none}
        pairs = self.pairs(hidden[1], nsp_labels, nsp_weights)
        return {
            **sums,
            "loss": words.loss + pairs.loss,
            "nsp_loss_sum": pairs.loss if nsp_weights is None else pairs.plain,
            "nsp_correct": pairs.correct,
            "nsp_count": pairs.cases,
        }

    def transformed(self, rows: Tensor) -> Tensor:
        """Rows [M, H] as the vocabulary's matrix takes them."""
        found: Tensor = self.cls.predictions.transform(rows)
        return found

    def pairs(self, rows: Tensor, labels: Tensor, weights: Tensor | None) -> LossSums:
        """Next sentence prediction's part of the loss, from the rows [N, H] of [CLS]."""
        return weighted_cross_entropy(self._next_sentence(rows), labels, weights)

    def logits(self, tokens: TokenBatch, mlm_rows: Tensor) -> tuple[Tensor, Tensor]:
        """(masked LM logits float32[M, V] of the given rows, next sentence logits [N, 2])."""
        hidden, first = self.bert.at(tokens, [mlm_rows, tokens.cls_rows])
        own = self.transformed(hidden).to(self._words.dtype)
        words = functional.linear(own, self._words, self.cls.predictions.bias)
        return words.float(), self._next_sentence(first)

    def _next_sentence(self, cls_hidden: Tensor) -> Tensor:
        pooler = cast(nn.Module, self.bert.pooler)
        return head_scores(self.cls.seq_relationship, pooler(cls_hidden))

    @property
    def _words(self) -> Tensor:
        return self.bert.embeddings.word_embeddings.weight


class BertForQuestionAnswering(nn.Module):
    """Encoder with a start and an end score per token (SQuAD).

    Args:
        config: the encoder's shape.
        facts: further entries of the checkpoint's config.json.
    """

    def __init__(self, config: BertConfig, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.config = config
        self.facts = dict(facts or {})
        self.bert = BertModel(config, pooler=False)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        initialise(self, config)

    def forward(
        self,
        tokens: TokenBatch,
        starts: Tensor | None = None,
        ends: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """`losses` where the answers are given, else the scores of every row.

        Returns:
            Without answers: `start_scores` and `end_scores`, [T], float32.
        """
        if starts is not None and ends is not None:
            return self.losses(tokens, starts, ends, weights)
        first, last = self._scores(tokens)
        return {"start_scores": first, "end_scores": last}

    def _scores(self, tokens: TokenBatch) -> tuple[Tensor, Tensor]:
        scores = head_scores(self.qa_outputs, self.bert(tokens))
        return scores[:, 0], scores[:, 1]

    def losses(
        self, tokens: TokenBatch, starts: Tensor, ends: Tensor, weights: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Span loss: mean of start and end cross entropy over each sequence's own tokens.

        Google's program also lets padding take probability; here padding does not exist.

        Args:
            tokens: T rows of N sequences.
            starts: int64[N], position of the answer's first token in its sequence; 0
                ([CLS]) where the window holds no answer; negative is ignored where there are
                no weights. Spans of rows after the first N are padding.
            ends: int64[N], position of its last token.
            weights: float32[N], the factor of each sequence in the loss; those of weight 0 are
                padding. None: weight 1.

        Returns:
            Scalars: `loss`, the weighted sum that carries gradients, and for reports
            `span_loss_sum`, `span_correct` (both ends right), `span_count`.
        """
        start_scores, end_scores = self._scores(tokens)
        lowest = torch.finfo(start_scores.dtype).min
        layout = tokens.layout
        if isinstance(layout, PackedLayout):
            raise TypeError("several windows in a row have no table of their own")
        first = _lines(layout.grid(start_scores, lowest), len(starts))
        last = _lines(layout.grid(end_scores, lowest), len(starts))
        begins = weighted_cross_entropy(first, starts, weights)
        finishes = weighted_cross_entropy(last, ends, weights)
        counted = starts >= 0 if weights is None else weights > 0
        right = (first.argmax(-1) == starts) & (last.argmax(-1) == ends) & counted
        return {
            "loss": torch.stack((begins.loss, finishes.loss)).mean(),
            "span_loss_sum": torch.stack((begins.plain, finishes.plain)).mean(),
            "span_correct": right.sum(),
            "span_count": counted.sum(),
        }


def _lines(table: Tensor, count: int) -> Tensor:
    """The first lines of a table; all of them cost nothing."""
    return table if len(table) == count else table[:count]
