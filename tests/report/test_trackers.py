"""TensorBoard and Weights & Biases, on request."""

from __future__ import annotations

import sys

import pytest

from bertkit.errors import BertkitError, MissingDependencyError
from bertkit.report.trackers import make_trackers, require_trackers


@pytest.mark.parametrize(
    ("name", "modules"),
    [("tensorboard", ["tensorboard", "torch.utils.tensorboard"]), ("wandb", ["wandb"])],
)
def test_trackers_that_are_not_installed(name, modules, tmp_path, monkeypatch):
    for module in modules:
        monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingDependencyError, match=name) as caught:
        make_trackers([name], str(tmp_path), {})
    with pytest.raises(MissingDependencyError, match=name):
        require_trackers([name])
    assert f"bertkit[{name}]" in caught.value.hint


def test_none_without_being_asked_for(tmp_path):
    assert make_trackers([], str(tmp_path), {}) == []


class Server:
    """As much of wandb as bertkit talks to; it knows no user."""

    class errors:
        class Error(Exception):
            pass

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.open = True

    def init(self, *, id: str, resume: str, **settings: object) -> object:
        if not self.open:
            raise self.errors.Error("No API key configured. Use `wandb login`.\nMore text.")
        assert resume == "allow"
        self.runs.append(id)
        return object()


def test_a_resumed_run_stays_one_run_on_the_server(tmp_path, monkeypatch):
    server = Server()
    monkeypatch.setitem(sys.modules, "wandb", server)
    for resumed_step in (0, 5, 9, 0):  # the last one begins anew
        make_trackers(["wandb"], str(tmp_path), {}, resumed_step)
    first, *same, new = server.runs
    assert same == [first, first] and new != first


def test_a_server_that_refuses_is_one_line(tmp_path, monkeypatch):
    server = Server()
    server.open = False
    monkeypatch.setitem(sys.modules, "wandb", server)
    with pytest.raises(BertkitError, match="No API key configured") as caught:
        make_trackers(["wandb"], str(tmp_path), {})
    assert "\n" not in caught.value.message and "WANDB_MODE=offline" in caught.value.hint


def test_what_a_resumed_run_measures_again_replaces_the_old_curve(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for resumed_step, value in ((0, 1.0), (2, 2.0)):
        (tracker,) = make_trackers(["tensorboard"], str(tmp_path), {}, resumed_step)
        for step in range(resumed_step + 1, 5):
            tracker.log(step, "train", {"loss": value})
        tracker.close()
    found = EventAccumulator(str(tmp_path))
    found.Reload()
    steps = [(event.step, event.value) for event in found.Scalars("train/loss")]
    assert steps == [(1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0)]


@pytest.mark.parametrize(("given", "project"), [("mine", "mine"), ("", "bertkit")])
def test_the_project_is_that_of_the_environment(tmp_path, monkeypatch, given, project):
    seen = {}

    class Noting(Server):
        def init(self, **settings):
            seen.update(settings)
            return super().init(**settings)

    monkeypatch.setenv("WANDB_PROJECT", given)
    monkeypatch.setitem(sys.modules, "wandb", Noting())
    make_trackers(["wandb"], str(tmp_path), {})
    assert seen["project"] == project
