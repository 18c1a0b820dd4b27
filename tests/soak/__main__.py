"""Runs the campaign: `python -m soak FOLDER`; the same call again goes on where it was stopped."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

# Before anything imports numpy: sums must be the same in all forks, and threads are few.
os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Returns 1 where anything was not as it should be."""
    from soak import crash_points, damage, disk, hostile, kills, pairs
    from soak.campaign import PARTS, Campaign
    from soak.table import table, write_into

    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("folder", type=Path, help="for fixtures, scratch space and results")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--only", default="", help="names of stages or kinds begin so, by commas")
    parser.add_argument("--share", type=float, default=1.0, help="of the full size, 0 to 1")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--faults", default="", help="of crash points, by commas")
    parser.add_argument("--write-docs", action="store_true", help="table into docs/reliability.md")
    given = parser.parse_args()
    campaign = Campaign(given.folder, given.seed, given.share, lambda text: print(text, flush=True))
    campaign.prepare()
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
    outcomes = campaign.outcomes()
    text = table(outcomes)
    (campaign.folder / "table.md").write_text(text, "utf-8")
    if given.write_docs:
        write_into(ROOT / "docs" / "reliability.md", text)
    bad = [problem for row in outcomes for problem in row["problems"]]
    print(text)
    for problem in bad:
        print("!", problem)
    print(f"{sum(row['cases'] for row in outcomes):,} cases, {len(bad)} problems")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
