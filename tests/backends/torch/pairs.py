"""Starts two processes of one run, each a program of this folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def start_pair(program: str, *words: str, **environment: str) -> list[subprocess.Popen[str]]:
    """Two processes that compute with one thread each and know their ranks; stderr is kept."""
    common = {
        **os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(map(str, HERE.parents[1:3])), **environment,
    }  # fmt: skip
    return [
        subprocess.Popen(
            [sys.executable, str(HERE / program), *words],
            stderr=subprocess.PIPE, text=True,
            env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]  # fmt: skip
