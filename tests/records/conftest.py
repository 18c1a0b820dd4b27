"""Small records in every format, which the tests of records share."""

from __future__ import annotations

import pytest

from bertkit.records.config import RecordsConfig
from bertkit.records.files.tfrecord.reader import RecordFile
from bertkit.records.files.tfrecord.sequence_example import encode_token, wrap_tokens
from bertkit.records.make import make_records

VOCAB = "bertkit-uncased-8k"


FORMATS = {
    "tfrecord": {},
    "hdf5": {"format": "hdf5"},
    "jsonl": {"format": "jsonl"},
    "graphcore": {"packing": "graphcore"},
    "habana-hdf5": {"packing": "habana", "format": "hdf5"},
    "habana-tfrecord": {"packing": "habana", "sequences_per_pack": 5},
}


@pytest.fixture(scope="session")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "story.txt"
    path.write_text(
        "\n".join(
            f"The ship number {n} went to sea.\n" + f"Its captain saw {n} whales.\n" * (n % 5)
            for n in range(60)
        ),
        encoding="utf-8",
    )
    return str(path)


@pytest.fixture(scope="session")
def folders(text, tmp_path_factory):
    """The same instances in every format."""
    place = tmp_path_factory.mktemp("records")
    for name, values in FORMATS.items():
        config = RecordsConfig(max_seq_length=64, dupe_factor=3, short_seq_prob=0.6, **values)
        assert config.problems() == []
        make_records(config, [text], place / name, VOCAB)
    return place


@pytest.fixture(scope="session")
def plain(folders):
    return RecordFile(folders / "tfrecord" / "story.tfrecord")


def only_file(folder):
    beside = (".index", ".json")  # Graphcore's lists of places, the manifest
    (path,) = (path for path in folder.glob("[!.]*") if path.suffix not in beside)
    return str(path)


def unmasked(tokens):
    """A record of a window that is not masked."""
    return wrap_tokens(b"".join(map(encode_token, tokens)))
