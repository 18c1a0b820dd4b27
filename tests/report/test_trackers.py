"""TensorBoard and Weights & Biases, on request."""

from __future__ import annotations

import pytest

from bertkit.errors import MissingDependencyError
from bertkit.report.trackers import make_trackers


@pytest.mark.parametrize(
    ("name", "modules"),
    [("tensorboard", ["tensorboard", "torch.utils.tensorboard"]), ("wandb", ["wandb"])],
)
def test_trackers_that_are_not_installed(name, modules, tmp_path, monkeypatch):
    for module in modules:
        monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingDependencyError, match=name) as caught:
        make_trackers([name], str(tmp_path), {})
    assert f"bertkit[{name}]" in caught.value.hint


def test_none_without_being_asked_for(tmp_path):
    assert make_trackers([], str(tmp_path), {}) == []
