"""Public functions for text: fetched, made sentences, divided, and a vocabulary learnt from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bertkit.api.arguments import Config, Inputs, Place, path, paths, resolved
from bertkit.corpus.config import ExtractConfig, SplitConfig

if TYPE_CHECKING:
    from bertkit.corpus.download.download import DownloadResult
    from bertkit.corpus.download.sample import SampleResult
    from bertkit.corpus.extraction.result import ExtractResult
    from bertkit.corpus.splitting.result import SplitResult
    from bertkit.tokenization.training.trained import TrainedVocab


def download(
    source: str,
    output: Place,
    *,
    files: Sequence[str] = (),
    language: str = "en",
    date: str = "latest",
    workers: int = 1,
    overwrite: bool = False,
) -> DownloadResult | SampleResult:
    """Fetch a corpus, vocabulary or question set, and verify its checksums.

    Args:
        source: its name; `bertkit download --list` shows them all. `sample` needs no network.
        output: Folder to fill.
        files: Only these files of the source; all if empty.
        language: Of a Wikipedia dump.
        date: Of a dump, YYYYMMDD.
        workers: Files fetched at the same time.
        overwrite: Replace what another run left in the folder.

    Returns:
        What lies in the folder now; a `SampleResult` for `sample`.

    Raises:
        UsageError: No such source or file.
        DataError: A file is not what it should be, or the folder holds something else.
        BertkitError: A link is dead.

    Example:
        >>> bertkit.download("sample", "data/raw").documents > 50
        True
    """
    from bertkit.corpus.download import catalogue, sample
    from bertkit.corpus.download import download as work

    found = catalogue.find_source(source, language, date)
    if found.name == "sample":
        return sample.write_sample(path(output), overwrite)
    return work.download(found, path(output), files, overwrite=overwrite, workers=workers)


def extract(
    inputs: Inputs,
    output: Place,
    config: Config = None,
    *,
    workers: int = 1,
    overwrite: bool = False,
    **settings: Any,
) -> ExtractResult:
    """Turn a raw corpus into documents, one sentence per line, blank lines between documents.

    After an interruption the same call goes on with the parts that are missing.

    Args:
        inputs: Raw files in any form that bertkit knows, globs, folders or `@list.txt`.
        output: Folder for `part-00000-of-0000N.txt` and `manifest.json`.
        config: Settings: a mapping, a YAML file or an `ExtractConfig`.
        workers: Processes; 0 starts one per core. More than 1 needs `if __name__ == "__main__":`
            in a script. The output does not depend on it.
        overwrite: Replace what another run left in the folder.
        **settings: Single settings by name, such as `form="jsonl"`.

    Returns:
        Counts of documents, sentences and bytes.

    Raises:
        DataError: Unreadable input, or the folder belongs to another run.
        ConfigError: A wrong or unknown setting.
        MissingDependencyError: A form or a splitter needs a package that is not installed.

    Example:
        >>> bertkit.extract("data/raw/text", "data/docs").documents > 50
        True
    """
    from bertkit.corpus.extraction import extract as work

    found = resolved(ExtractConfig, config, settings)
    return work.extract(
        paths(inputs), path(output), found.config, workers=workers, overwrite=overwrite
    )


def split(
    inputs: Inputs,
    output: Place,
    config: Config = None,
    *,
    workers: int = 1,
    overwrite: bool = False,
    **settings: Any,
) -> SplitResult:
    """Divide documents into training parts and held-out files, by a hash of their text.

    Args:
        inputs: Documents, one sentence per line, as `extract` writes them.
        output: Folder for `train/part-….txt`, `valid.txt` and `test.txt`.
        config: Settings: a mapping, a YAML file or a `SplitConfig`.
        workers: Processes; 0 starts one per core. More than 1 needs `if __name__ == "__main__":`
            in a script. The output does not depend on it.
        overwrite: Replace what another run left in the folder.
        **settings: Single settings by name, such as `valid=0.1`.

    Returns:
        Counts of each part, and of duplicate documents.

    Raises:
        DataError: Empty or unreadable input, or a part that would be empty.
        ConfigError: A wrong or unknown setting.

    Example:
        >>> found = bertkit.split("data/docs", "data/split", valid=0.1, parts=1)
        >>> sorted(found.splits)
        ['train', 'valid']
    """
    from bertkit.corpus.splitting import split as work
    from bertkit.workers.engine import Engine

    found = resolved(SplitConfig, config, settings)
    return work.split(
        paths(inputs), path(output), found.config, overwrite=overwrite, engine=Engine(workers)
    )


def train_vocab(
    inputs: Inputs,
    output: Place,
    *,
    size: int = 30_528,
    do_lower_case: bool = True,
    strip_accents: bool | None = None,
    tokenize_chinese_chars: bool = True,
    min_frequency: int = 2,
    alphabet: str | None = None,
    word_length: int | None = None,
    workers: int = 1,
    overwrite: bool = False,
) -> TrainedVocab:
    """Train a WordPiece vocabulary on text.

    How the text was treated is noted in `OUTPUT.json`, which all other functions read.

    Args:
        inputs: Text in UTF-8, also compressed or remote; its line structure does not matter.
        output: File to write, one token per line.
        size: Tokens; a multiple of 8 is fastest on accelerators.
        do_lower_case: Lower-case the text.
        strip_accents: Strip accents; None: where the text is lower-cased.
        tokenize_chinese_chars: Make every CJK ideograph a word of its own.
        min_frequency: Merge only pairs that occur at least this often.
        alphabet: Characters to keep: a number such as `"6000"`, or a share such as `"99.99%"`.
        word_length: Letters of the longest word that is not [UNK]; None: 200.
        workers: Processes; 0 starts one per core. More than 1 needs `if __name__ == "__main__":`
            in a script. The output does not depend on it.
        overwrite: Replace an existing file.

    Returns:
        The vocabulary's figures on its own text and on lines held out.

    Raises:
        UsageError: The file exists, or the size leaves no room for the alphabet.
        DataError: Unreadable text, or none.

    Example:
        >>> bertkit.train_vocab("data/split/train", "vocab.txt", size=1024).tokens
        1024
    """
    from bertkit.corpus.raw_file import open_source
    from bertkit.remote.copies import local_inputs
    from bertkit.storage.input_files import expand_inputs
    from bertkit.tokenization import vocabulary_training as work
    from bertkit.tokenization.normalisation import Normalisation
    from bertkit.tokenization.training.alphabet import Wanted, parse_wanted

    return work.train_vocab(
        expand_inputs(local_inputs(paths(inputs)), leave_out=[path(output)], texts=True),
        path(output),
        size=size,
        normalisation=Normalisation(do_lower_case, strip_accents, tokenize_chinese_chars),
        min_frequency=min_frequency,
        overwrite=overwrite,
        alphabet=parse_wanted(alphabet) if alphabet else Wanted(),
        word_length=word_length,
        workers=workers,
        opener=open_source,
    )
