"""Implements the style of Google's create_pretraining_data.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from bertkit.records.styles.style import RecordStyle

if TYPE_CHECKING:
    from bertkit.records.config import RecordsConfig
    from bertkit.records.files.instance import InstancePlan
    from bertkit.records.read_text import TextReader


class GoogleStyle(RecordStyle):
    """Sentence pairs, or windows of one segment, all of a corpus planned and shuffled together.

    Attributes:
        universal_newlines: lines end as in Python's text files, not as in TensorFlow's.
    """

    name = "google"
    in_memory = True
    universal_newlines: ClassVar[bool] = False

    def plans(
        self, inputs: Sequence[str], config: RecordsConfig, reader: TextReader
    ) -> Iterator[InstancePlan]:
        """One plan; see `RecordStyle.plans`."""
        from bertkit.records.instances.full_windows import plan_full_windows
        from bertkit.records.instances.pairs import plan_pairs

        text = reader.corpus(inputs, self.universal_newlines)
        if not config.pairs:
            windows = plan_full_windows(text, config, reader.vocab)
            yield from [] if windows is None else [windows]
        elif text.document_count:
            yield plan_pairs(text, config, reader.vocab)


class MlperfStyle(GoogleStyle):
    """MLPerf's copy of the program, which reads the vocabulary differently."""

    name = "mlperf"
    help = "the same, but the first of duplicate vocabulary lines counts, not the last"
    duplicate_lines = "first"


GOOGLE = GoogleStyle()
MLPERF = MlperfStyle()
