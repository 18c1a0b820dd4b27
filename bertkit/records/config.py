"""Settings of record making; light, because `--help` reads it."""

from __future__ import annotations

from dataclasses import dataclass, fields

from bertkit.config import setting

GOOGLE, MLPERF, CEREBRAS, NVIDIA, HF = STYLES = ("google", "mlperf", "cerebras", "nvidia", "hf")
TFRECORD, HDF5, JSONL = FORMATS = ("tfrecord", "hdf5", "jsonl")
PAIRS, SWAPPED, MLM, UNMASKED = OBJECTIVES = ("nsp", "sop", "mlm", "unmasked")
PACKINGS = ("none", "graphcore", "habana")
TOKENIZERS = ("google", "nvidia", "cerebras", "hf")
PER_FILE, ONE_CORPUS = "per-file", "one-corpus"
SHORTEST = 8
LONGEST = 1 << 14  # positions are stored in 16 bits, with room to spare
SHORTEST_TARGET = 2  # lower end of Google's random target lengths
_FORMAT_OF = {NVIDIA: HDF5, HF: JSONL}


@dataclass(frozen=True)
class RecordsConfig:
    """What decides the bytes of a record set, beside text and vocabulary."""

    max_seq_length: int = setting(
        128,
        "Tokens per record, [CLS] and [SEP] included.",
        flags=["--msl"],
        minimum=SHORTEST,
        maximum=LONGEST,
    )
    max_predictions_per_seq: int | None = setting(
        None,
        "Most masked tokens per record; by default max-seq-length x masked-lm-prob to the "
        "nearest multiple of 4 (20 at 128, 56 at 384, 76 at 512).",
        minimum=1,
    )
    masked_lm_prob: float = setting(
        0.15, "Share of the tokens to predict.", minimum=0.0, maximum=1.0
    )
    short_seq_prob: float = setting(
        0.1, "Share of the documents cut to a random shorter length.", minimum=0.0, maximum=1.0
    )
    dupe_factor: int = setting(
        10, "Times every document is used, each time with other masks.", minimum=1
    )
    do_lower_case: bool = setting(
        True, "Lower-case the text and strip accents; must fit the vocabulary.", off="--cased"
    )
    whole_word_mask: bool = setting(False, "Mask all pieces of a word together.")
    style: str = setting(
        GOOGLE,
        "Whose records: google; mlperf (the same, but the first of duplicate vocabulary lines "
        "counts, not the last); cerebras (its order of files and its tokenizer); nvidia (also "
        "Habana's, HDF5); hf (JSON lines for Hugging Face's Trainer).",
        choices=STYLES,
    )
    format: str | None = setting(
        None,
        "File format: tfrecord, hdf5 or jsonl; by default that of --style.",
        choices=FORMATS,
    )
    tokenizer: str | None = setting(
        None,
        "Whose WordPiece tokenizer, where they differ: google, nvidia, cerebras, or hf (the "
        "tokenizers package); by default that of --style (google's for hf).",
        choices=TOKENIZERS,
    )
    objective: str = setting(
        PAIRS,
        "nsp: masked sentence pairs, B at random in half of them; sop: pairs that follow each "
        "other, A and B swapped in half of them; mlm: masked windows of running text; unmasked: "
        "the same windows as tokens, to be masked in training (the last two: --style cerebras).",
        choices=OBJECTIVES,
    )
    packing: str = setting(
        "none",
        "Several short sequences per record: none; graphcore ([CLS] at the end of the pack, "
        "tfrecord); habana ([CLS] in place, hdf5 or tfrecord).",
        choices=PACKINGS,
    )
    sequences_per_pack: int = setting(3, "Most sequences of a pack.", minimum=2)
    shards: str | None = setting(
        None,
        "per-file: every input file is a corpus of its own and gives one record file, as MLPerf "
        "makes its parts; one-corpus: all files are mixed. By default per-file, with --style "
        "cerebras one-corpus.",
        choices=(PER_FILE, ONE_CORPUS),
    )
    outputs: int = setting(
        1, "Record files to deal the records of one corpus to, in turn.", minimum=1
    )
    allow_duplicates: bool = setting(
        False, "Accept a vocabulary with duplicate lines and read it as --style says."
    )
    seed: int = setting(12345, "Start of the random stream of every corpus.", minimum=0)
    documents: str = setting(
        "blank-line",
        "cerebras: what divides documents: a blank-line, or each file is one.",
        choices=("blank-line", "file"),
    )
    sentences: str = setting(
        "line",
        "cerebras: what a sentence is: a line; rule (spaCy's sentencizer over the whole "
        "document), or the name of a trained spaCy model.",
    )
    split_files: int = setting(
        1000, "cerebras, nsp: files that are read and mixed at a time; 0 for all.", minimum=0
    )
    min_short_seq_length: int | None = setting(
        None,
        "cerebras: shortest random target length; by default 2, with mlm and unmasked 2 + overlap.",
        minimum=2,
    )
    overlap: int | None = setting(
        None,
        "cerebras, mlm and unmasked: tokens that a window shares with the one before; by default a "
        "quarter of max-seq-length.",
        minimum=0,
    )
    cross_documents: bool = setting(
        False, "cerebras, mlm and unmasked: let a window go on into the next document."
    )
    document_separator: str = setting("[SEP]", "cerebras: token between two documents of a window.")
    buffer_tokens: int = setting(
        1_000_000, "cerebras, mlm and unmasked: tokens whose documents are mixed.", minimum=1
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
    def duplicates(self) -> str:
        """How `load_vocab` treats duplicate lines."""
        if not self.allow_duplicates:
            return "refuse"
        return "first" if self.style == MLPERF else "last"

    @property
    def file_format(self) -> str:
        """The format as given, or that of the style."""
        return self.format or _FORMAT_OF.get(self.style, TFRECORD)

    @property
    def suffix(self) -> str:
        """Ending of the record files' names."""
        return ".tfrecords" if self.cerebras_names else f".{self.file_format}"

    @property
    def cerebras_names(self) -> bool:
        """True where files are called as Cerebras' input pipeline expects them."""
        return self.style == CEREBRAS and self.file_format == TFRECORD

    @property
    def tokenizer_name(self) -> str:
        """Whose tokenizer: as given, or that of the style."""
        return self.tokenizer or (self.style if self.style in (CEREBRAS, NVIDIA) else GOOGLE)

    @property
    def one_corpus(self) -> bool:
        """True where all input files are mixed."""
        return (self.shards or (ONE_CORPUS if self.style == CEREBRAS else PER_FILE)) == ONE_CORPUS

    @property
    def plain(self) -> bool:
        """True for Google's and MLPerf's own records, which have the fast path."""
        return (
            self.style in (GOOGLE, MLPERF)
            and self.file_format == TFRECORD
            and self.tokenizer_name == GOOGLE
            and self.packing == "none"
        )

    @property
    def pairs(self) -> bool:
        """True where instances are pairs of segments, not windows of running text."""
        return self.objective in (PAIRS, SWAPPED)

    @property
    def room(self) -> int:
        """Tokens of an instance beside [CLS] and its one or two [SEP]."""
        return self.max_seq_length - (3 if self.pairs else 2)

    @property
    def window_overlap(self) -> int:
        """Tokens that consecutive windows share: as given, or a quarter of the length."""
        return self.max_seq_length // 4 if self.overlap is None else self.overlap

    @property
    def shortest_target(self) -> int:
        """Lower end of the range of random target lengths."""
        if self.min_short_seq_length is not None:
            return self.min_short_seq_length
        return self._least_target

    @property
    def _least_target(self) -> int:
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
        return found + self._style_problems() + self._format_problems()

    def _style_problems(self) -> list[str]:
        """Settings that the style, or the objective, does not know."""
        found = []
        if self.style != CEREBRAS:
            given = [
                f"--{item.name.replace('_', '-')}"
                for item in fields(self)
                if item.name in _CEREBRAS_ONLY and getattr(self, item.name) != item.default
            ]
            if not self.pairs:
                given.insert(0, "--objective")
            if given:
                found.append(f"{', '.join(given)} needs --style cerebras")
            return found
        if not self._least_target <= self.shortest_target <= self.room:
            found.append(
                f"the shortest target length {self.shortest_target} is not between "
                f"{self._least_target} and {self.room}: see --min-short-seq-length and --overlap"
            )
        if self.allow_duplicates:
            found.append("--style cerebras defines no meaning for duplicate vocabulary lines")
        return found

    def _format_problems(self) -> list[str]:
        """What the file formats and packed records cannot hold."""
        found = []
        if not self.pairs and self.file_format != TFRECORD:
            found.append(f"--objective {self.objective} is written as tfrecord only")
        if self.packing != "none" and not self.pairs:
            found.append("--packing packs sentence pairs; it needs --objective nsp or sop")
        if self.packing == "graphcore" and self.file_format != TFRECORD:
            found.append("--packing graphcore is a tfrecord format; give --format tfrecord")
        if self.packing == "habana" and self.file_format == JSONL:
            found.append("--packing habana is written as hdf5 or tfrecord, not jsonl")
        return found


_CEREBRAS_ONLY = (
    "documents", "sentences", "split_files", "min_short_seq_length", "overlap",
    "cross_documents", "document_separator", "buffer_tokens",
)  # fmt: skip
