from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from bertkit.configuration.config import Resolved
from bertkit.errors import BertkitError, ConfigError, StoppedError, UsageError
from bertkit.tasks.comparison.seeds import first_of_seeds, run_seeds, seeds_of


@dataclass(frozen=True)
class Settings:
    output: str
    train_file: str
    predict_file: str | None = None
    seed: int = 12345
    seeds: str = "3"
    rate: float = 1.0
    trains: bool = True


@dataclass(frozen=True)
class Result:
    seed: int


@pytest.fixture
def resolved(runs):
    file = runs.file("train.tsv")
    return Resolved(Settings(str(runs.root / "out"), file, file), {})


class Trainer:
    """Stands for a task: scores a run, and notes which."""

    def __init__(self, stop_at: int = 0) -> None:
        self.seeds: list[int] = []
        self.stop_at = stop_at

    def __call__(self, config: Settings) -> Result:
        if config.seed == self.stop_at:
            raise StoppedError("stopped")
        self.seeds.append(config.seed)
        place = Path(config.output)
        place.mkdir(parents=True, exist_ok=True)
        facts = {"task": "tag", "metric": "f1", "eval_file": str(config.predict_file), "step": 1}
        facts |= {"seed": config.seed, "encoder": "base", "scores": {"f1": config.seed / 10}}
        (place / "scores.json").write_text(json.dumps(facts))
        return Result(config.seed)


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("3", [1, 2, 3]), ("7,11", [7, 11]), ("7,", [7]), ("5,5, 6", [5, 6]), ("1", [1])],
)
def test_a_number_or_a_list(text, seeds):
    assert seeds_of(text) == seeds


@pytest.mark.parametrize("text", ["0", "x", ",", "1,,", "-2", "1.5", "1 2"])
def test_what_is_neither_is_refused(text):
    with pytest.raises(UsageError, match="neither a number nor a list"):
        seeds_of(text)


def test_one_run_per_seed_and_their_summary(resolved):
    train = Trainer()
    found = run_seeds(resolved, train)
    assert train.seeds == found.seeds == [1, 2, 3]
    cell = found.comparison.rows[0].cells[0]
    assert (cell.n, cell.mean, cell.deviation) == (3, 20.0, pytest.approx(10.0))
    kept = json.loads((Path(resolved.config.output) / "seeds.json").read_text())
    assert kept["seeds"] == [1, 2, 3]
    assert kept["rows"][0]["cells"][0]["mean"] == 20.0
    assert found.as_dict()["results"] == [{"seed": 1}, {"seed": 2}, {"seed": 3}]


def test_the_same_call_goes_on_where_it_was_stopped(resolved):
    with pytest.raises(StoppedError):
        run_seeds(resolved, Trainer(stop_at=3))
    kept = json.loads((Path(resolved.config.output) / "seeds.json").read_text())
    assert kept["rows"][0]["cells"][0]["seeds"] == [1, 2]
    again = Trainer()
    found = run_seeds(resolved, again)
    assert again.seeds == [3] and found.comparison.rows[0].cells[0].n == 3
    assert found.as_dict()["results"] == [None, None, {"seed": 3}]


def test_seeds_are_computed_again_where_settings_or_files_changed(runs, resolved):
    run_seeds(resolved, Trainer())
    changed = Trainer()
    run_seeds(Resolved(Settings(resolved.config.output, resolved.config.train_file,
                                resolved.config.predict_file, rate=2.0), {}), changed)  # fmt: skip
    assert changed.seeds == [1, 2, 3]
    run_seeds(resolved, Trainer())
    runs.file("train.tsv", "other\n")
    other = Trainer()
    run_seeds(resolved, other)
    assert other.seeds == [1, 2, 3]
    (Path(resolved.config.output) / "seed-2/scores.json").unlink()
    lost = Trainer()
    run_seeds(resolved, lost)
    assert lost.seeds == [2]


def test_several_processes_skip_nothing_and_the_main_one_sums_up(resolved, monkeypatch):
    run_seeds(resolved, Trainer())
    before = (Path(resolved.config.output) / "seeds.json").read_text()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    other = Trainer()
    assert run_seeds(resolved, other).comparison is None
    assert other.seeds == [1, 2, 3]
    assert (Path(resolved.config.output) / "seeds.json").read_text() == before


def test_refusals(resolved, runs):
    typed = Resolved(resolved.config, {"seed": "command line"})
    with pytest.raises(UsageError, match="--seed and --seeds"):
        run_seeds(typed, Trainer())
    bare = Resolved(Settings(resolved.config.output, "a"), {})
    with pytest.raises(UsageError, match="it needs a file for each"):
        run_seeds(bare, Trainer())
    runs.file("out/config.yaml")
    with pytest.raises(ConfigError, match="holds a run of its own"):
        run_seeds(resolved, Trainer())


def test_runs_without_scores_are_an_error(resolved):
    with pytest.raises(BertkitError, match="nothing was scored"):
        run_seeds(resolved, lambda config: Result(config.seed))


def test_a_dry_run_plans_the_first_seed(resolved):
    first = first_of_seeds(resolved).config
    assert (first.seed, first.seeds) == (1, "") and first.output.endswith("out/seed-1")
    plain = Resolved(Settings("out", "a", seeds=""), {})
    assert first_of_seeds(plain) is plain
