"""Batches in one buffer each: the same numbers by one copy; weights and state by one wait."""

from __future__ import annotations

import numpy as np
import pytest
import synthetic
import torch
from torch._dynamo.testing import CompileCounter

from backends.torch.operators import Operators
from bertkit.backends.base import OptimizerSpec
from bertkit.backends.torch.adapter import TorchAdapter
from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.backends.torch.host_buffers import (
    DeviceInputs,
    StagedMicroBatch,
    on_device,
    on_host,
    staged,
)
from bertkit.backends.torch.step import plain_weights
from bertkit.data.sample_feed import side_by_side
from bertkit.data.step_batch import MicroBatch, StepBatch, rescaled, unpadded, weighted
from bertkit.model.bert import Embeddings
from bertkit.model.config import BertConfig
from bertkit.train.optimization.optimizers import make_optimizer, named_state
from bertkit.train.token_batch import token_batch

META = torch.device("meta")


def micro(count=5, seed=2):
    return unpadded(weighted(synthetic.batch(count, seed=seed), "global_step", count))


def test_one_copy_carries_a_whole_micro_batch():
    batch = micro()
    (step,) = staged([StepBatch([batch], 7, {"mlm": 3.0})], pin=False)
    assert (step.next_position, step.counts) == (7, {"mlm": 3.0})
    own = step.micro_batches[0]
    counts = {}
    for name, item in (("staged", own), ("plain", batch)):
        with Operators() as seen:
            tensors = on_device(item, META, pin=False)
        counts[name] = seen.counts["_to_copy"]
        assert {key: (value.shape, value.dtype) for key, value in tensors.items()} == {
            key: (value.shape, torch.from_numpy(value).dtype)
            for key, value in batch.arrays.items()
        }  # fmt: skip
    assert counts == {"staged": 1, "plain": len(batch.arrays)} and len(batch.arrays) == 10


def test_places_that_stay_take_every_batch_of_their_shape():
    batch = micro()
    (step,) = staged([StepBatch([batch])], pin=False)
    other = rescaled(step.micro_batches[0], {"mlm": 0.5})  # no longer what was staged
    inputs = DeviceInputs(batch, torch.device("cpu"), pin=False)
    places = {name: value.data_ptr() for name, value in inputs.tensors.items()}
    for item in (batch, step.micro_batches[0], other, batch):
        inputs.load(item)
        assert places == {name: value.data_ptr() for name, value in inputs.tensors.items()}
        for name, value in item.arrays.items():
            assert np.array_equal(inputs.tensors[name].numpy(), value), name
    on_meta = DeviceInputs(batch, META, pin=False)
    counts = []
    for item in (step.micro_batches[0], other, batch):
        with Operators() as seen:
            on_meta.load(item)
        counts.append(seen.counts["copy_"])
    assert counts == [1, 2, len(batch.arrays)]


def test_the_views_of_the_copy_hold_the_numbers():
    """As they would on a device: the buffer is what travels."""
    flags = np.array([[True, False], [False, True]])
    batch = MicroBatch(
        {**micro().arrays, "mask": flags, "none": np.empty((0, 3), np.int64), "one": np.float32(3)},
        np.array([4, 2]), np.array([4, 2, 0]), 9, {"span": 2.0},
    )  # fmt: skip
    (step,) = staged([StepBatch([batch])], pin=False)
    own = step.micro_batches[0]
    assert own.lengths is batch.lengths and own.spans is batch.spans
    assert (own.longest, own.scales) == (9, {"span": 2.0})
    for name, value in batch.arrays.items():
        assert own.arrays[name].dtype == value.dtype
        assert np.array_equal(own.arrays[name], value), name
        start = own.places[name][1]
        assert start % 64 == 0, "kernels load several numbers at once"
        stored = own.buffer[start : start + value.nbytes].view(torch.from_numpy(value[None]).dtype)
        assert np.array_equal(stored.view(value.shape).numpy(), value), name


def test_compiled_parts_take_batches_of_all_numbers_of_rows():
    """With 16 rows of 8 bytes, the second array could begin at its 16th number."""
    torch.manual_seed(1)
    embeddings = Embeddings(BertConfig(vocab_size=100, hidden_size=32)).eval()
    plain, counter = Embeddings.forward, CompileCounter()
    torch._dynamo.reset()
    compiled = torch.compile(embeddings.forward, backend=counter, dynamic=True)
    for rows in (16, 19, 24, 13):
        batch = side_by_side([np.arange(rows)], [np.zeros(rows, np.int64)])
        tokens = token_batch(inputs_of(batch), batch)
        assert torch.equal(compiled(tokens), plain(embeddings, tokens)), rows
    assert counter.frame_count == 1


def inputs_of(batch):
    """As they lie on a device: views of one buffer."""
    inputs = DeviceInputs(batch, torch.device("cpu"), pin=False)
    inputs.load(batch)
    return inputs.tensors


def test_what_was_replaced_travels_by_itself():
    """Weights of the loss are known only once all processes have counted."""
    (step,) = staged([StepBatch([micro()])], pin=False)
    own = rescaled(step.micro_batches[0], {"mlm": 0.25})
    assert isinstance(own, StagedMicroBatch)
    with Operators() as seen:
        on_device(own, META, pin=False)
    assert seen.counts["_to_copy"] == 2
    cpu = on_device(own, torch.device("cpu"))["mlm_weights"]
    assert np.array_equal(cpu.numpy(), micro().arrays["mlm_weights"] * np.float32(0.25))


def test_loaders_of_pinning_devices_stage_in_their_thread(monkeypatch):
    pinned = []
    monkeypatch.setattr(
        torch, "empty",
        lambda *size, real=torch.empty, pin_memory=False, **words: (
            pinned.append(pin_memory), real(*size, **words)
        )[1],
    )  # fmt: skip

    class Pinning(TorchAdapter):
        caps, device, pins = CpuAdapter.caps, "cpu", True

    steps = [StepBatch([micro(), micro(3)], number) for number in range(2)]
    with Pinning().loader(lambda: iter(steps)) as batches:
        found = list(batches)
    assert [step.next_position for step in found] == [0, 1] and pinned == [True] * 4
    assert all(isinstance(item, StagedMicroBatch) for step in found for item in step.micro_batches)
    with CpuAdapter().loader(lambda: iter(steps)) as batches:
        assert [step is own for step, own in zip(batches, steps, strict=True)] == [True, True]


def test_tensors_of_the_host_stay_and_those_of_a_device_are_fetched():
    """`meta` has nothing to fetch, and says so."""
    weight = torch.ones(3, requires_grad=True)
    (same,) = on_host([weight], pin=True)
    assert same.data_ptr() == weight.data_ptr() and not same.requires_grad
    with pytest.raises(NotImplementedError, match="meta"):
        on_host([torch.ones(3, device="meta")], pin=False)


def test_state_and_weights_are_fetched_by_one_call(monkeypatch):
    model = torch.nn.Linear(3, 2)
    optimizer = make_optimizer(model, OptimizerSpec())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    calls = []
    state = named_state(optimizer, lambda tensors: calls.append(len(tensors)) or on_host(tensors))
    assert calls == [6]
    plain = named_state(optimizer)
    assert state.keys() == plain.keys() == {"weight", "bias"}
    for name, values in plain.items():
        assert list(state[name]) == list(values) == ["step", "exp_avg", "exp_avg_sq"]
        assert all(torch.equal(state[name][key], value) for key, value in values.items())
    assert list(plain_weights(model, pin=True)) == ["weight", "bias"]
