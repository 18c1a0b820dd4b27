"""Defines the settings of `extract` and `split`; imports little, so that --help starts fast."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from bertkit.configuration.config import setting
from bertkit.configuration.option_groups import DATA, OUTPUT, TEXT
from bertkit.corpus import forms
from bertkit.corpus.forms.mediawiki.variants import CODES

# Block size of MLPerf's do_gather.py for the 500 published parts, in MiB of raw text.
MLPERF_PART = 26.92
PART = 25.0
# Python's names for what is no encoding of files.
_NO_ENCODINGS = {"punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined"}


@dataclass(frozen=True)
class ExtractConfig:
    """How a raw corpus becomes documents of one sentence per line."""

    form: str = setting(
        forms.AUTO, forms.help_text(), choices=forms.CHOICES, group=DATA, first=True
    )
    text_key: str | None = setting(
        None,
        "Key, column or path of keys (page.text) of the text in JSON, tables, Parquet and Arrow; "
        "by default text, or the only one of content, body, article, ... .",
        group=DATA,
        first=True,
        metavar="NAME",
        example="body",
    )
    title_key: str | None = setting(
        None,
        "Key or column of the title; by default title.",
        group=DATA,
        metavar="NAME",
        example="headline",
    )
    encoding: str | None = setting(
        None,
        "Encoding of the text, such as cp1252 or gb18030; by default UTF-8. A byte order mark, or "
        "what XML declares, counts before it.",
        group=DATA,
        first=True,
        metavar="NAME",
        example="cp1252",
    )
    chain: str = setting(
        "own",
        "Clean-up: own (a few general rules), mlperf (the benchmark's stages on WikiExtractor "
        "files, NLTK 3.4.5's punkt included, byte for byte; one part per file; WikiExtractor at "
        "MLPerf's commit 3162bb6 needs Python 3.7 to 3.10), or cerebras (PubMed as Cerebras' "
        "scripts format it, one article per line, byte for byte).",
        choices=("own", "mlperf", "cerebras"),
        group=TEXT,
        first=True,
    )
    splitter: str = setting(
        "rule",
        "Sentence splitter: rule (spaCy's sentencizer, or Unicode's rules where it does not know "
        "the language's marks), unicode (Unicode's rules for all scripts), lines (each line is a "
        "sentence), spacy:MODEL (an installed pipeline, such as spacy:de_core_news_sm), punkt "
        "(NLTK).",
        group=TEXT,
        first=True,
        metavar="NAME",
        example="spacy:de_core_news_sm",
    )
    language: str = setting(
        "en",
        "Language of the text, an ISO 639-1 code such as de or zh; xx for several.",
        group=TEXT,
        first=True,
        metavar="CODE",
        example="de",
    )
    part_megabytes: float = setting(
        16.0,
        "Target size of an output part: small input files are combined, a larger file is cut "
        "where its form allows it, or else becomes a part of its own.",
        minimum=0.01,
        group=OUTPUT,
    )
    max_document_megabytes: int = setting(
        64, "Reject documents larger than this, to limit memory.", minimum=1, group=DATA
    )
    namespaces: str = setting(
        "0",
        "Namespaces of a MediaWiki dump to extract, separated by commas; 0 is articles.",
        group=DATA,
        metavar="NUMBERS",
        example="0,14",
    )
    variant: str = setting(
        "",
        "Which variant a wiki shows that is written in several, such as zh-hant or sr-el; by "
        "default the usual one (zh-hans, sr-ec, ...). Text outside of -{ }- stays as it is.",
        group=TEXT,
        metavar="CODE",
        example="zh-hant",
    )
    unknown_templates: str = setting(
        "drop",
        "What a template within a sentence leaves that bertkit knows nothing of: drop (nothing; "
        "it is counted, see --report-templates) or last (its last argument).",
        choices=("drop", "last"),
        group=TEXT,
    )
    limit: int | None = setting(
        None, "Extract only the first N documents.", minimum=1, group=DATA, first=True
    )
    strict: bool = setting(
        False, "Stop at the first bad document instead of skipping it.", off="--lenient", group=DATA
    )

    def problems(self) -> list[str]:
        """Rules over several settings."""
        found = []
        if self.chain != "own" and self.limit:
            found.append(
                f"--limit does not work with --chain {self.chain}, which works on whole files"
            )
        if self.variant and self.variant not in CODES:
            found.append(f"--variant {self.variant}: choose one of {', '.join(sorted(CODES))}")
        begins = forms.of_chain(self.chain)
        if begins and self.form not in (forms.AUTO, *begins):
            found.append(
                f"--form {self.form} does not go with --chain {self.chain}, which begins with "
                f"{' or '.join(begins)} files"
            )
        if self.encoding and not _is_text_encoding(self.encoding):
            found.append(f"--encoding {self.encoding!r}: Python knows no such encoding of text")
        found += self._needless()
        try:
            self.namespace_numbers()
        except ValueError:
            found.append(f"--namespaces {self.namespaces!r}: expected numbers such as 0,14")
        return found

    def _needless(self) -> list[str]:
        """Settings of forms that the input has not."""
        found = []
        for flag, value in (("--text-key", self.text_key), ("--title-key", self.title_key)):
            row = forms.form_named(self.form) if self.form != forms.AUTO else None
            if value and (self.chain != "own" or (row and not (row.keyed or row.container))):
                where = f"--chain {self.chain}" if self.chain != "own" else f"--form {self.form}"
                found.append(f"{flag} does not go with {where}, which has no keys or columns")
        if self.encoding and self.chain != "own":
            found.append(f"--encoding does not go with --chain {self.chain}")
        return found

    def namespace_numbers(self) -> tuple[int, ...]:
        """The namespaces as numbers."""
        return tuple(int(number) for number in self.namespaces.split(","))


def _is_text_encoding(name: str) -> bool:
    try:
        known = codecs.lookup(name)
        return bool(known._is_text_encoding) and name.lower() not in _NO_ENCODINGS
    except (LookupError, ValueError):
        return False


@dataclass(frozen=True)
class SplitConfig:
    """How documents are divided."""

    method: str = setting(
        "hash",
        "hash (of the document's text), mlperf (the benchmark's test articles, drawn by seed from "
        "the output of extract --chain mlperf: eval.txt, eval.md5, training parts), or lists "
        "(Cerebras' metadata files list the documents of each part, by the names that they had "
        "for extract, or have as unpacked files under --input-prefix).",
        choices=("hash", "mlperf", "lists"),
        group=DATA,
        first=True,
    )
    num_test_articles: int = setting(
        10000, "With --method mlperf: articles that go to eval.txt.", minimum=1, group=DATA
    )
    metadata: list[str] = setting(
        help="With --method lists: a file that lists documents; its own name begins with train, "
        "val or test. Repeatable.",
        factory=list,
        group=DATA,
        metavar="FILE",
    )
    splitter: str = setting(
        "rule",
        "With --method lists and unpacked files: their sentence splitter, as of extract; lines "
        "if each line is a sentence already.",
        group=TEXT,
        first=True,
        metavar="NAME",
        example="spacy:de_core_news_sm",
    )
    valid: float = setting(
        0.05,
        "Fraction of the documents for valid.txt.",
        minimum=0.0,
        maximum=1.0,
        group=DATA,
        first=True,
    )
    test: float = setting(
        0.0,
        "Fraction of the documents for test.txt.",
        minimum=0.0,
        maximum=1.0,
        group=DATA,
        first=True,
    )
    parts: int = setting(
        0,
        "Number of training parts; 0: --part-megabytes decides.",
        minimum=0,
        group=OUTPUT,
        first=True,
    )
    part_megabytes: float | None = setting(
        None,
        "Size of a training part, unless --parts is given; by default 25. With --method mlperf: "
        "MiB of WikiExtractor's files, as its do_gather.py counts; by default 26.92, which gives "
        "the 500 published parts.",
        minimum=0.01,
        group=OUTPUT,
    )
    seed: int = setting(12345, "Seed of the split.", group=DATA, first=True)

    @property
    def part_size(self) -> float:
        """`part_megabytes` as given, or the default of the method."""
        if self.part_megabytes is not None:
            return self.part_megabytes
        return MLPERF_PART if self.method == "mlperf" else PART

    def problems(self) -> list[str]:
        """Rules over several settings."""
        if self.metadata and self.method != "lists":
            return ["--metadata goes with --method lists"]
        if self.valid + self.test >= 1.0:
            held_out = self.valid + self.test
            return [
                f"--valid and --test take {held_out:g} of the documents and leave none to train"
            ]
        return []
