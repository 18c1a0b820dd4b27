"""Digests of weights: of their content, not of a file."""

from __future__ import annotations

import pytest
import torch

from bertkit.errors import ConfigError
from bertkit.train.checkpoints.starting_weights import digest_of, require_outside


def test_a_digest_is_of_names_types_shapes_and_values():
    weights = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(1.0)}
    known = digest_of(weights, weights)
    assert digest_of(dict(reversed(weights.items())), ["b", "a"]) == known
    assert digest_of({**weights, "a": weights["a"].T.contiguous().T}, weights) == known
    others = [
        {"a": weights["a"], "c": weights["b"]},
        {**weights, "a": weights["a"].reshape(3, 2)},
        {**weights, "a": weights["a"].double()},
        {**weights, "a": weights["a"] + torch.tensor([0, 0, 1e-6])},
        {"a": weights["a"]},
    ]
    found = {digest_of(tensors, tensors) for tensors in others}
    assert len(found) == len(others) and known not in found
    assert digest_of(weights, ["a"]) == digest_of(others[-1], ["a"])


def test_a_start_must_lie_outside_the_run(tmp_path):
    run = tmp_path / "run"
    (tmp_path / "link").symlink_to(run)
    for start in (run, run / "step-0000001", tmp_path / "link" / "x", run / ".." / "run"):
        with pytest.raises(ConfigError, match="is a checkpoint of --output itself"):
            require_outside(start, run)
    for start in (None, tmp_path, tmp_path / "run-2" / "step-0000001"):
        require_outside(start, run)
