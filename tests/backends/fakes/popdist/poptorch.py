from __future__ import annotations

from poptorch.options import Options as _Options

import popdist


class Options(_Options):
    """poprun has decided the replicas."""

    def __init__(self, ipus_per_replica: int) -> None:
        if not popdist._STARTED:
            raise RuntimeError("popdist.init() comes first")
        super().__init__()
        self.ipus_per_replica = ipus_per_replica
        self.set(replication=popdist.getNumLocalReplicas())

    def replicationFactor(self, number: int) -> _Options:
        raise RuntimeError("Cannot call `replicationFactor` with popdist.poptorch.Options")
