"""Defines the settings of record making; imports little, because `--help` reads it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from bertkit.configuration.config import as_dict, setting
from bertkit.configuration.option_groups import DATA, OUTPUT, RECORDS, TEXT
from bertkit.configuration.settings import FREE
from bertkit.records import styles
from bertkit.records.files.formats import FORMATS, JSONL, TFRECORD
from bertkit.records.styles.style import RecordStyle
from bertkit.records.terms import MLM, NSP, OBJECTIVES, ONE_CORPUS, SHARDS, SOP
from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.word_length import LONGEST as LONGEST_WORD
from bertkit.tokenization.wordpiece_variants import treatment_of, word_length_problem

PACKINGS = ("none", "graphcore", "habana")
TOKENIZERS = ("google", "nvidia", "cerebras", "hf")
SHORTEST = 8
LONGEST = 1 << 14  # positions are stored in 16 bits, with room to spare
SHORTEST_TARGET = 2  # lower end of Google's random target lengths


@dataclass(frozen=True)
class RecordsConfig:
    """What decides the bytes of a record set, beside text and vocabulary."""

    max_seq_length: int = setting(
        128,
        "Tokens per record, [CLS] and [SEP] included.",
        flags=["--msl"],
        minimum=SHORTEST,
        maximum=LONGEST,
        group=RECORDS,
        first=True,
    )
    max_predictions_per_seq: int | None = setting(
        None,
        "Maximum number of masked tokens per record; by default max-seq-length x masked-lm-prob, "
        "rounded to a multiple of 4 (20 at 128, 56 at 384, 76 at 512).",
        minimum=1,
        group=RECORDS,
    )
    masked_lm_prob: float = setting(
        0.15, "Fraction of the tokens to mask and predict.", minimum=0.0, maximum=1.0, group=RECORDS
    )
    short_seq_prob: float = setting(
        0.1,
        "Probability that a document is cut into shorter sequences of random length.",
        minimum=0.0,
        maximum=1.0,
        group=RECORDS,
    )
    dupe_factor: int = setting(
        10,
        "Number of passes over the text, each with different masks.",
        minimum=1,
        group=RECORDS,
        first=True,
    )
    do_lower_case: bool | None = setting(
        None,
        "Lower-case the text, and strip its accents unless --keep-accents is given; by default "
        "as the vocabulary was made.",
        off="--cased",
        on_resume=FREE,
        group=TEXT,
        first=True,
    )
    strip_accents: bool | None = setting(
        None,
        "Strip accents; by default as the vocabulary was made, or with lower-casing.",
        off="--keep-accents",
        on_resume=FREE,
        group=TEXT,
    )
    tokenize_chinese_chars: bool | None = setting(
        None,
        "Make every CJK ideograph a word of its own; by default as the vocabulary was made, or on.",
        on_resume=FREE,
        group=TEXT,
    )
    word_length: int | None = setting(
        None,
        "Letters of the longest word that is not [UNK], for sequences such as DNA, proteins or "
        "code; by default as the vocabulary was made, or that of --tokenizer: 200, 100 in nvidia "
        "and hf.",
        minimum=1,
        maximum=LONGEST_WORD,
        on_resume=FREE,
        group=TEXT,
    )
    whole_word_mask: bool = setting(False, "Mask all pieces of a word together.", group=RECORDS)
    style: str = setting(
        styles.GOOGLE.name, styles.help_text(), choices=styles.CHOICES, group=RECORDS, first=True
    )
    format: str | None = setting(
        None,
        "File format: tfrecord, hdf5 or jsonl; by default that of --style.",
        choices=FORMATS,
        group=OUTPUT,
        first=True,
    )
    tokenizer: str | None = setting(
        None,
        "Whose WordPiece tokenizer, where they differ: google, nvidia, cerebras, or hf (the "
        "tokenizers package); by default that of --style (google's for hf).",
        choices=TOKENIZERS,
        group=TEXT,
    )
    objective: str = setting(
        NSP,
        "nsp: next sentence prediction, where half of the pairs have a random B; sop: sentence "
        "order prediction, where half of the pairs are swapped; mlm: masked windows of running "
        "text, a single segment, without any such prediction (tfrecord, jsonl); unmasked: the same "
        "windows, to be masked during training (needs --style cerebras).",
        choices=OBJECTIVES,
        group=RECORDS,
        first=True,
    )
    packing: str = setting(
        "none",
        "Pack several short sequences into one record: none; graphcore ([CLS] at the end of the "
        "pack, tfrecord); habana ([CLS] before each sequence, hdf5 or tfrecord).",
        choices=PACKINGS,
        group=RECORDS,
    )
    sequences_per_pack: int = setting(
        3, "Maximum number of sequences per pack.", minimum=2, group=RECORDS
    )
    shards: str | None = setting(
        None,
        "What one corpus is, of which record files are made (--outputs says how many). per-file: "
        "each input file is a corpus and gives one record file, as in MLPerf; one-corpus: all "
        "files are one corpus and mixed. By default per-file; with --style cerebras, one-corpus.",
        choices=SHARDS,
        mistaken="{0} record files are made by --shards one-corpus --outputs {0}",
        group=OUTPUT,
    )
    outputs: int = setting(
        1,
        "Number of record files per corpus; records are distributed round-robin.",
        minimum=1,
        group=OUTPUT,
    )
    allow_duplicates: bool = setting(
        False, "Accept a vocabulary with duplicate lines and read it as --style says.", group=TEXT
    )
    seed: int = setting(
        12345, "Random seed, the same for every corpus.", minimum=0, group=RECORDS, first=True
    )
    documents: str = setting(
        "blank-line",
        "cerebras: documents are separated by a blank-line, or each file is one document.",
        choices=("blank-line", "file"),
        group=DATA,
    )
    sentences: str = setting(
        "line",
        "cerebras: sentence splitter: line (each line is a sentence), rule (spaCy's sentencizer "
        "on the whole document), or the name of a trained spaCy model.",
        group=TEXT,
        metavar="NAME",
        example="en_core_web_sm",
    )
    split_files: int = setting(
        1000,
        "cerebras, nsp: number of files to read and shuffle together; 0: all.",
        minimum=0,
        group=DATA,
    )
    min_short_seq_length: int | None = setting(
        None,
        "cerebras: minimum random target length; by default 2, with mlm and unmasked 2 + overlap.",
        minimum=2,
        group=RECORDS,
    )
    overlap: int | None = setting(
        None,
        "cerebras, mlm and unmasked: tokens by which windows overlap; by default a "
        "quarter of max-seq-length.",
        minimum=0,
        group=RECORDS,
    )
    cross_documents: bool = setting(
        False,
        "cerebras, mlm and unmasked: let windows continue into the next document.",
        group=RECORDS,
    )
    document_separator: str = setting(
        "[SEP]",
        "cerebras: token between two documents in one window.",
        group=RECORDS,
        metavar="TOKEN",
        example="[unused0]",
    )
    buffer_tokens: int = setting(
        1_000_000,
        "cerebras, mlm and unmasked: size of the shuffle buffer, in tokens.",
        minimum=1,
        group=RECORDS,
    )

    @property
    def predictions(self) -> int:
        """The most masked tokens per record: as given, or by the rule in its help.

        The multiple of 4 is the rule behind the sizes that the reference programs are run
        with: 20 at 128, 56 at 384, 76 at 512.
        """
        if self.max_predictions_per_seq is not None:
            return self.max_predictions_per_seq
        return max(4, 4 * int(self.max_seq_length * self.masked_lm_prob / 4 + 0.5))

    @property
    def record_style(self) -> RecordStyle:
        """The style that `style` names."""
        return styles.style_named(self.style)

    @property
    def duplicates(self) -> str:
        """How `load_vocab` treats duplicate lines."""
        return self.record_style.duplicate_lines if self.allow_duplicates else "refuse"

    @property
    def file_format(self) -> str:
        """The format as given, or that of the style; tfrecord where that does not hold windows."""
        found = self.format or self.record_style.default_format
        return found if self.format or found in self._able_formats else TFRECORD

    @property
    def _able_formats(self) -> tuple[str, ...]:
        """The formats that hold such instances.

        Those that mask windows in training get tokens, which only tfrecord has. NVIDIA's HDF5
        files have a label of the pair for every record, and its programs need one.
        """
        if self.pairs:
            return FORMATS
        return (TFRECORD, JSONL) if self.objective == MLM else (TFRECORD,)

    @property
    def suffix(self) -> str:
        """Ending of the record files' names."""
        return self.record_style.suffix(self)

    @property
    def tokenizer_name(self) -> str:
        """Whose tokenizer: as given, or that of the style."""
        return self.tokenizer or self.record_style.default_tokenizer

    @property
    def normalisation(self) -> Normalisation:
        """What happens to the text: as given, or BERT's default. Cerebras' strips more."""
        given = Normalisation(
            do_lower_case=self.do_lower_case is not False,
            strip_accents=self.strip_accents,
            tokenize_chinese_chars=self.tokenize_chinese_chars is not False,
        )
        return treatment_of(self.tokenizer_name, given)

    def stated(self) -> dict[str, Any]:
        """The settings by name, as manifests and digests of data state them.

        The three newest ones are stated only where they are not the default, which leaves the
        manifests and digests of bertkit 0.1.0 valid.
        """
        values = as_dict(self)
        if self.strip_accents is None:
            del values["strip_accents"]
        if self.tokenize_chinese_chars is not False:
            del values["tokenize_chinese_chars"]
        if self.word_length is None:
            del values["word_length"]
        return values

    @property
    def one_corpus(self) -> bool:
        """True where all input files are mixed."""
        return (self.shards or self.record_style.default_shards) == ONE_CORPUS

    @property
    def in_memory(self) -> bool:
        """True for records that `pretrain --text` can make without files."""
        return (
            self.record_style.in_memory
            and self.file_format == TFRECORD
            and self.tokenizer_name == "google"
            and self.packing == "none"
        )

    @property
    def pairs(self) -> bool:
        """True where instances are pairs of segments, not windows of running text."""
        return self.objective in (NSP, SOP)

    @property
    def room(self) -> int:
        """Tokens of an instance beside [CLS] and its one or two [SEP]."""
        return self.max_seq_length - (3 if self.pairs else 2)

    @property
    def window_overlap(self) -> int:
        """Tokens that consecutive windows share: as given, or in cerebras' a quarter of them."""
        if "overlap" not in self.record_style.own_settings:
            return 0
        return self.max_seq_length // 4 if self.overlap is None else self.overlap

    @property
    def shortest_target(self) -> int:
        """Lower end of the range of random target lengths."""
        if self.min_short_seq_length is not None:
            return self.min_short_seq_length
        return self.least_target

    @property
    def least_target(self) -> int:
        """What `shortest_target` may be at the least."""
        return SHORTEST_TARGET + (0 if self.pairs else self.window_overlap)

    def problems(self) -> list[str]:
        """Rules over several settings."""
        found = []
        if self.predictions > self.max_seq_length:
            found.append(
                f"--max-predictions-per-seq {self.predictions} is more than --max-seq-length "
                f"{self.max_seq_length}"
            )
        if self.outputs > 1 and not self.one_corpus:
            found.append("--outputs needs --shards one-corpus; per-file gives one per input")
        if problem := word_length_problem(self.tokenizer_name, self.word_length):
            found.append(problem)
        return found + self._style_problems() + self._format_problems()

    def _style_problems(self) -> list[str]:
        """Settings that the style does not know, or that contradict each other in it."""
        style = self.record_style
        elsewhere = frozenset[str]().union(*(other.own_settings for other in styles.TABLE))
        given = [] if self.objective in style.objectives else ["objective"]
        given += [
            item.name
            for item in fields(self)
            if item.name in elsewhere - style.own_settings
            and getattr(self, item.name) != item.default
        ]
        if given:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            able = [other.name for other in styles.TABLE if self._is_known_by(other, given)]
            return [f"{flags} needs --style {' or '.join(able)}"]
        found = style.problems(self)
        if self.allow_duplicates and not style.duplicate_lines:
            found.append(
                f"--style {style.name} does not define how to read duplicate vocabulary lines"
            )
        return found

    def _is_known_by(self, style: RecordStyle, names: list[str]) -> bool:
        own = set(names) - {"objective"}
        return self.objective in style.objectives and own <= style.own_settings

    def _format_problems(self) -> list[str]:
        """What the file formats and packed records cannot hold."""
        found = []
        if self.file_format not in self._able_formats:
            able = " or ".join(self._able_formats)
            found.append(f"--objective {self.objective} is written as {able}")
        if self.packing != "none" and not self.pairs:
            found.append("--packing packs sentence pairs; it needs --objective nsp or sop")
        if self.packing == "graphcore" and self.file_format != TFRECORD:
            found.append("--packing graphcore is a tfrecord format; give --format tfrecord")
        if self.packing == "habana" and self.file_format == JSONL:
            found.append("--packing habana is written as hdf5 or tfrecord, not jsonl")
        return found
