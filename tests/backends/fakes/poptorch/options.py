from __future__ import annotations

from typing import Any

import torch

from poptorch.enums import AutoStage, ConnectionType, OutputMode, ReductionType


class _Frozen:
    """Settings that cannot be changed once a model has taken them."""

    def __init__(self, **values: Any) -> None:
        self.__dict__["values"] = values
        self.__dict__["frozen"] = False

    def set(self, **values: Any) -> None:
        if self.frozen:
            raise AttributeError("Can't modify frozen Options")
        self.values.update(values)

    def __setattr__(self, name: str, value: Any) -> None:
        if self.__dict__.get("frozen"):
            raise AttributeError("Can't modify frozen Options")
        self.__dict__[name] = value

    def _freeze(self) -> None:
        self.__dict__["frozen"] = True


class _Training(_Frozen):
    def __init__(self) -> None:
        super().__init__(accumulation=1, reduction=ReductionType.Mean, automatic=False)

    def gradientAccumulation(self, number: int) -> _Training:
        assert isinstance(number, int), "gradientAccumulation must be an int"
        self.set(accumulation=number)
        return self

    def accumulationAndReplicationReductionType(self, kind: ReductionType) -> _Training:
        if not isinstance(kind, ReductionType) or kind == ReductionType.NoReduction:
            raise ValueError("must be set to poptorch.ReductionType.Mean or .Sum")
        self.set(reduction=kind)
        return self

    def setAutomaticLossScaling(self, enabled: bool) -> _Training:
        self.set(automatic=bool(enabled))
        return self


class _Precision(_Frozen):
    def __init__(self) -> None:
        super().__init__(partials="float", stochastic=False)

    def enableStochasticRounding(self, enabled: bool) -> _Precision:
        self.set(stochastic=bool(enabled))
        return self

    def setPartialsType(self, kind: torch.dtype) -> _Precision:
        if kind not in (torch.float32, torch.float16):
            raise ValueError("parameter to setPartialsType should be either torch.float or .half")
        self.set(partials="half" if kind == torch.float16 else "float")
        return self


class TensorLocationSettings(_Frozen):
    def useOnChipStorage(self, use: bool = True) -> TensorLocationSettings:
        assert isinstance(use, bool)
        self.set(on_chip=use)
        return self

    def useReplicatedTensorSharding(self, use: bool = True) -> TensorLocationSettings:
        assert isinstance(use, bool)
        self.set(sharded=use)
        return self


class _Locations(_Frozen):
    def setOptimizerLocation(self, location: TensorLocationSettings) -> _Locations:
        assert isinstance(location, TensorLocationSettings)
        self.set(optimizer=dict(location.values))
        return self


class Stage:
    def __init__(self, *blocks: str) -> None:
        assert all(isinstance(block, str) for block in blocks), "Block IDs are supposed to be str"
        self.blocks = blocks
        self.ipu_id: int | None = None

    def ipu(self, number: int) -> Stage:
        assert isinstance(number, int)
        self.ipu_id = number
        return self


class PipelinedExecution:
    def __init__(self, *given: Any) -> None:
        self.automatic = len(given) == 1 and isinstance(given[0], AutoStage)
        self.stages: list[Stage] = []
        if self.automatic:
            return
        seen: set[str] = set()
        for item in given:
            stage = item if isinstance(item, Stage) else Stage(item)
            for block in stage.blocks:
                assert block not in seen, f"{block} associated with more than one stage"
                seen.add(block)
            self.stages.append(stage)


class Options(_Frozen):
    def __init__(self) -> None:
        super().__init__(
            replication=1, iterations=1, round=False, mode=OutputMode.Default, model=False,
            connection=ConnectionType.Always, memory={}, strategy=PipelinedExecution(),
            seed=None, cache=None, synthetic=False, bar=True,
        )  # fmt: skip
        self.__dict__.update(
            Training=_Training(), Precision=_Precision(), TensorLocations=_Locations()
        )

    def _freeze(self) -> None:
        for part in (self.Training, self.Precision, self.TensorLocations):
            part._freeze()
        super()._freeze()

    def replicationFactor(self, number: int) -> Options:
        assert isinstance(number, int), "replicationFactor must be an int"
        self.set(replication=number)
        return self

    def deviceIterations(self, number: int) -> Options:
        assert isinstance(number, int), "deviceIterations must be an int"
        self.set(iterations=number)
        return self

    def autoRoundNumIPUs(self, wanted: bool = True) -> Options:
        self.set(round=wanted)
        return self

    def showCompilationProgressBar(self, show: bool = True) -> Options:
        self.set(bar=show)
        return self

    def setExecutionStrategy(self, strategy: PipelinedExecution) -> Options:
        assert isinstance(strategy, PipelinedExecution)
        self.set(strategy=strategy)
        return self

    def setAvailableMemoryProportion(self, shares: dict[str, float]) -> Options:
        found = {}
        for key, share in shares.items():
            assert key.startswith("IPU"), f"Invalid key: {key}"
            found[int(key[3:])] = share
        self.set(memory=found)
        return self

    def enableExecutableCaching(self, path: str | None) -> Options:
        self.set(cache=path)
        return self

    def useIpuModel(self, wanted: bool) -> Options:
        self.set(model=wanted)
        return self

    def useOfflineIpuTarget(self, version: int = 2) -> Options:
        self.set(connection=ConnectionType.Never)
        return self

    def outputMode(self, mode: OutputMode) -> Options:
        assert isinstance(mode, OutputMode)
        self.set(mode=mode)
        return self

    def randomSeed(self, seed: int) -> Options:
        assert isinstance(seed, int) and not isinstance(seed, bool)
        torch.manual_seed(seed)
        self.set(seed=seed)
        return self

    def enableSyntheticData(self, mode: int) -> Options:
        assert isinstance(mode, int) and not isinstance(mode, bool)
        self.set(synthetic=mode == 2)
        return self
