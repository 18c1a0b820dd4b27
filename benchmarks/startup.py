"""What `bertkit --help` costs, beside `python -c "import click"`, in pairs.

Run: python benchmarks/startup.py [--pairs 30]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time


def seconds(command: list[str]) -> float:
    """Wall time of one process in seconds."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=30)
    pairs = parser.parse_args().pairs
    ours = [sys.executable, "-m", "bertkit", "--help"]
    click_only = [sys.executable, "-c", "import click"]
    bare = [sys.executable, "-c", "pass"]
    for command in (ours, click_only, bare):
        seconds(command)
    rows = [(seconds(ours), seconds(click_only), seconds(bare)) for _ in range(pairs)]
    ratio = statistics.median(row[0] / row[1] for row in rows)
    for name, column in (("bertkit --help", 0), ("import click", 1), ("python -c pass", 2)):
        print(f"{name:16} {1000 * statistics.median(row[column] for row in rows):7.1f} ms")
    print(f"ratio of bertkit --help to import click, median of {pairs} pairs: {ratio:.2f}")


if __name__ == "__main__":
    main()
