"""`--seeds`: trains and scores one run per seed, each in a sub-folder, and sums them up."""

from __future__ import annotations

import contextlib
import hashlib
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from bertkit import log
from bertkit.backends.process_group import Topology
from bertkit.codecs.strict_json import json_text
from bertkit.configuration.config import Resolved, as_dict
from bertkit.errors import BertkitError, ConfigError, UsageError
from bertkit.storage.folder_lock import locked_folder
from bertkit.tables.files import local_digest
from bertkit.tasks.comparison.results import Comparison
from bertkit.tasks.comparison.scored_run import NotScoredError, ScoredRun, read_scored
from bertkit.tasks.comparison.seed_runs import compare_seeds
from bertkit.tasks.comparison.seeds_file import read_inputs, seed_folder, write_seeds
from bertkit.tasks.comparison.tables import as_seeds
from bertkit.train.checkpoints import checkpoint
from bertkit.train.run_files import CONFIG

C = TypeVar("C")
# Files that decide what a seed's run does, beside its settings.
_FILES = ("train_file", "eval_file", "predict_file", "vocab", "model_config")


@dataclass(frozen=True)
class SeedsResult:
    """What all seeds scored.

    Attributes:
        output: folder with a sub-folder per seed and `seeds.json`.
        seeds: in the order of the runs.
        results: of each run; None for those that were finished before.
        comparison: the scores over the seeds.
    """

    output: str
    seeds: list[int]
    results: list[Any] = field(default_factory=list)
    comparison: Comparison | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        results = [result and asdict(result) for result in self.results]
        values: dict[str, Any] = {"output": self.output, "seeds": self.seeds, "results": results}
        return values | (self.comparison.as_dict() if self.comparison else {})

    def shown(self, as_json: bool) -> tuple[dict[str, Any], bool, str, str]:
        """What the command ends with: values, `--json`, text, and the next command."""
        text = as_seeds(self.comparison) if self.comparison else ""
        following = f"bertkit compare {shlex.quote(str(self.output))}"
        return self.as_dict(), as_json, text, following


def seeds_of(text: str) -> list[int]:
    """`--seeds` as numbers: 3 is 1, 2, 3; 7,11 is 7 and 11; a comma behind makes 7, a list of one.

    Raises:
        UsageError: neither a number nor a list of them.
    """
    words = [word.strip() for word in text.strip().removesuffix(",").split(",")]
    numbers = [int(word) for word in words if word.isdecimal()]
    listed = "," in text
    if len(numbers) < len(words) or (not listed and numbers[0] < 1):
        wrong = "neither a number nor a list of seeds: a number is 1 or more, a seed 0 or more"
        raise UsageError(f"--seeds {text}: {wrong}", "--seeds 5, --seeds 7,11")
    return list(dict.fromkeys(numbers)) if listed else list(range(1, numbers[0] + 1))


def first_of_seeds(resolved: Resolved[C]) -> Resolved[C]:
    """The same settings for the run of the first seed; without `--seeds` as they are."""
    config: Any = resolved.config
    if not config.seeds:
        return resolved
    return replace(resolved, config=_of_seed(config, _checked(resolved)[0]))


def run_seeds(resolved: Resolved[C], run: Callable[[C], Any]) -> SeedsResult:
    """Train and score one run per seed.

    The same call goes on where an earlier one was interrupted: a seed that was scored with the
    same settings and files is not computed again. `seeds.json` is written after every seed.

    Args:
        resolved: settings with `seeds`.
        run: trains and scores one run with its settings, in its own `output`.

    Raises:
        UsageError, ConfigError: `--seed` beside `--seeds`; nothing to train or to score; or the
            folder holds a run of its own.
        BertkitError: what a run raises; `StoppedError` where one was stopped.
    """
    config: Any = resolved.config
    seeds, output = _checked(resolved), Path(config.output)
    if (output / CONFIG).is_file() or checkpoint.latest(output):
        raise ConfigError(f"{output} holds a run of its own", "give another --output for --seeds")
    place = Topology.from_environment()
    result = SeedsResult(config.output, seeds)
    with contextlib.ExitStack() as held:
        if place.is_main:
            held.enter_context(locked_folder(output, "--seeds"))
        # Several processes must do the same, and may not see the same files.
        done = read_inputs(output) if place.world == 1 else {}
        for number, seed in enumerate(seeds):
            one = _of_seed(config, seed)
            inputs = _inputs(one) if place.world == 1 else ""
            folder = output / seed_folder(seed)
            if inputs and done.get(seed) == inputs and _scored(folder):
                log.logger.info("seed %d was scored before, in %s", seed, folder)
                result.results.append(None)
                continue
            log.logger.info("seed %d, %d of %d, in %s", seed, number + 1, len(seeds), folder)
            result.results.append(run(one))
            done[seed] = inputs
            if place.is_main:
                _sum_up(output, seeds, done)
        if not place.is_main:
            return result
        return replace(result, comparison=_sum_up(output, seeds, done))


def _checked(resolved: Resolved[Any]) -> list[int]:
    config = resolved.config
    if resolved.origins.get("seed") in ("command line", "--set", "arguments"):
        raise UsageError("--seed and --seeds contradict each other", "--seeds 7,11 names seeds")
    scored = getattr(config, "eval_file", None) or config.predict_file
    if not (config.trains and scored):
        raise UsageError(
            "--seeds trains and scores: it needs a file for each",
            "give --train-file and "
            + ("--eval-file" if hasattr(config, "eval_file") else "--predict-file"),
        )
    return seeds_of(config.seeds)


def _of_seed(config: Any, seed: int) -> Any:
    output = str(Path(config.output) / seed_folder(seed))
    return replace(config, seed=seed, seeds="", output=output)


def _inputs(config: Any) -> str:
    """Digest of the settings and files of a seed's run; not of the weights it begins from."""
    values = as_dict(config)
    for name in _FILES:
        given = values.get(name) or []
        for path in [given] if isinstance(given, str) else given:
            values[f"sha256 of {path}"] = local_digest(path)
    return hashlib.sha256(json_text(values, sort_keys=True).encode()).hexdigest()


def _scored(folder: Path) -> list[ScoredRun]:
    try:
        return read_scored(folder)
    except NotScoredError:
        return []


def _sum_up(output: Path, seeds: Sequence[int], inputs: dict[int, str]) -> Comparison:
    """The scores so far, over the seeds; `seeds.json` gets them too."""
    runs = [run for seed in seeds for run in _scored(output / seed_folder(seed))]
    if not runs:
        raise BertkitError(f"nothing was scored in {output}", "give a file with labels to score")
    found = compare_seeds(runs)
    write_seeds(output, seeds, inputs, found.as_dict())
    return found
