"""Which batches a machine gets for a run and for an evaluation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bertkit.backends import registry
from bertkit.backends.torch.cuda import CudaAdapter
from bertkit.backends.torch.options import CudaOptions
from bertkit.data.record_source import RecordSource
from bertkit.tasks.pretraining.batches import evaluation_feed, training_feed
from bertkit.tasks.pretraining.config import EvalConfig
from bertkit.tasks.pretraining.prepare import prepare


def test_the_cpu_takes_micro_batches_as_they_come(settings):
    cpu = registry.get("cpu")
    feed = training_feed(prepare(settings(), cpu), cpu)
    assert (feed.layout, feed.fixed, feed.budget) == ("unpadded", False, None)
    (step,) = feed.steps(0, 1)
    assert [batch.sequences for batch in step.micro_batches] == [4, 4]


def test_cuda_gets_round_totals_and_few_when_it_compiles(settings):
    adapter = CudaAdapter()

    def rows(**more):
        feed = training_feed(prepare(settings(**more), adapter), adapter)
        steps = list(feed.steps(0, 10))
        return feed.budget, {len(m.arrays["ids"]) for step in steps for m in step.micro_batches}

    budget, found = rows()
    assert not budget.tokens and all(size % 8 == 0 for size in found)
    budget, found = rows(precision="bf16", cuda=CudaOptions(compile=True, totals=2))
    assert 1 <= len(budget.tokens) <= 2 and found <= set(budget.tokens)
    budget, _ = rows(precision="bf16", cuda=CudaOptions(compile=True, totals=0))
    assert not budget.tokens


def test_recorded_steps_get_few_totals_and_their_evaluation_none(settings, records):
    adapter = CudaAdapter()

    def budget(**more):
        config = settings(precision="bf16", cuda=CudaOptions(graphs=True, **more))
        return training_feed(prepare(config, adapter), adapter).budget

    assert 1 < len(budget().tokens) <= 8
    assert 1 <= len(budget(totals=2).tokens) <= 2
    source = RecordSource([str(records / "eval.tfrecord")])
    config = settings(precision="bf16", layout="unpadded", cuda=CudaOptions(graphs=True))
    assert not evaluation_feed(source, 4, config, 64, adapter).budget.tokens


@pytest.mark.parametrize("layout", ["padded", "bucketed", "packed"])
def test_recorded_steps_get_constant_shapes_and_their_evaluation_does_not(
    settings, records, layout
):
    adapter = CudaAdapter()
    config = settings(layout=layout, precision="bf16", cuda=CudaOptions(graphs=True))
    assert training_feed(prepare(config, adapter), adapter).fixed
    source = RecordSource([str(records / "eval.tfrecord")])
    assert not evaluation_feed(source, 4, config, 64, adapter).fixed


def test_recorded_steps_are_smaller_where_memory_decides(settings, monkeypatch):
    adapter = CudaAdapter()
    states = 20 * settings().model.parameter_count()
    monkeypatch.setattr(adapter, "device_memory", lambda: int((states + 2.5e5) / 0.8))
    sizes = [
        prepare(
            settings(micro_batch_size=0, precision="bf16", cuda=CudaOptions(graphs=graphs)), adapter
        ).config.micro_batch_size
        for graphs in (False, True)
    ]
    assert sizes[0] > sizes[1]


@pytest.mark.parametrize("layout", ["padded", "bucketed", "packed"])
def test_compiled_models_get_constant_shapes(settings, layout):
    adapter = CudaAdapter()
    for compiles in (False, True):
        config = settings(layout=layout, precision="bf16", cuda=CudaOptions(compile=compiles))
        feed = training_feed(prepare(config, adapter), adapter)
        assert (feed.fixed, feed.budget) == (compiles, None)


def test_settings_of_the_layout_arrive(settings, records):
    cpu = registry.get("cpu")
    config = settings(layout="bucketed", bucket_boundaries=[8, 16], sequences_per_pack=5)
    feed = training_feed(prepare(config, cpu), cpu)
    assert (feed.boundaries, feed.sequences_per_pack) == ((8, 16), 5)
    source = RecordSource([str(records / "eval.tfrecord")])
    for adapter in (cpu, CudaAdapter()):
        chosen = EvalConfig(layout="unpadded")
        found = evaluation_feed(source, 4, chosen, 64, adapter)
        assert sum(step.sequences for step in found.once()) == 10
        assert found.parts() == len(list(found.once()))
        assert found.parts(limit=5) == len(list(found.once(limit=5)))
    boundaries = replace(EvalConfig(layout="bucketed"), bucket_boundaries=[12])
    assert evaluation_feed(source, 4, boundaries, 64, cpu).boundaries == (12,)
