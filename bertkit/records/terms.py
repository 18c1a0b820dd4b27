"""Words of the settings of record making that several modules ask for."""

from __future__ import annotations

# --objective
NSP, SOP, MLM, UNMASKED = OBJECTIVES = ("nsp", "sop", "mlm", "unmasked")
# --shards
PER_FILE, ONE_CORPUS = SHARDS = ("per-file", "one-corpus")
