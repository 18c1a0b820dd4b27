"""TensorBoard and Weights & Biases, on request."""

from __future__ import annotations

import struct
import sys

import pytest

from bertkit import log
from bertkit.errors import BertkitError, MissingDependencyError
from bertkit.report.logs.trackers import make_trackers, require_trackers


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


def test_name_project_and_tags_are_passed_on(tmp_path, monkeypatch):
    seen = {}

    class Noting(Server):
        def init(self, **settings):
            seen.update(settings)
            return super().init(**settings)

    monkeypatch.setitem(sys.modules, "wandb", Noting())
    monkeypatch.delenv("WANDB_NAME", raising=False)
    config = {"log_project": "mine", "log_tag": ["a", "b"], "log_name": None}
    make_trackers(["wandb"], str(tmp_path / ".." / tmp_path.name), config)
    assert (seen["project"], seen["name"], seen["tags"]) == ("mine", tmp_path.name, ["a", "b"])


def test_a_tracker_that_fails_does_not_end_the_training(tmp_path, monkeypatch, capsys):
    class Broken(Server):
        def init(self, **settings):
            return self

        def log(self, numbers, step):
            raise ConnectionError("no route to host\nmore")

        def finish(self, exit_code):
            raise ConnectionError("gone")

    monkeypatch.setitem(sys.modules, "wandb", Broken())
    log.setup(0)
    (tracker,) = make_trackers(["wandb"], str(tmp_path), {})
    for step in (1, 2):
        tracker.log(step, "train", {"loss": 1.0})
    tracker.close()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: wandb does not take numbers: no route to host; ")


def noted_runs(tmp_path, config, name):
    """A run that begins, stops after step 2, and is resumed from there to step 4."""
    from bertkit.errors import StoppedError

    (tracker,) = make_trackers([name], str(tmp_path), config)
    for step in (1, 2, 3):
        tracker.log(step, "train", {"loss": 1.0 / step})
    try:
        raise StoppedError("stopped")
    except StoppedError:
        tracker.close()
    (tracker,) = make_trackers([name], str(tmp_path), config, 2)
    for step in (3, 4):
        tracker.log(step, "train", {"loss": 1.0 / step})
    tracker.log(4, "eval", {"mlm_accuracy": 0.5})
    tracker.close()


CONFIG = {"log_project": "whales", "log_name": "tiny", "log_tag": ["x"], "model": {"size": 8}}


@pytest.mark.slow
def test_a_resumed_run_is_one_run_of_mlflow(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    noted_runs(tmp_path, CONFIG, "mlflow")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("whales")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("tiny", "FINISHED")
    assert run.data.params["model.size"] == "8" and run.data.tags["x"] == "true"
    steps = {entry.step: entry.value for entry in client.get_metric_history(
        run.info.run_id, "train/loss")}  # fmt: skip
    assert steps == {1: 1.0, 2: 0.5, 3: 1 / 3, 4: 0.25}
    assert run.data.metrics["eval/mlm_accuracy"] == 0.5


@pytest.mark.slow
def test_a_resumed_run_is_one_run_of_trackio(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    trackio = pytest.importorskip("trackio")
    noted_runs(tmp_path, CONFIG, "trackio")
    (run,) = trackio.Api().runs("whales")
    assert run.name == "tiny"


def leveldb_records(blob):
    """The records of a log in LevelDB's form, which W&B's files have after seven bytes."""
    place, parts = 7, []  # blocks count from the beginning of the file
    while len(blob) - (place - 7) >= 7:
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
        _, length, kind = struct.unpack_from("<IHB", blob, place - 7)
        place += 7
        parts.append(blob[place - 7 : place - 7 + length])
        place += length
        if kind in (1, 4):  # whole, or the last part
            yield b"".join(parts)
            parts = []


@pytest.mark.slow
def test_an_offline_run_of_wandb_holds_the_numbers(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2

    monkeypatch.setenv("WANDB_MODE", "offline")
    noted_runs(tmp_path, CONFIG, "wandb")
    # To finish a run only asks W&B's own process to close the file; the end of that process does.
    wandb.teardown()
    found, ids, tags = {}, set(), set()
    for path in tmp_path.glob("wandb/offline-run-*/*.wandb"):
        for blob in leveldb_records(path.read_bytes()[7:]):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(blob)
            if record.run.run_id:
                ids.add((record.run.project, record.run.display_name, record.run.run_id))
                tags |= set(record.run.tags)
            numbers = {
                item.key or "/".join(item.nested_key): item.value_json
                for item in record.history.item
            }
            if "train/loss" in numbers:
                found[int(numbers["_step"])] = float(numbers["train/loss"])
    assert found == {1: 1.0, 2: 0.5, 3: pytest.approx(1 / 3), 4: 0.25}
    ((project, name, _),) = ids
    assert (project, name, tags) == ("whales", "tiny", {"x"})
