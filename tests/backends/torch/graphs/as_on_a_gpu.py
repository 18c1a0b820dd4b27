"""Trains on a CPU with the operators that GPUs compute, and with a recorder for CPUs."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from backends.torch.graphs.replaying import ReplayingRecorder
from bertkit.backends.base import Probe
from bertkit.backends.process_group import Topology
from bertkit.backends.torch import adapter as adapters
from bertkit.backends.torch.cuda import CudaAdapter
from bertkit.backends.torch.graphs import step as graphs
from bertkit.backends.torch.step import TorchStepper
from bertkit.model import bert
from bertkit.model.attention import PaddedLayout
from bertkit.model.chunked_loss import chunked_loss
from bertkit.model.losses import LossSums
from bertkit.train.optimization import optimizers
from bertkit.train.optimization.lamb import Lamb


def take_operators_of_gpus(monkeypatch):
    """Put the operators that GPUs compute in the place of the kernels for CPUs."""

    dense = bert.attention

    def attention(projected, heads, layout, rate):
        if isinstance(layout, PaddedLayout):
            return dense(projected, heads, layout, rate)
        rows, width = len(projected), projected.shape[1] // 3
        ends = layout.cumulative[1:].to(torch.int64)
        numbers = torch.searchsorted(ends, torch.arange(rows), right=True)
        apart = numbers[:, None] != numbers[None, :]
        query, key, value = projected.view(rows, 3, heads, -1).permute(1, 2, 0, 3)
        scores = (query @ key.transpose(1, 2) / math.sqrt(width / heads)).float()
        chances = torch.softmax(scores.masked_fill(apart, -1e30), -1).to(value.dtype)
        mixed = functional.dropout(chances, rate, rate > 0) @ value
        return mixed.transpose(0, 1).reshape(rows, width)

    def vocabulary_loss(hidden, weight, bias, labels, row_weights=None, project=None, fused=False):
        return LossSums(*chunked_loss(hidden, weight, bias, labels, row_weights))

    monkeypatch.setattr("bertkit.model.bert.attention", attention)
    for module in ("bert", "classification", "token_classification", "sentence_head"):
        monkeypatch.setattr(f"bertkit.model.{module}.dropout", functional.dropout)
    monkeypatch.setattr("bertkit.model.bert.cpu_half.computes", lambda *_: False)
    monkeypatch.setattr("bertkit.model.heads.vocabulary_loss", vocabulary_loss)

    def reads(optimizer, device):
        return getattr(optimizer, "_step_supports_amp_scaling", False)

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            self.update_together(weights, group)

    monkeypatch.setattr(Lamb, "step", step)
    monkeypatch.setattr(graphs, "reads_flags", reads)
    monkeypatch.setattr(optimizers, "reads_flags", reads)
    monkeypatch.setattr("bertkit.backends.torch.step.reads_flags", reads)


def be_a_gpu(monkeypatch, records=True):
    """Let `--backend cuda` train here, with a recorder for CPUs; returns the recorders it makes.

    Args:
        monkeypatch: of the test.
        records: False: runs that ask for recorded steps have their batches, and run all steps.
    """
    take_operators_of_gpus(monkeypatch)
    made = []

    def recorder(self):
        made.append(ReplayingRecorder())
        return made[-1]

    def plain(recorder, **given):
        return TorchStepper(**given)

    monkeypatch.setattr(CudaAdapter, "device", "cpu")
    monkeypatch.setattr(CudaAdapter, "pins", False)
    monkeypatch.setattr(CudaAdapter, "start", lambda *_, **__: Topology())
    monkeypatch.setattr(CudaAdapter, "probe", lambda self: Probe("cuda", True, "a stand-in"))
    monkeypatch.setattr(CudaAdapter, "recorder", recorder)
    if not records:
        monkeypatch.setattr(adapters, "GraphedStepper", plain)
    return made
