"""Defines constants for the values of record settings that several modules use."""

from __future__ import annotations

# --objective
NSP, SOP, MLM, UNMASKED = OBJECTIVES = ("nsp", "sop", "mlm", "unmasked")
# --shards
PER_FILE, ONE_CORPUS = SHARDS = ("per-file", "one-corpus")
