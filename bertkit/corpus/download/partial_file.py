"""Handles partly downloaded files, which a later process can resume."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BLOCK = 1 << 18


@dataclass
class PartialFile:
    """The bytes so far, their running checksums, and where they come from.

    Attributes:
        path: the file that is being filled.
        size: its bytes so far.
        url: where they come from; empty for none.
        validator: the ETag or date of that version of the file; may be empty.
        digests: `md5` and `sha256` of the bytes so far.
    """

    path: Path
    size: int = 0
    url: str = ""
    validator: str = ""
    digests: dict[str, Any] = field(default_factory=dict)

    @property
    def note(self) -> Path:
        """The file beside it that remembers url and validator."""
        return self.path.with_name(self.path.name + ".json")

    def load(self) -> None:
        """Read what an earlier run left, to resume it."""
        self.reset(forget=False)
        if not self.path.is_file() or not self.note.is_file():
            return
        try:
            kept = json.loads(self.note.read_text("utf-8"))
            self.url, self.validator = str(kept["url"]), str(kept["validator"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        with open(self.path, "rb") as stream:
            while block := stream.read(BLOCK):
                self.count(block)

    def begin(self, url: str, validator: str) -> None:
        """Note what the bytes to come belong to."""
        self.url, self.validator = url, validator
        self.note.write_text(json.dumps({"url": url, "validator": validator}) + "\n", "utf-8")

    def count(self, block: bytes) -> None:
        """Take bytes that were read or written into size and checksums."""
        self.size += len(block)
        for digest in self.digests.values():
            digest.update(block)

    def reset(self, forget: bool = True) -> None:
        """Start over."""
        self.size, self.url, self.validator = 0, "", ""
        self.digests = {"md5": hashlib.md5(usedforsecurity=False), "sha256": hashlib.sha256()}
        if forget:
            self.discard()

    def discard(self) -> None:
        """Remove the file and its note."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def publish(self, target: Path) -> None:
        """Give the finished file its name."""
        with open(self.path, "rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(self.path, target)
        self.note.unlink(missing_ok=True)
