"""What every part of the campaign shares: fixtures, scratch space, results that survive a stop."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soak.stages import STAGES, Stage, make_fixtures
from soak.trees import remove, tree

PARTS = ("points", "kills", "signals", "damage", "hostile", "disk", "pairs")


@dataclass
class Outcome:
    """Counts of one group of cases.

    Attributes:
        cases: tried.
        good: as they should be.
        counts: of kinds of outcomes.
        problems: what must not happen, a text each.
    """

    cases: int = 0
    good: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def count(self, kind: str) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1

    def note(self, problems: list[str], kind: str = "") -> None:
        """One more case, and what was wrong with it."""
        self.cases += 1
        self.good += not problems
        self.problems += problems
        if kind:
            self.count(kind)


class Campaign:
    """One run of the driver in a folder; what it has finished is not done again.

    Args:
        folder: for fixtures, scratch space and results.
        seed: of all that is random.
        share: of the full size, from 0 to 1.
        job: number of this process among those that share the folder.
        say: takes lines of progress.
    """

    def __init__(
        self,
        folder: Path,
        seed: int = 17,
        share: float = 1.0,
        job: int = 0,
        say: Callable[[str], None] = print,
    ) -> None:
        self.folder, self.seed, self.share, self.say = folder.resolve(), seed, share, say
        self.fixtures, self.results = self.folder / "fixtures", self.folder / "results"
        self.scratch = self.folder / f"scratch-{job}"
        self.results.mkdir(parents=True, exist_ok=True)
        self.scratch.mkdir(exist_ok=True)
        self._references: dict[str, tuple[dict[str, str], float]] = {}
        self.begun = time.monotonic()

    def prepare(self) -> None:
        """Make the fixtures, once."""
        make_fixtures(self.fixtures)

    def random(self, name: str) -> random.Random:
        return random.Random(f"{self.seed} {name}")

    def some(self, items: list[Any], full: int, name: str) -> list[Any]:
        """So many of them, as far as this campaign's share goes, spread at random."""
        most = max(1, round(full * self.share))
        if len(items) <= most:
            return items
        return sorted(self.random(name).sample(items, most))

    def place(self, name: str) -> Path:
        """An empty folder for one case."""
        place = self.scratch / name.replace(" ", "-").replace("/", "-")
        remove(place)
        place.mkdir(parents=True)
        return place

    def reference(self, stage: Stage) -> tuple[dict[str, str], float]:
        """(files of an undisturbed run, its seconds); it also loads all that forks will need."""
        if stage.name not in self._references:
            place = self.place(f"reference {stage.name}")
            begun = time.monotonic()
            warm(stage.command(place / "out"), self.fixtures, place / "log")
            (place / "log").unlink()
            first = time.monotonic() - begun
            wanted = tree(place)
            # Again, now that all is loaded: two runs are equal, and this is how long one takes.
            again = self.place(f"reference {stage.name}")
            begun = time.monotonic()
            warm(stage.command(again / "out"), self.fixtures, again / "log")
            seconds = min(first, time.monotonic() - begun)
            (again / "log").unlink()
            self._references[stage.name] = (wanted, seconds)
        return self._references[stage.name]

    def group(self, part: str, name: str, run: Callable[[], Outcome]) -> None:
        """Run a group of cases and keep what came of it, unless an earlier call has done so."""
        path = self.results / f"{part}-{name.replace(' ', '_').replace('/', '_')}.json"
        if path.exists() or not self._claimed(path.with_suffix(".claim")):
            return
        begun = time.monotonic()
        try:
            outcome = run()
        except Exception as error:  # of a run that nothing disturbed, or of the driver
            outcome = Outcome(1, problems=[f"{part} {name}: {error!r}"])
        seconds = time.monotonic() - begun
        values = {"part": part, "name": name, "seconds": round(seconds, 1), **vars(outcome)}
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(values, indent=1), "utf-8")
        temporary.replace(path)
        spent = time.monotonic() - self.begun
        self.say(
            f"[{spent / 60:5.1f} min] {part} {name}: {outcome.good} of {outcome.cases} good,"
            f" {outcome.counts} ({seconds:.0f} s)"
        )
        for problem in outcome.problems[:6]:
            self.say(f"    ! {problem}")

    def _claimed(self, path: Path) -> bool:
        """Whether this job takes a group: another one may have done so."""
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True

    def forget_claims(self) -> None:
        """For whoever begins: groups that jobs of an earlier call had taken are free again."""
        for path in self.results.glob("*.claim"):
            path.unlink()

    def outcomes(self) -> list[dict[str, Any]]:
        """All finished groups."""
        return [json.loads(path.read_text("utf-8")) for path in sorted(self.results.glob("*.json"))]

    def stages(self, names: str = "") -> list[Stage]:
        """All stages, or those whose names begin so."""
        chosen = names.split(",") if names else [""]
        return [s for s in STAGES.values() if any(s.name.startswith(name) for name in chosen)]


def warm(words: list[str], cwd: Path, log: Path) -> None:
    """Run a command in this very process, so that forks of it have everything loaded.

    Raises:
        RuntimeError: it failed.
    """
    from bertkit import cli

    saved = os.dup(1), os.dup(2), Path.cwd()
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.chdir(cwd)
    try:
        status = cli.main(words)
    finally:
        os.chdir(saved[2])
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for number in (handle, saved[0], saved[1]):
            os.close(number)
    if status:
        raise RuntimeError(f"{words} ended with {status}: {log.read_text()[-1000:]}")
