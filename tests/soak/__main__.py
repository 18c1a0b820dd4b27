"""Runs the campaign: `python -m soak FOLDER`; the same call again goes on where it was stopped."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soak.campaign import Campaign

# Before anything imports numpy: sums must be the same in all forks, and threads are few.
os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Returns 1 where anything was not as it should be."""
    from soak.campaign import Campaign
    from soak.table import table, write_into

    given = _arguments()
    campaign = Campaign(
        given.folder, given.seed, given.share, given.job, lambda text: print(text, flush=True)
    )
    if given.job:
        _work(campaign, given)
        return 0
    campaign.prepare()
    campaign.forget_claims()
    # Each job takes the groups that no other has taken.
    words = [sys.executable, "-m", "soak", *sys.argv[1:]]
    jobs = [subprocess.Popen([*words, "--job", str(n)]) for n in range(1, given.jobs + 1)]
    try:
        statuses = [job.wait() for job in jobs]
    finally:
        for job in jobs:
            job.terminate()
    outcomes = campaign.outcomes()
    text = table(outcomes)
    (campaign.folder / "table.md").write_text(text, "utf-8")
    if given.write_docs and not any(statuses):
        write_into(ROOT / "docs" / "reliability.md", text)
    bad = [problem for row in outcomes for problem in row["problems"]]
    print(text)
    for problem in bad:
        print("!", problem)
    cases = sum(row["cases"] for row in outcomes)
    print(f"{cases:,} cases, {len(bad)} problems; jobs ended with {statuses}")
    return 1 if bad or any(statuses) else 0


def _arguments() -> argparse.Namespace:
    from soak.campaign import PARTS

    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("folder", type=Path, help="for fixtures, scratch space and results")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--only", default="", help="names of stages or kinds begin so, by commas")
    parser.add_argument("--share", type=float, default=1.0, help="of the full size, 0 to 1")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--faults", default="", help="of crash points, by commas")
    parser.add_argument("--jobs", type=int, default=2, help="processes that work at once")
    parser.add_argument("--job", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--write-docs", action="store_true", help="table into docs/reliability.md")
    return parser.parse_args()


def _work(campaign: Campaign, given: argparse.Namespace) -> None:
    from soak import crash_points, damage, disk, hostile, kills, pairs

    faults = tuple(given.faults.split(",")) if given.faults else crash_points.FAULTS
    runs = {
        "points": lambda: crash_points.run(campaign, given.only, faults),
        "kills": lambda: kills.run(campaign, given.only),
        "signals": lambda: kills.run_signals(campaign, given.only),
        "damage": lambda: damage.run(campaign, given.only),
        "hostile": lambda: hostile.run(campaign, given.only),
        "disk": lambda: disk.run(campaign, given.only),
        "pairs": lambda: pairs.run(campaign, given.only),
    }
    for part in given.parts.split(","):
        runs[part]()


if __name__ == "__main__":
    sys.exit(main())
