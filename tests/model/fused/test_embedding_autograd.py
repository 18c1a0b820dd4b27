"""Embeddings by kernels in the hands of autograd, of graphs and of compilers."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from backends.torch.graphs.replaying import ReplayingRecorder
from model.fused.test_embeddings import batch, exact_rows, made
from model.fused.test_rows import close
from torch.utils._python_dispatch import _disable_current_modes, _get_current_dispatch_mode
from torch.utils.checkpoint import checkpoint

from bertkit.backends.torch.compiled import compile_parts
from bertkit.backends.torch.graphs.recorder import Recordings
from bertkit.model import bert
from bertkit.model.bert import BertModel, Embeddings, TokenBatch
from bertkit.model.config import BertConfig
from bertkit.model.fused import dispatch
from bertkit.model.fused import embeddings as calls
from bertkit.model.fused.dispatch import embeddings_are_fused, run_fused_embeddings
from bertkit.model.fused.launch import Kernel

WIDTH, KIND = 12, torch.float32


@pytest.fixture
def embeddings(device) -> Embeddings:
    return made(width=WIDTH).to(device).train()


@pytest.fixture
def tokens(device) -> TokenBatch:
    return batch([5, 2], device)


def run(embeddings: Embeddings, tokens: TokenBatch) -> torch.Tensor:
    torch.manual_seed(3)
    return run_fused_embeddings(embeddings, tokens, KIND)


def gradients(embeddings: Embeddings, rows: torch.Tensor, **more) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(2)
    given = torch.randn(rows.shape, generator=generator).to(rows.device)
    return torch.autograd.grad(rows, list(embeddings.parameters()), given, **more)


def assert_alike(found, exact) -> None:
    assert all(torch.equal(one, other) for one, other in zip(found, exact, strict=True))


def test_nothing_is_read_that_was_not_written(embeddings, tokens):
    """Nor does the backward pass write into what it was given or what was kept."""
    kept = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.append((tensor, tensor.clone()))
        return tensor

    torch.use_deterministic_algorithms(True)  # new tensors hold NaN
    try:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            rows = run(embeddings, tokens)
        first = gradients(embeddings, rows, retain_graph=True)
        assert_alike(gradients(embeddings, rows), first)
    finally:
        torch.use_deterministic_algorithms(False)
    assert rows.isfinite().all() and all(one.isfinite().all() for one in first)
    assert len(kept) == 10 and all(torch.equal(tensor, was) for tensor, was in kept)


def test_computed_again_they_drop_the_same(embeddings, tokens):
    exact = run(embeddings, tokens)
    torch.manual_seed(3)
    found = checkpoint(run_fused_embeddings, embeddings, tokens, KIND, use_reentrant=False)
    torch.rand(5, device=found.device)  # the generator has gone on when gradients are computed
    assert torch.equal(found, exact)
    assert_alike(gradients(embeddings, found), gradients(embeddings, exact))


def test_kept_tensors_may_travel(embeddings, tokens):
    exact = gradients(embeddings, run(embeddings, tokens))

    def unpack(stored):
        place, tensor = stored
        # Not where the first pass had it, and not at a multiple of 16 bytes.
        shifted = torch.empty(tensor.numel() + 1, dtype=tensor.dtype, device=place)[1:]
        return shifted.copy_(tensor.flatten()).view(tensor.shape)

    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: (tensor.device, tensor.clone().cpu()), unpack
    ):
        rows = run(embeddings, tokens)
    assert_alike(gradients(embeddings, rows), exact)


def test_second_derivatives_are_refused(embeddings, tokens):
    with pytest.raises(RuntimeError, match="no second derivatives"):
        gradients(embeddings, run(embeddings, tokens), create_graph=True)


def test_passes_add_up_and_weights_may_be_held_fast(embeddings, tokens):
    once = gradients(embeddings, run(embeddings, tokens))
    given = torch.randn(7, WIDTH, generator=torch.Generator().manual_seed(2))
    embeddings.position_embeddings.requires_grad_(False)
    for _ in range(2):
        run(embeddings, tokens).backward(given.to(tokens.ids.device))
    for weight, gradient in zip(embeddings.parameters(), once, strict=True):
        if weight.requires_grad:
            assert torch.equal(weight.grad, 2 * gradient)
    assert embeddings.position_embeddings.weight.grad is None
    embeddings.requires_grad_(False)
    assert not run(embeddings, tokens).requires_grad


def test_without_gradients_and_as_copies(embeddings, tokens):
    exact = run(embeddings.eval(), tokens).detach()
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert torch.equal(run(embeddings, tokens), exact)
    for other in (copy.deepcopy(embeddings), pickle.loads(pickle.dumps(embeddings))):
        assert torch.equal(run(other, tokens), exact)


@pytest.mark.parametrize("trains", [False, True])
def test_one_row(embeddings, device, trains):
    tokens = batch([1], device)
    rows = run(embeddings.train(trains), tokens)
    found = gradients(embeddings, rows)
    torch.manual_seed(3)
    seed = calls.draw_seeds(1, device)[0] if trains else None
    exact = exact_rows(made(width=WIDTH), tokens.to("cpu"), seed)
    close(rows.detach(), exact.detach(), KIND)
    assert found[0].count_nonzero() == found[1].count_nonzero() == rows.count_nonzero() or trains
    assert not found[0][torch.arange(len(found[0]), device=device) != tokens.ids].any()


def test_a_launch_done_again_has_the_mask_of_the_words_by_then(
    embeddings, tokens, device, launches, monkeypatch
):
    torch.manual_seed(8)
    drawn, other = calls.draw_seeds(2, device).clone()
    memory = drawn.clone()
    monkeypatch.setattr(calls, "draw_seeds", lambda count, device: memory[None])
    rows = run_fused_embeddings(embeddings, tokens, KIND)
    given = torch.randn_like(rows)
    first = torch.autograd.grad(rows, list(embeddings.parameters()), given)
    assert len(launches) == 7  # two passes, one sum, and two for each of two tables
    was = [tensor.clone() for tensor in (rows.detach(), *first)]
    memory.copy_(other)
    for launch in launches:
        launch()
    exact = exact_rows(made(width=WIDTH), tokens.to("cpu"), other.cpu())
    close(rows.detach(), exact.detach(), KIND)
    assert not torch.equal(rows.detach() == 0, was[0] == 0)
    memory.copy_(drawn)
    for launch in launches:
        launch()
    # The gradients of tables are those of the last launch, too.
    assert_alike((rows.detach(), first[0], first[1]), (was[0], was[1], was[2]))


@pytest.fixture
def kernels_in_recordings(monkeypatch):
    """A recording on a CPU holds launches too, as one on a GPU does."""
    launch = Kernel.launch

    def recorded(kernel, programs, arguments, *more, **named):
        mode = _get_current_dispatch_mode()
        with _disable_current_modes():
            if mode is not None:
                mode._keep(arguments)
                mode.calls.append((launch, (kernel, programs, arguments, *more), named, None))
            launch(kernel, programs, arguments, *more, **named)

    monkeypatch.setattr(Kernel, "launch", recorded)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a recorder for CPUs")
@pytest.mark.usefixtures("kernels_in_recordings")
def test_replayed_passes_have_the_bits_of_those_that_are_run(tokens):
    """Other words and another mask in each, all in the memory of the recording."""
    after = []
    for recorded in (False, True):
        embeddings, ids = made(width=WIDTH).train(), tokens.ids.clone()
        for weight in embeddings.parameters():
            weight.grad = torch.zeros_like(weight)
        recorder, held = ReplayingRecorder(), []

        def work(embeddings=embeddings, ids=ids, held=held):
            rows = run_fused_embeddings(embeddings, replace(tokens, ids=ids), KIND)
            held.append(rows.detach())
            (rows * torch.arange(WIDTH)).sum().backward()

        recordings, found = Recordings(recorder), []
        torch.manual_seed(4)
        for step in range(4):
            ids.copy_((tokens.ids + step) % 40)
            recordings.run("pass", work) if recorded else work()
            found.append(held[-1].clone())
        assert (recorder.runs, recorder.records) == ((1, 1) if recorded else (0, 0))
        after.append([*found, *(weight.grad for weight in embeddings.parameters())])
    assert_alike(*after)
    assert not torch.equal(after[0][2], after[0][3])


GPU = torch.device("cuda", 0)


@pytest.mark.parametrize(
    "changed",
    [
        {}, {"padding_idx": 0}, {"kind": torch.float32}, {"kind": None}, {"compiling": True},
        {"autocast": True}, {"kernels": False}, {"current": 1}, {"table": torch.device("cpu")},
        {"ids": torch.device("cpu")},
    ],
)  # fmt: skip
def test_what_the_kernels_do_not_compute_is_for_operators(monkeypatch, changed):
    case = {"padding_idx": None, "kind": torch.bfloat16, "compiling": False, "autocast": False}
    case |= {"kernels": True, "current": 0, "table": GPU, "ids": GPU} | changed
    monkeypatch.setattr(dispatch, "gpu_has_kernels", lambda: case["kernels"])
    monkeypatch.setattr(torch.cuda, "current_device", lambda: case["current"])
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: case["compiling"])
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: case["autocast"])
    table = SimpleNamespace(padding_idx=case["padding_idx"], weight=SimpleNamespace())
    table.weight.device = case["table"]
    embeddings = SimpleNamespace(word_embeddings=table)
    ids = SimpleNamespace(device=case["ids"])
    assert embeddings_are_fused(embeddings, ids, case["kind"]) is (not changed)


def test_what_is_not_for_the_kernels_goes_to_operators(embeddings, tokens, launches):
    """A CPU's own rows, padding that has no gradient, a type that nobody asks for."""
    embeddings.eval().fused = True
    embeddings.word_embeddings.padding_idx = 11
    rows = embeddings(tokens, torch.bfloat16)
    assert rows.dtype == torch.float32 and not launches
    rows.square().sum().backward()
    gradient = embeddings.word_embeddings.weight.grad
    assert gradient.any() and not gradient[11].any()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_model_of_compiled_layers(device, launches, monkeypatch):
    """The kernels of embeddings stand between compiled parts, for all sizes of batches."""
    config = BertConfig(
        vocab_size=40, hidden_size=WIDTH, num_attention_heads=2, num_hidden_layers=1,
        intermediate_size=16, max_position_embeddings=50,
    )  # fmt: skip
    monkeypatch.setattr("bertkit.backends.torch.compiled.gpu_has_kernels", lambda: True)
    if device.type == "cpu":
        monkeypatch.setattr(bert, "embeddings_are_fused", lambda *_: True)
    torch.manual_seed(1)
    kind = torch.bfloat16
    model = BertModel(config, pooler=False).to(device).eval()
    model.encoder.to(kind)
    plain = copy.deepcopy(model)
    model.embeddings.fused = True
    torch._dynamo.reset()
    compile_parts(model, dynamic=True, backend="eager")
    assert model.embeddings._compiled_call_impl is None
    assert model.encoder.layer[0]._compiled_call_impl is not None
    for lengths in ([2, 1], [2]):
        tokens = batch(lengths, device)
        found, exact = model(tokens).float(), plain(tokens).float()
        torch.testing.assert_close(found, exact, rtol=0.05, atol=0.05)
    found[:, 0].sum().backward()
    assert model.embeddings.word_embeddings.weight.grad.any() and len(launches) >= 5
