"""Pretrain BERT encoders on your own text, on any accelerator.

From text to a model, on the built-in sample:

    import bertkit

    bertkit.download("sample", "data/raw")
    bertkit.extract("data/raw/text", "data/docs")
    bertkit.make_records("data/docs", "data/records", vocab="bertkit-uncased-8k")
    bertkit.pretrain("data/records", "runs/tiny", preset="tiny", vocab="bertkit-uncased-8k")
    bertkit.load_model("runs/tiny").fill_mask("The [MASK] of the list.")

Functions take what they read first, then what they write or use, then the settings: a mapping
or a dataclass as `config`, or single ones by name. They do what the commands of the same names
do, raise `BertkitError` with a message and a hint, and return objects.

Only the names in `bertkit.__all__` are stable. Everything else may change between two releases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bertkit.api.checkpoints import convert as convert
    from bertkit.api.checkpoints import push as push
    from bertkit.api.cleaning import clean as clean
    from bertkit.api.comparing import compare as compare
    from bertkit.api.comparing import make_report as make_report
    from bertkit.api.comparing import verify as verify
    from bertkit.api.comparing import verify_text as verify_text
    from bertkit.api.finetuning import finetune as finetune
    from bertkit.api.finetuning import finetune_seeds as finetune_seeds
    from bertkit.api.finetuning import finetune_squad as finetune_squad
    from bertkit.api.finetuning import predict as predict
    from bertkit.api.loops import data_loader as data_loader
    from bertkit.api.loops import training_dataset as training_dataset
    from bertkit.api.models import load_model as load_model
    from bertkit.api.models import load_tokenizer as load_tokenizer
    from bertkit.api.models import new_model as new_model
    from bertkit.api.presets import presets as presets
    from bertkit.api.pretraining import evaluate as evaluate
    from bertkit.api.pretraining import pretrain as pretrain
    from bertkit.api.progress import show_progress as show_progress
    from bertkit.api.records import make_records as make_records
    from bertkit.api.records import open_records as open_records
    from bertkit.api.records import pack_records as pack_records
    from bertkit.api.records import pick_eval as pick_eval
    from bertkit.api.text import download as download
    from bertkit.api.text import extract as extract
    from bertkit.api.text import split as split
    from bertkit.api.text import train_vocab as train_vocab
    from bertkit.corpus.chains.mlperf_reference import ReferenceComparison as ReferenceComparison
    from bertkit.corpus.cleaning.config import CleanConfig as CleanConfig
    from bertkit.corpus.cleaning.results import CleanResult as CleanResult
    from bertkit.corpus.config import ExtractConfig as ExtractConfig
    from bertkit.corpus.config import SplitConfig as SplitConfig
    from bertkit.corpus.download.download import DownloadResult as DownloadResult
    from bertkit.corpus.download.sample import SampleResult as SampleResult
    from bertkit.corpus.extraction.result import ExtractResult as ExtractResult
    from bertkit.corpus.splitting.result import SplitResult as SplitResult
    from bertkit.data.records import Record as Record
    from bertkit.data.records import Records as Records
    from bertkit.errors import BertkitError as BertkitError
    from bertkit.errors import ConfigError as ConfigError
    from bertkit.errors import DataError as DataError
    from bertkit.errors import MissingDependencyError as MissingDependencyError
    from bertkit.errors import StoppedError as StoppedError
    from bertkit.errors import TargetNotReachedError as TargetNotReachedError
    from bertkit.errors import UsageError as UsageError
    from bertkit.model.checkpoints.convert import ConvertOptions as ConvertOptions
    from bertkit.model.checkpoints.convert import ConvertReport as ConvertReport
    from bertkit.model.config import BertConfig as BertConfig
    from bertkit.model.standalone.heads import ModelOutput as ModelOutput
    from bertkit.model.standalone.model import Guess as Guess
    from bertkit.model.standalone.model import Model as Model
    from bertkit.model.standalone.tokenizer import Encoding as Encoding
    from bertkit.model.standalone.tokenizer import Tokenizer as Tokenizer
    from bertkit.records.config import RecordsConfig as RecordsConfig
    from bertkit.records.make import RecordsResult as RecordsResult
    from bertkit.records.tools.pack import PackResult as PackResult
    from bertkit.records.tools.pick_eval import PickResult as PickResult
    from bertkit.records.tools.verify import Verification as Verification
    from bertkit.report.whole import RunsReport as RunsReport
    from bertkit.tasks.classify.config import ClassifyConfig as ClassifyConfig
    from bertkit.tasks.classify.config import RegressConfig as RegressConfig
    from bertkit.tasks.comparison.results import Comparison as Comparison
    from bertkit.tasks.comparison.seeds import SeedsResult as SeedsResult
    from bertkit.tasks.finetuning.predict import PredictResult as PredictResult
    from bertkit.tasks.finetuning.run import FinetuneResult as FinetuneResult
    from bertkit.tasks.pretraining.config import EvalConfig as EvalConfig
    from bertkit.tasks.pretraining.config import PretrainConfig as PretrainConfig
    from bertkit.tasks.pretraining.dataset import TrainingDataset as TrainingDataset
    from bertkit.tasks.pretraining.evaluate import CheckpointQuality as CheckpointQuality
    from bertkit.tasks.pretraining.evaluate import EvalResult as EvalResult
    from bertkit.tasks.pretraining.pretrain import PretrainResult as PretrainResult
    from bertkit.tasks.push import PushResult as PushResult
    from bertkit.tasks.squad.config import SquadConfig as SquadConfig
    from bertkit.tasks.squad.finetune import SquadResult as SquadResult
    from bertkit.tasks.summarise.config import SummariseConfig as SummariseConfig
    from bertkit.tasks.tag.config import TagConfig as TagConfig
    from bertkit.tokenization.training.trained import TrainedVocab as TrainedVocab

__version__ = "0.2.0"

# Module → its public names. A module is imported when one of its names is first used (PEP 562),
# so that `import bertkit` costs nothing. A test compares this with the imports above.
_PUBLIC = {
    "bertkit.api.text": ("download", "extract", "split", "train_vocab"),
    "bertkit.api.cleaning": ("clean",),
    "bertkit.api.records": ("make_records", "open_records", "pack_records", "pick_eval"),
    "bertkit.api.loops": ("data_loader", "training_dataset"),
    "bertkit.api.models": ("load_model", "load_tokenizer", "new_model"),
    "bertkit.api.pretraining": ("pretrain", "evaluate"),
    "bertkit.api.finetuning": ("finetune", "finetune_seeds", "finetune_squad", "predict"),
    "bertkit.api.checkpoints": ("convert", "push"),
    "bertkit.api.comparing": ("compare", "make_report", "verify", "verify_text"),
    "bertkit.api.presets": ("presets",),
    "bertkit.api.progress": ("show_progress",),
    # What the functions give back.
    "bertkit.corpus.download.download": ("DownloadResult",),
    "bertkit.corpus.download.sample": ("SampleResult",),
    "bertkit.corpus.extraction.result": ("ExtractResult",),
    "bertkit.corpus.cleaning.results": ("CleanResult",),
    "bertkit.corpus.splitting.result": ("SplitResult",),
    "bertkit.corpus.chains.mlperf_reference": ("ReferenceComparison",),
    "bertkit.tokenization.training.trained": ("TrainedVocab",),
    "bertkit.records.make": ("RecordsResult",),
    "bertkit.records.tools.pick_eval": ("PickResult",),
    "bertkit.records.tools.pack": ("PackResult",),
    "bertkit.records.tools.verify": ("Verification",),
    "bertkit.data.records": ("Record", "Records"),
    "bertkit.tasks.pretraining.dataset": ("TrainingDataset",),
    "bertkit.model.standalone.heads": ("ModelOutput",),
    "bertkit.model.standalone.model": ("Guess", "Model"),
    "bertkit.model.standalone.tokenizer": ("Encoding", "Tokenizer"),
    "bertkit.tasks.pretraining.pretrain": ("PretrainResult",),
    "bertkit.tasks.pretraining.evaluate": ("CheckpointQuality", "EvalResult"),
    "bertkit.tasks.finetuning.run": ("FinetuneResult",),
    "bertkit.tasks.finetuning.predict": ("PredictResult",),
    "bertkit.tasks.squad.finetune": ("SquadResult",),
    "bertkit.tasks.comparison.results": ("Comparison",),
    "bertkit.tasks.comparison.seeds": ("SeedsResult",),
    "bertkit.tasks.push": ("PushResult",),
    "bertkit.report.whole": ("RunsReport",),
    # Settings.
    "bertkit.corpus.cleaning.config": ("CleanConfig",),
    "bertkit.corpus.config": ("ExtractConfig", "SplitConfig"),
    "bertkit.records.config": ("RecordsConfig",),
    "bertkit.model.config": ("BertConfig",),
    "bertkit.tasks.pretraining.config": ("EvalConfig", "PretrainConfig"),
    "bertkit.tasks.classify.config": ("ClassifyConfig", "RegressConfig"),
    "bertkit.tasks.summarise.config": ("SummariseConfig",),
    "bertkit.tasks.tag.config": ("TagConfig",),
    "bertkit.tasks.squad.config": ("SquadConfig",),
    "bertkit.model.checkpoints.convert": ("ConvertOptions", "ConvertReport"),
    "bertkit.errors": (
        "BertkitError",
        "ConfigError",
        "DataError",
        "MissingDependencyError",
        "StoppedError",
        "TargetNotReachedError",
        "UsageError",
    ),
}
_PLACES = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = [  # noqa: RUF022 - in the order of a whole job
    # Text.
    "download",
    "extract",
    "clean",
    "split",
    "verify_text",
    "train_vocab",
    # Records.
    "make_records",
    "pick_eval",
    "pack_records",
    "verify",
    "open_records",
    # A training loop of your own.
    "training_dataset",
    "data_loader",
    # Models.
    "load_tokenizer",
    "load_model",
    "new_model",
    # Whole jobs.
    "pretrain",
    "evaluate",
    "finetune",
    "finetune_squad",
    "finetune_seeds",
    "compare",
    "predict",
    "make_report",
    "convert",
    "push",
    "presets",
    "show_progress",
    # What they give back.
    "CheckpointQuality",
    "CleanResult",
    "Comparison",
    "ConvertReport",
    "DownloadResult",
    "Encoding",
    "EvalResult",
    "ExtractResult",
    "FinetuneResult",
    "Guess",
    "Model",
    "ModelOutput",
    "PackResult",
    "PickResult",
    "PredictResult",
    "PretrainResult",
    "PushResult",
    "Record",
    "Records",
    "RecordsResult",
    "ReferenceComparison",
    "RunsReport",
    "SampleResult",
    "SeedsResult",
    "SplitResult",
    "SquadResult",
    "Tokenizer",
    "TrainedVocab",
    "TrainingDataset",
    "Verification",
    # Settings.
    "BertConfig",
    "ClassifyConfig",
    "CleanConfig",
    "ConvertOptions",
    "EvalConfig",
    "ExtractConfig",
    "PretrainConfig",
    "RecordsConfig",
    "RegressConfig",
    "SplitConfig",
    "SquadConfig",
    "SummariseConfig",
    "TagConfig",
    # Errors.
    "BertkitError",
    "ConfigError",
    "DataError",
    "MissingDependencyError",
    "StoppedError",
    "TargetNotReachedError",
    "UsageError",
    "__version__",
]


def __getattr__(name: str) -> object:
    """A public name, its module imported only now."""
    if name not in _PLACES:
        raise AttributeError(f"module 'bertkit' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(_PLACES[name]), name)
    globals()[name] = found  # the next time it is found at once
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
