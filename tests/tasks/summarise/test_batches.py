"""The loss of a step, worked out from transformers' BertModel and a Linear."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from torch.nn import functional

from bertkit.data.sample_feed import SampleFeed
from bertkit.data.sample_order import SampleOrder
from bertkit.model.config import BertConfig
from bertkit.model.sentence_head import BertForSentenceExtraction
from bertkit.tasks.finetuning.task import WEIGHTS
from bertkit.tasks.summarise.batches import DocumentBatcher, SentenceObjective
from bertkit.tasks.summarise.sentences import DocumentTokens

PLACES = ((0, 4, 9), (0, 5), (0,), (0, 3, 6, 9))
LENGTHS = (12, 9, 4, 14)


def samples():
    draw = np.random.default_rng(0)
    return [
        DocumentTokens(
            ids=draw.integers(5, 60, length),
            first=0,
            target=draw.integers(0, 2, len(places)).astype(np.float32),
            alternating=(np.arange(length) // 4) % 2,
            places=np.array(places),
            sentences=range(len(places)),
        )
        for length, places in zip(LENGTHS, PLACES, strict=True)
    ]


@pytest.fixture
def models():
    shape = BertConfig(
        vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=20, initializer_range=0.2,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    torch.manual_seed(0)
    ours = BertForSentenceExtraction(shape)
    values = {k: v for k, v in shape.to_dict().items() if k not in ("architectures", "torch_dtype")}
    encoder = transformers.BertModel(transformers.BertConfig(**values), add_pooling_layer=False)
    head = torch.nn.Linear(32, 1)
    weights = ours.state_dict()
    encoder.load_state_dict({k[5:]: v for k, v in weights.items() if k.startswith("bert.")})
    head.load_state_dict({k[11:]: v for k, v in weights.items() if k.startswith("classifier.")})
    return ours, encoder, head


def tensors(batch):
    return {name: torch.from_numpy(np.asarray(value)) for name, value in batch.arrays.items()}


@pytest.mark.parametrize("padded", [0, 16])
@pytest.mark.parametrize("loss_weight", [None, 0.25])
def test_loss_and_gradients_of_a_step(models, padded, loss_weight):
    ours, encoder, head = models
    documents = samples()
    each = []
    for document in documents:
        ids, segments = (torch.tensor(v)[None] for v in (document.ids, document.alternating))
        hidden = encoder(input_ids=ids, token_type_ids=segments).last_hidden_state[0]
        logits = head(hidden[list(document.places)])[:, 0]
        target = torch.tensor(document.target)
        each.append(functional.binary_cross_entropy_with_logits(logits, target, reduction="none"))
    sums = torch.stack([values.sum() for values in each])
    wanted = sums.sum() / 10 if loss_weight is None else loss_weight * sums.mean()
    wanted.backward()

    def cases(sample):
        return float(len(sample.places)) if loss_weight is None else 1 / loss_weight

    feed = SampleFeed(
        samples=documents,
        order=SampleOrder(4, 0),
        make_batch=DocumentBatcher(padded, room=7).batch,
        global_batch_size=4,
        micro_batch_size=2,
        weights=WEIGHTS,
        cases=[cases(document) for document in documents],
    )
    (step,) = feed.steps(0, 1)
    total, count = 0.0, 0.0
    for batch in step.micro_batches:
        loss, numbers = SentenceObjective().losses(ours, tensors(batch), batch)
        loss.backward()
        total, count = total + loss.detach(), count + numbers["sentence_count"]
    torch.testing.assert_close(total, wanted.detach(), rtol=1e-5, atol=0)
    assert count == 10
    theirs = {f"bert.{name}": value.grad for name, value in encoder.named_parameters()}
    theirs |= {f"classifier.{name}": value.grad for name, value in head.named_parameters()}
    for name, value in ours.named_parameters():
        assert (value.grad - theirs[name]).norm() <= 1e-5 * theirs[name].norm() + 1e-6, name


@pytest.mark.parametrize("padded", [0, 16])
def test_outputs_are_told_apart_by_their_rows(models, padded):
    ours, *_ = models
    documents = samples()
    batcher = DocumentBatcher(padded, room=7)
    batch = batcher.batch(documents, labelled=False)
    _, outputs = SentenceObjective().losses(ours, tensors(batch), batch)
    rows = outputs["outputs"].detach().numpy()
    order = sorted(documents, key=lambda document: -document.length)
    sizes = batcher.rows(order)
    assert sizes == ([7] * 4 if padded else [len(document.places) for document in order])
    parts = np.split(rows, np.cumsum(sizes)[:-1])
    for document, part in zip(order, parts, strict=True):
        alone = batcher.batch([document], labelled=False)
        _, wanted = SentenceObjective().losses(ours, tensors(alone), alone)
        kept = len(document.places)
        own = wanted["outputs"].detach().numpy()[:kept]
        np.testing.assert_allclose(part[:kept], own, atol=1e-5)
