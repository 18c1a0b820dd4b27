"""Sets what `eval` measures beside what MLPerf publishes for its initial checkpoint.

MLPerf's document (mlcommons/training, retired_benchmarks/bert) gives the masked LM accuracy
of its checkpoint on its 10,000 evaluation samples before any training: the place to see
that everything was loaded and made right. Checkpoint and records are recognised by what the
same document says of them; of others nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bertkit.data.record_source import RecordSource
from bertkit.model.checkpoints.tensorflow.checkpoint import find
from bertkit.storage.files import digest_of


@dataclass(frozen=True)
class Reference:
    """A published measurement, and how its inputs are recognised.

    Attributes:
        indexes: MD5 of a checkpoint's .index file → bytes of its data file. The index holds
            the checksums of all tensors, which are compared as they are read.
        records, max_seq_length, max_predictions_per_seq: of the evaluation set.
        record_bytes: of the set as TFRecords, whoever wrote them.
        mlm_accuracy: before any training; the document says "very close to".
        loss: reported along with it; the document does not have it.
    """

    indexes: dict[str, int]
    records: int
    max_seq_length: int
    max_predictions_per_seq: int
    record_bytes: int
    mlm_accuracy: float
    loss: float

    def is_checkpoint(self, place: Path) -> bool:
        """Whether a checkpoint is the published one."""
        prefix = find(place)
        if prefix is None:
            return False
        size = self.indexes.get(digest_of(f"{prefix}.index", "md5"))
        data = prefix.with_name(f"{prefix.name}.data-00000-of-00001")
        return size is not None and data.is_file() and data.stat().st_size == size

    def is_set(self, source: RecordSource, limit: int | None) -> bool:
        """Whether all of the published evaluation set is measured, as TFRecords."""
        shape = (len(source), source.max_seq_length, source.max_predictions_per_seq)
        return (
            shape == (self.records, self.max_seq_length, self.max_predictions_per_seq)
            and not (limit and limit < len(source))
            and sum(Path(path).stat().st_size for path in source.paths) == self.record_bytes
        )


MLPERF = Reference(
    # Of tf1_ckpt and of tf2_ckpt.
    indexes={
        "f97de3ae180eb8d479555c939d50d048": 4_034_713_312,
        "fc34dd7a54afc07f2d8e9d64471dc672": 1_344_982_997,
    },
    records=10_000,
    max_seq_length=512,
    max_predictions_per_seq=76,
    record_bytes=25_382_591,
    mlm_accuracy=0.34085,
    loss=4.7324,
)


def published_beside(place: Path, measured: float, source: RecordSource, limit: int | None) -> str:
    """A line on MLPerf's initial checkpoint; empty for any other.

    Args:
        place: of the checkpoint.
        measured: its masked LM accuracy.
        source: what it was measured on.
        limit: on so many of the records; None or 0 for all.
    """
    if not MLPERF.is_checkpoint(place):
        return ""
    if MLPERF.is_set(source, limit):
        return (
            f"{place} is MLPerf's initial checkpoint and the records are its evaluation set: "
            f"published masked LM accuracy {MLPERF.mlm_accuracy}, here {measured:.5f} "
            f"(difference {measured - MLPERF.mlm_accuracy:+.5f}); reported along with it: loss "
            f"{MLPERF.loss}"
        )
    return (
        f"{place} is MLPerf's initial checkpoint. Its published masked LM accuracy "
        f"{MLPERF.mlm_accuracy} (and loss {MLPERF.loss}) is that of MLPerf's evaluation set, "
        f"{MLPERF.records:,} records of {MLPERF.max_seq_length} tokens and "
        f"{MLPERF.record_bytes:,} bytes as TFRecords, which was not measured here"
    )
