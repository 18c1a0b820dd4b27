"""The IPUs of this machine: how many there are, who holds them, and what tests look at."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Device:
    ipus: int = field(default_factory=lambda: int(os.environ.get("FAKE_IPUS", "16")))
    holder: Any = None
    compiled: list[Any] = field(default_factory=list)
    calls: int = 0

    def reset(self) -> None:
        self.__init__()  # type: ignore[misc]


DEVICE = Device()
