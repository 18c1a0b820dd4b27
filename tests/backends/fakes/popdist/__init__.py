"""A stand-in for Graphcore's popdist: what poprun tells each process."""

from __future__ import annotations

import os

_STARTED = False


def isPopdistEnvSet() -> bool:
    return "POPDIST_NUM_INSTANCES" in os.environ


def init() -> None:
    global _STARTED
    _STARTED = True


def getNumInstances() -> int:
    return int(os.environ["POPDIST_NUM_INSTANCES"])


def getInstanceIndex() -> int:
    return int(os.environ["POPDIST_INSTANCE_INDEX"])


def getNumLocalReplicas() -> int:
    return int(os.environ["POPDIST_NUM_LOCAL_REPLICAS"])


def getNumTotalReplicas() -> int:
    return getNumLocalReplicas() * getNumInstances()
