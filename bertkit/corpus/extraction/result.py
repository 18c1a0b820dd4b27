"""Defines what `bertkit extract` did, as figures and for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bertkit import log
from bertkit.corpus import noticed


@dataclass(frozen=True)
class ExtractResult:
    """What a run did; `seconds` is 0 where the folder was complete already.

    `text` has the figures of what was written, see `bertkit.summary.report`.
    """

    output: str
    parts: int
    files: int
    input_bytes: int
    documents: int
    sentences: int
    bytes: int
    empty: int
    rejected: int
    skipped: dict[str, int]
    noticed: noticed.Tally
    left_out: int
    seconds: float
    up_to_date: bool
    text: dict[str, Any]

    def figures(self) -> dict[str, Any]:
        """Plain values; of the templates that no table knows how often any was met."""
        values = asdict(self)
        del values["noticed"]
        return {**values, "unknown_templates": self._unknown_templates()}

    def as_text(self) -> str:
        """The counts for people."""
        state = "up to date" if self.up_to_date else f"{self.seconds:.1f} s"
        text = (
            f"{log.counted(self.documents, 'document')}, "
            f"{log.counted(self.sentences, 'sentence')}, {self.bytes:,} bytes "
            f"in {log.counted(self.parts, 'part')} under {self.output} ({state}); "
            f"{self.rejected} rejected, {self.empty} without text"
        ) + "".join(f", {count:,} {kind}" for kind, count in self.skipped.items())
        if members := noticed.names(self.noticed, noticed.MEMBER):
            text += f"; members of archives: {log.shown(members)}"
        if unknown := self._unknown_templates():
            text += f"; {log.counted(unknown, 'unknown template')} within sentences "
            text += "(--report-templates lists them)"
        if self.left_out:
            text += f"; {log.counted(self.left_out, 'file')} left out"
        return text

    def template_table(self) -> str:
        """Templates that no table knows, with counts and examples, as tab-separated lines."""
        return noticed.table(self.noticed, noticed.UNKNOWN_TEMPLATE)

    def _unknown_templates(self) -> int:
        return noticed.total(self.noticed, noticed.UNKNOWN_TEMPLATE)
