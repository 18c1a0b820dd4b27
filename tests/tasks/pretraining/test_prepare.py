from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
import synthetic
import torch

from bertkit.backends import registry
from bertkit.backends.torch.graphs import choice
from bertkit.backends.torch.graphs.speeds import Speeds
from bertkit.backends.torch.options import CudaOptions
from bertkit.configuration.config import ExternalOrigin
from bertkit.errors import ConfigError, DataError
from bertkit.manifests.manifest import Manifest
from bertkit.tasks.pretraining.batches import training_feed
from bertkit.tasks.pretraining.estimate import UsualRecords, recorded_memory, usual_step
from bertkit.tasks.pretraining.prepare import prepare
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.train.step_settings import optimizer_spec
from tasks.pretraining.conftest import SHAPE

CPU = registry.get("cpu")


def vocabulary(path, size=synthetic.VOCAB):
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"t{i}" for i in range(size - 5))]
    path.write_text("\n".join(tokens) + "\n")
    return str(path)


def made_with(folder, vocab, size, seed=1):
    """A record folder whose manifest names its vocabulary."""
    folder.mkdir()
    synthetic.write(folder / "r.tfrecord", 8, seed=seed)
    config = {"vocab_sha256": vocab, "vocab_size": size}
    Manifest("make-records", config, state="complete").write(folder)
    return str(folder)


def test_the_vocabulary_size_follows_from_the_vocabulary(settings, tmp_path):
    config = settings(vocab=vocabulary(tmp_path / "v.txt", 70))
    assert prepare(config, CPU).config.model.vocab_size == 70
    given = replace(config, model=replace(config.model, vocab_size=128))
    assert prepare(given, CPU, {"model.vocab_size": "--set"}).config.model.vocab_size == 128
    with pytest.raises(ConfigError, match=r"has 70 entries, model\.vocab_size is 64"):
        prepare(config, CPU, {"model.vocab_size": "--set"})


@pytest.mark.parametrize(
    ("given", "told"),
    [("--max-steps", True), ("run.yaml", True), ("default", False), ("preset tiny", False)],
)
def test_of_epochs_and_steps_that_are_both_given_the_one_that_counts_is_named(
    settings, caplog, given, told
):
    config = replace(settings(), epochs=1.5, max_steps=3)
    found = prepare(config, CPU, {"max_steps": given})
    assert found.config.max_steps != 3
    assert ("--epochs 1.5 counts, --max-steps 3 does not" in caplog.text) == told


@pytest.mark.parametrize(("pieces", "rows"), [(2, 72), (5, 80), (6, 72)])
def test_rows_of_another_systems_file_make_room_for_the_tokens(
    settings, tmp_path, caplog, pieces, rows
):
    """Graphcore's files have 30,400 rows, the public vocabulary 30,522 tokens."""
    config = settings(vocab=vocabulary(tmp_path / "v.txt", 70))
    config = replace(config, ipu=replace(config.ipu, embedding_serialization=pieces))
    theirs = {"model.vocab_size": ExternalOrigin("phase1.json")}
    with caplog.at_level("WARNING"):
        found = prepare(config, CPU, theirs).config.model.vocab_size
    assert found == rows
    assert (
        f"phase1.json: model.vocab_size 64 is not the 70 tokens at hand: {rows} rows" in caplog.text
    )
    enough = replace(config, model=replace(config.model, vocab_size=88))
    assert prepare(enough, CPU, theirs).config.model.vocab_size == 88
    with pytest.raises(ConfigError) as caught:
        prepare(config, CPU, {"model.vocab_size": "own.yaml"})
    assert f"model.vocab_size={rows}" in str(caught.value.hint)


def test_or_from_the_records_manifest(settings, tmp_path):
    folder = made_with(tmp_path / "a", "a" * 64, 96)
    ready = prepare(settings(input=[folder]), CPU)
    assert ready.config.model.vocab_size == 96
    assert ready.vocab is None


def test_another_vocabulary_than_the_records_is_refused(settings, tmp_path):
    path = vocabulary(tmp_path / "v.txt")
    folder = made_with(tmp_path / "a", "a" * 64, 64)
    with pytest.raises(DataError, match=r"a has vocabulary a{12} \(64 tokens\), --vocab"):
        prepare(settings(input=[folder], vocab=path), CPU)
    with open(path, "rb") as stream:
        own = hashlib.sha256(stream.read()).hexdigest()
    right = made_with(tmp_path / "b", own, 64)
    assert prepare(settings(input=[right], vocab=path), CPU).vocab
    with pytest.raises(DataError, match=r"b has vocabulary .*a has vocabulary a{12}"):
        prepare(settings(input=[right], eval_input=[folder]), CPU)


def test_a_vocabulary_that_is_none(settings, tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("[PAD]\nword\n")
    with pytest.raises(DataError):
        prepare(settings(vocab=str(path)), CPU)


def test_evaluation_records_are_checked_before_training(settings, tmp_path):
    long = synthetic.write(tmp_path / "long.tfrecord", 3, length=40)
    with pytest.raises(ConfigError, match="max_seq_length 40"):
        prepare(settings(eval_input=[str(long)]), CPU)


def test_the_shape_of_a_step_is_that_of_its_fixed_batches(settings):
    for layout, sequences in (("padded", 1), ("packed", 3)):
        ready = prepare(settings(layout=layout), CPU)
        shape = ready.step_plan.shape
        feed = replace(training_feed(ready, CPU), fixed=True)
        arrays = next(feed.steps(0, 1)).micro_batches[0].arrays
        rows = shape.micro_batch_size
        assert len(arrays["ids"]) == rows * shape.sequence_length
        assert len(arrays["mlm_rows"]) == rows * shape.predictions
        assert len(arrays["cls_rows"]) == rows * shape.sequences_per_row == rows * sequences


def test_runs_on_cs_make_steps_by_length_and_others_do_not(settings):
    def window(backend, **changes):
        origins = dict.fromkeys(changes, "--flag")
        with registry.for_planning(backend) as adapter:
            config = settings(micro_batch_size=8, precision="bf16", **changes)
            return prepare(config, adapter, origins).config.bucket_window

    assert window("cs", layout="bucketed") == 64
    assert window("cs", layout="bucketed", bucket_window=3) == 3
    assert window("cs", layout="bucketed", bucket_window=0) == 0
    assert window("cs", layout="padded") == 0
    assert window("cpu", layout="bucketed") == 0
    assert settings(bucket_window=3).problems() == ["--bucket-window needs --layout bucketed"]


@pytest.fixture
def asked(monkeypatch):
    """An adapter of CUDA's kind, and the sizes of runs that it has been asked about."""
    adapter, sizes = registry.make("cuda"), []

    def settled(options, size):
        sizes.append(size)
        return replace(options, gradient_exchange="bf16")

    monkeypatch.setattr(adapter, "settled_options", settled)
    return adapter, sizes


def test_the_machine_chooses_by_the_size_of_the_run(settings, asked, monkeypatch):
    adapter, sizes = asked
    config = settings(backend="cuda", precision="bf16", max_steps=7)
    ready = prepare(config, adapter, {"micro_batch_size": "--micro-batch-size"}, dry_run=True)
    assert ready.config.cuda.gradient_exchange == "bf16"
    prepare(replace(config, micro_batch_size=0), adapter)
    monkeypatch.setattr(adapter, "device_memory", lambda: 1 << 34)
    prepare(config, adapter, {"micro_batch_size": "preset tiny"})
    prepare(replace(config, layout="padded", micro_batch_size=0), adapter)
    given, whole, preset, padded = sizes
    assert (given.steps, given.longest, given.precision) == (7, 24, "bf16")
    assert given.model == ready.config.model and given.planned_only and not whole.planned_only
    assert given.rows == pytest.approx(whole.rows / 2, abs=1), "two passes a step"
    assert preset.rows == whole.rows, "a preset's passes become as large as memory allows"
    assert padded.rows == 8 * 24 > whole.rows > 0
    assert given.predictions == whole.predictions / 2 > 0
    assert given.plan == replace(ready.step_plan, options=config.cuda), "before what is chosen"
    assert given.optimizer == optimizer_spec(config)
    assert (
        given.operations
        == whole.operations
        == 7 * usual_step(config, UsualRecords(ready.source)).operations
    )
    assert padded.operations > whole.operations


def test_what_a_run_began_with_is_known_when_it_goes_on(settings, asked, tmp_path):
    adapter, sizes = asked
    began = settings(cuda=CudaOptions(fused=False, totals=3), max_steps=1)
    pretrain(began, registry.get("cpu"))
    for resume in ("auto", str(tmp_path / "run/step-0000001"), "never", str(tmp_path / "none")):
        prepare(replace(began, backend="cuda", resume=resume), adapter)
    known = [size.before for size in sizes]
    assert known[0] == known[1] and (known[0]["fused"], known[0]["totals"]) == (False, 3)
    assert known[2] is known[3] is None


def test_what_is_replaced_or_cannot_be_read_decides_nothing(settings, asked, tmp_path):
    adapter, sizes = asked
    began = settings(cuda=CudaOptions(fused=True), max_steps=2, save_every=1)
    pretrain(began, registry.get("cpu"))
    on_gpu = replace(began, backend="cuda", cuda=CudaOptions())
    (tmp_path / "run/step-0000002/state.json").write_text("{")
    prepare(on_gpu, adapter)
    prepare(on_gpu, adapter, overwrite=True)
    first, replaced = (size.before for size in sizes)
    assert first["fused"] is True, "of the newest checkpoint that can be read"
    assert replaced is None


def test_what_is_refused_is_not_tried_first(settings, asked):
    adapter, sizes = asked
    config = settings(backend="cuda", precision="fp32", cuda=CudaOptions(fused=True))
    with pytest.raises(ConfigError, match="fused is for --precision bf16"):
        prepare(config, adapter)
    assert not sizes


@pytest.fixture
def fast_gpu(settings, monkeypatch):
    """Plans a long run on a GPU that waits for its host, with memory for everything."""
    adapter = registry.make("cuda")
    speeds = Speeds(products=1e15, copies=1e13, layer=2e-3)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(choice, "measured", lambda device, precision: speeds)

    def plan(memory=1 << 40, options=None, origins=None, **changes):
        monkeypatch.setattr(adapter, "device_memory", lambda: memory)
        given = {"backend": "cuda", "precision": "bf16", "max_steps": 10_000, **changes}
        config = settings(cuda=options or CudaOptions(fused=False), **given)
        return prepare(config, adapter, origins)

    plan.adapter = adapter
    return plan


def test_a_small_model_on_a_fast_gpu_is_recorded(fast_gpu):
    ready, run = fast_gpu(), fast_gpu(options=CudaOptions(fused=False, graphs=False))
    assert ready.config.cuda.graphs is ready.step_plan.options.graphs is True
    assert run.config.cuda.graphs is False
    assert 1 < len(training_feed(ready, fast_gpu.adapter).budget.tokens) <= 8
    assert ready.estimate.memory_bytes > run.estimate.memory_bytes, "the plan counts both passes"


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": "fp16"},
        {"recompute": True},
        {"shard_optimizer": True},
        {"options": CudaOptions(fused=False, gradient_exchange="bf16")},
        {"model": replace(SHAPE, num_attention_heads=4)},  # of 4 numbers
    ],
)
def test_what_recordings_do_not_go_with_comes_first(fast_gpu, monkeypatch, changes):
    """A default that is refused would end runs that have named neither."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert fast_gpu().config.cuda.graphs is True
    assert fast_gpu(**changes).config.cuda.graphs is False


def test_recordings_by_default_make_no_pass_smaller(fast_gpu):
    """Where memory decides the micro-batch, it has no room for recordings beside it."""
    whole = {"micro_batch_size": 0, "global_batch_size": 64}
    enough = recorded_memory(fast_gpu(**whole).config, UsualRecords(fast_gpu(**whole).source))
    for memory, size, graphs in ((enough, 64, True), (enough - 2, 64, False)):
        config = fast_gpu(memory, **whole).config
        assert (config.micro_batch_size, config.cuda.graphs) == (size, graphs)
    asked = CudaOptions(fused=False, graphs=True)
    assert fast_gpu(enough - 2, asked, **whole).config.micro_batch_size == 32, "what is asked for"


@pytest.mark.parametrize("graphs", [True, False])
def test_a_resumed_runs_passes_are_as_large_as_they_were(settings, fast_gpu, graphs, monkeypatch):
    whole = {"micro_batch_size": 0, "global_batch_size": 64}
    memory = recorded_memory(fast_gpu(**whole).config, UsualRecords(fast_gpu(**whole).source)) - 2
    began = CudaOptions(fused=False, compile=False, graphs=graphs)
    with monkeypatch.context() as here:  # builds for CUDA would ask a driver that is not there
        here.setattr(torch.cuda, "is_available", lambda: False)
        pretrain(settings(cuda=began, max_steps=1), registry.get("cpu"))
    for options in (began, CudaOptions()):
        config = fast_gpu(memory, options, **whole).config
        assert (config.micro_batch_size, config.cuda) == (32 if graphs else 64, began)


def pairs_of(folder, objective):
    folder.mkdir()
    synthetic.write(folder / "r.tfrecord", 8)
    Manifest("make-records", {"objective": objective}, state="complete").write(folder)
    return str(folder)


def test_pairs_whose_labels_mean_two_things_are_refused(settings, tmp_path):
    next_ones, orders = (pairs_of(tmp_path / name, name) for name in ("nsp", "sop"))
    for given in (
        {"input": [next_ones, orders]},
        {"input": [next_ones], "eval_input": [orders]},
    ):
        with pytest.raises(ConfigError, match="--objective nsp, others with --objective sop"):
            prepare(settings(**given), CPU)
        prepare(settings(**given, nsp=False), CPU)
    prepare(settings(input=[orders], eval_input=[orders]), CPU)
