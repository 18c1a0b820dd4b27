"""Says what a `split` did, from the manifest of its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bertkit import log
from bertkit.manifests.manifest import Manifest


@dataclass(frozen=True)
class SplitResult:
    """What a run did.

    Attributes:
        documents, sentences, bytes: totals over all splits.
        splits: per split its documents, sentences, bytes and files.
        duplicates: documents that repeat an earlier one; both are kept.
        across: distinct documents that stand on more than one side; by hash there are none.
        seconds: 0 for a folder that was complete already.
    """

    output: str
    documents: int
    sentences: int
    bytes: int
    splits: dict[str, dict[str, int]]
    duplicates: int
    across: int
    seconds: float
    up_to_date: bool

    def as_text(self) -> str:
        """The counts for people."""
        columns = ("split", "files", "documents", "sentences", "bytes")
        rows = [
            (name, *(f"{number:,}" for number in facts.values()))
            for name, facts in self.splits.items()
        ]
        state = "up to date" if self.up_to_date else f"{self.seconds:.1f} s"
        return log.table(columns, rows) + (
            f"\n{log.counted(self.duplicates, 'duplicate document')}, "
            f"{self.across:,} in more than one part ({state})"
        )


def result_of(manifest: Manifest, output: str, seconds: float) -> SplitResult:
    """The result of a run; one that was complete before is not written again."""
    fresh = not manifest.complete
    splits: dict[str, dict[str, int]] = {}
    for file, facts in manifest.outputs.items():
        if "documents" not in facts:
            continue
        name = file.partition("/")[0].removesuffix(".txt")
        into = splits.setdefault(name, {"files": 0, "documents": 0, "sentences": 0, "bytes": 0})
        into["files"] += 1
        for key in ("documents", "sentences", "bytes"):
            into[key] += int(facts[key])
    totals: dict[str, Any] = {
        key: sum(into[key] for into in splits.values())
        for key in ("documents", "sentences", "bytes")
    }
    if fresh:
        manifest.stats |= {**totals, "splits": splits, "seconds": round(seconds, 3)}
        manifest.state = "complete"
        manifest.write(output)
    return SplitResult(
        output=output,
        **totals,
        splits=splits,
        duplicates=int(manifest.stats["duplicates"]),
        across=int(manifest.stats.get("across", 0)),
        seconds=round(seconds, 3) if fresh else 0.0,
        up_to_date=not fresh,
    )
