"""How gradients travel: to their owners, in bf16, with the same norm and the same bits."""

from __future__ import annotations

import pytest
import torch
from backends.torch.two_processes import STEPS
from torch import distributed as dist

from bertkit.backends.torch.processes.gradient_exchange import exchange_hook, shared_norm, spans
from bertkit.backends.torch.processes.sharded_optimizer import divided
from bertkit.train.optimization.optimizers import clip_gradients


def test_plain_exchange_is_left_to_pytorch():
    assert exchange_hook() is None and exchange_hook(half=True) and exchange_hook({})


def test_neighbours_of_one_owner_travel_together():
    a, b, c, d = (torch.empty(size) for size in (3, 4, 5, 6))
    owners = {a: 0, b: 0, c: 1, d: 0}
    assert spans([a, b, c, d], owners) == [(0, 0, 7), (1, 7, 12), (0, 12, 18)]
    assert spans([], owners) == []


@pytest.mark.parametrize("world", [1, 2, 3, 8, 64])
def test_processes_own_stretches_of_about_the_same_size(world):
    """As in BERT: one large table, then layers."""
    sizes = [30000] + [1000, 100, 4000, 10, 4000, 100] * 12
    parameters = [torch.empty(size) for size in sizes]
    owners = list(divided(parameters, world).values())
    assert owners == sorted(owners) and set(owners) <= set(range(world))
    share, largest = sum(sizes) / world, max(sizes)
    for rank in range(world):
        own = sum(size for size, owner in zip(sizes, owners, strict=True) if owner == rank)
        assert own <= share + largest
    if world <= 3:
        assert len(set(owners)) == world


def test_the_shared_norm_has_the_bits_of_the_whole(monkeypatch):
    """Two processes that know half of the gradients each."""
    torch.manual_seed(3)
    parameters = [torch.nn.Parameter(torch.empty(size)) for size in (7, 300, 5, 41, 9)]
    for item in parameters:
        item.grad = torch.randn_like(item)
    gradients = [item.grad for item in parameters]
    own = [True, False, True, False, False]
    sent = []
    for known in (own, [not owned for owned in own], [False] * 5):
        monkeypatch.setattr(dist, "all_reduce", lambda norms: sent.append(norms.clone()))
        shared_norm(gradients, known)
    assert not sent[2].any()
    monkeypatch.setattr(dist, "all_reduce", lambda norms: norms.add_(sent[1]))
    assert torch.equal(shared_norm(gradients, own), clip_gradients(parameters, 0.0))
    gradients[2][0] = float("nan")
    assert shared_norm(gradients, own).isnan()


@pytest.mark.slow
def test_owners_alone_get_gradients_and_the_bits_stay(ranks):
    """Half the bytes of an all-reduce, then every process's parameters in one piece."""
    whole, sharded = (
        [rank[f"exchange {shard} False"] for rank in ranks] for shard in (False, True)
    )
    for one, other in zip(whole, sharded, strict=True):
        assert one["norms"] == other["norms"] and one["sent"] == []
        for name, value in one["weights"].items():
            assert torch.equal(value, other["weights"][name]), name
        size = sum(value.numel() for value in one["weights"].values()) * 4
        reduced = [count for name, count in other["sent"] if name == "reduce"]
        spread = [count for name, count in other["sent"] if name == "broadcast"]
        assert sum(reduced) <= STEPS * size < sum(reduced) + STEPS * 4 * 400  # small ones unseen
        assert len(spread) == 2 * STEPS and sum(spread) == STEPS * size
        assert all(name != "all_reduce" for name, _ in other["sent"])


@pytest.mark.slow
@pytest.mark.parametrize("shard", [False, True])
def test_gradients_that_travel_in_bf16_are_half_as_much_and_nearly_the_same(ranks, shard):
    exact, half = ([rank[f"exchange {shard} {way}"] for rank in ranks] for way in (False, True))
    for name, value in half[0]["weights"].items():
        assert torch.equal(value, half[1]["weights"][name]), "the processes have drifted apart"
        assert value.dtype == torch.float32
    assert half[0]["norms"] == half[1]["norms"] == pytest.approx(exact[0]["norms"], rel=1e-2)
    assert half[0]["norms"] != exact[0]["norms"]
    kind = "reduce" if shard else "all_reduce"
    size = sum(value.numel() for value in half[0]["weights"].values()) * 2
    sent = [count for name, count in half[0]["sent"] if name == kind]
    assert sum(sent) <= STEPS * size < sum(sent) + STEPS * 2 * 400
