"""The table of record file formats, by the words for `--format`."""

from __future__ import annotations

TFRECORD, HDF5, JSONL = FORMATS = ("tfrecord", "hdf5", "jsonl")
