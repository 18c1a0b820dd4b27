"""Public functions for records: made from text, picked, packed, and opened to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bertkit.api.arguments import Config, Inputs, Place, path, paths, resolved
from bertkit.records.config import RecordsConfig

if TYPE_CHECKING:
    from bertkit.data.records import Records
    from bertkit.records.make import RecordsResult
    from bertkit.records.tools.pack import PackResult
    from bertkit.records.tools.pick_eval import PickResult


def make_records(
    inputs: Inputs,
    output: Place,
    config: Config = None,
    *,
    vocab: Place,
    workers: int = 1,
    limit: int | None = None,
    overwrite: bool = False,
    **settings: Any,
) -> RecordsResult:
    """Write the masked, paired training instances of BERT as record files.

    After an interruption the same call goes on with the files that are missing.

    Args:
        inputs: Text, one sentence per line, blank lines between documents.
        output: Folder for the record files and `manifest.json`.
        config: Settings: a mapping, a YAML file or a `RecordsConfig`.
        vocab: Vocabulary: a file, the folder of a model, or `bertkit-uncased-8k`.
        workers: Processes; 0 starts one per core. More than 1 needs `if __name__ == "__main__":`
            in a script. The output does not depend on it.
        limit: Stop after so many records.
        overwrite: Replace what another run left in the folder.
        **settings: Single settings by name, such as `max_seq_length=512`.

    Returns:
        Counts of records, files and bytes.

    Raises:
        DataError: Unreadable or empty text, a broken vocabulary, or the folder belongs to
            another run.
        ConfigError: A wrong or unknown setting, or one that contradicts the vocabulary.

    Example:
        >>> made = bertkit.make_records(
        ...     "data/split/train", "data/records", vocab="vocab.txt",
        ...     max_seq_length=64, dupe_factor=1,
        ... )
        >>> made.max_seq_length, made.records > 1000
        (64, True)
    """
    from bertkit.records import make as work

    found = resolved(RecordsConfig, config, settings)
    return work.make_records(
        found.config,
        paths(inputs),
        path(output),
        path(vocab),
        workers=workers,
        overwrite=overwrite,
        limit=limit,
    )


def open_records(inputs: Inputs) -> Records:
    """Open record files as one sequence of records.

    TFRecord, HDF5 and JSON lines, of bertkit or of the programs whose records it makes, packed
    or not. Opening costs the same for each file, however large it is.

    Args:
        inputs: Record files, globs, folders or `@list.txt`.

    Returns:
        A sequence: its length, single records by number, arrays of many at once.

    Raises:
        DataError: Nothing there, a broken file, or records of different lengths.

    Example:
        >>> records = bertkit.open_records("data/records")
        >>> first = records[0]
        >>> first.input_ids.shape, int(first.input_mask[0])
        ((64,), 1)
        >>> records.batch([0, 5, 7])["input_ids"].shape
        (3, 64)
    """
    from bertkit.data.records import Records

    return Records(paths(inputs))


def pick_eval(
    inputs: Inputs,
    output: Place,
    *,
    count: int = 10_000,
    workers: int = 1,
    overwrite: bool = False,
) -> PickResult:
    """Pick evenly spaced records as a fixed evaluation set, as MLPerf does.

    Args:
        inputs: Record files, of any format.
        output: Folder for `eval.tfrecord` and `manifest.json`.
        count: Records to pick; where there are fewer, they are repeated, with a warning.
        workers: Processes that read files which nothing is known of; 0 starts one per core.
            More than 1 needs `if __name__ == "__main__":` in a script.
        overwrite: Replace what another run left in the folder.

    Returns:
        From how many records how many were picked, and their digest.

    Raises:
        DataError: Nothing there, a broken file, or the folder holds something else.

    Example:
        >>> bertkit.pick_eval("data/records", "data/picked", count=50).records
        50
    """
    from bertkit.records.tools.pick_eval import pick_eval as work
    from bertkit.workers.engine import Engine

    engine = Engine(workers)
    return work(paths(inputs), path(output), count, overwrite=overwrite, engine=engine)


def pack_records(
    inputs: Inputs,
    output: Place,
    *,
    packing: str = "habana",
    format: str = "",
    sequences_per_pack: int = 3,
    workers: int = 1,
    overwrite: bool = False,
) -> PackResult:
    """Pack existing record files, several sequences to a record.

    Args:
        inputs: Record files, of any format and program.
        output: Folder for the files of packs.
        packing: Whose packs: `habana` or `graphcore`.
        format: `hdf5` or `tfrecord`; empty: hdf5 for habana, tfrecord for graphcore.
        sequences_per_pack: Most sequences of a pack.
        workers: Processes; 0 starts one per core. More than 1 needs `if __name__ == "__main__":`
            in a script. The output does not depend on it.
        overwrite: Replace what another run left in the folder.

    Returns:
        Counts of sequences, packs and files.

    Raises:
        DataError: Nothing there, a broken file, or records that cannot be packed.
        ConfigError: No such packing or format.

    Example:
        >>> packed = bertkit.pack_records("data/records", "data/packed", packing="graphcore")
        >>> packed.records < packed.instances
        True
    """
    from bertkit.records.tools.pack import PackOptions
    from bertkit.records.tools.pack import pack_records as work

    options = PackOptions(packing, format, sequences_per_pack)
    return work(paths(inputs), path(output), options, workers=workers, overwrite=overwrite)
