"""Defines what a record style is: what differs between the programs that make records.

Style files import only light modules at the top (`--help` reads them); what makes instances
is imported by the method that needs it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from bertkit.records.files.formats import TFRECORD
from bertkit.records.files.names import for_nvidia, training_stem
from bertkit.records.terms import MLM, NSP, PER_FILE, SOP
from bertkit.storage import files

if TYPE_CHECKING:
    from bertkit.records.config import RecordsConfig
    from bertkit.records.files.instance import InstancePlan
    from bertkit.records.read_text import TextReader


class FinishedFolder(NamedTuple):
    """A complete folder of records, for what a style writes beside them.

    Attributes:
        path: the folder.
        inputs: as given to make-records, before globs and lists are expanded.
        text_files: how many they are.
        vocab: path of the vocabulary.
        records: in all files.
        prefix: folder to which the names in lists are relative, or empty.
    """

    path: Path
    inputs: Sequence[str]
    text_files: int
    vocab: str
    records: int
    prefix: str = ""


class RecordStyle(ABC):
    """A program whose records are made: a subclass per style, one instance in the table.

    Objects travel to worker processes, so the class must stand at the top level of a module
    that they can import.

    Attributes:
        name: the word for `--style`.
        help: whose records, in a few words, for the help of `--style`.
        default_format: without `--format`.
        default_tokenizer: without `--tokenizer`, see `wordpiece_variants.make_tokenizer`.
        default_shards: without `--shards`.
        objectives: what instances it makes.
        duplicate_lines: which one of duplicate vocabulary lines counts: `first` or `last`;
            empty where the program defines no meaning for them.
        own_settings: fields of `RecordsConfig` that mean something in this style alone.
        in_memory: `pretrain --text` can make its plain TFRecords without files.
        own_segment_is_random: the label of a pair whose second segment was to be of another
            document, but came from the same one (of few documents, by chance) says random.
    """

    name: ClassVar[str]
    help: ClassVar[str] = ""
    default_format: ClassVar[str] = TFRECORD
    default_tokenizer: ClassVar[str] = "google"
    default_shards: ClassVar[str] = PER_FILE
    objectives: ClassVar[tuple[str, ...]] = (NSP, SOP, MLM)
    duplicate_lines: ClassVar[str] = "last"
    own_settings: ClassVar[frozenset[str]] = frozenset()
    in_memory: ClassVar[bool] = False
    own_segment_is_random: ClassVar[bool] = True

    @abstractmethod
    def plans(
        self, inputs: Sequence[str], config: RecordsConfig, reader: TextReader
    ) -> Iterator[InstancePlan]:
        """All instances of a corpus in the order of the program; a plan may be empty.

        Args:
            inputs: its text files.
            config: the settings.
            reader: with the vocabulary and the tokenizer.

        Raises:
            DataError: unreadable text.
            MissingDependencyError: a package that the style needs is not installed.
        """

    def suffix(self, config: RecordsConfig) -> str:
        """Ending of the record files' names."""
        return f".{config.file_format}"

    def stem(self, name: str, config: RecordsConfig) -> str:
        """Name, without its ending, of the record file for a text of that name."""
        return training_stem(name) if for_nvidia(config) else name

    def file_names(self, config: RecordsConfig) -> list[str]:
        """Names of the `config.outputs` record files of one corpus (`--shards one-corpus`)."""
        count, suffix = config.outputs, self.suffix(config)
        stem = self.stem("records", config)
        return [files.shard_name(stem, index, count, suffix) for index in range(count)]

    def problems(self, config: RecordsConfig) -> list[str]:
        """Settings that contradict each other in this style."""
        return []

    def remark(self, inputs: Sequence[str], config: RecordsConfig) -> str:
        """What to say about how these inputs are going to be read; empty for nothing."""
        return ""

    def write_beside(  # noqa: B027 - most programs write nothing
        self, folder: FinishedFolder, config: RecordsConfig
    ) -> None:
        """Write what the program leaves beside its records; called for every complete folder."""
