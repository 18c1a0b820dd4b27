"""Shards of every style and format: which records go to which file, however many workers."""

from __future__ import annotations

from bertkit.records.config import RecordsConfig
from bertkit.records.make import make_records
from bertkit.records.tools.verify import verify
from records.conftest import VOCAB, only_file


def test_bytes_do_not_depend_on_workers(text, tmp_path):
    second = tmp_path / "second.txt"
    with open(text, encoding="utf-8") as stream:
        second.write_text(stream.read().upper(), encoding="utf-8")
    config = RecordsConfig(style="nvidia", max_seq_length=64, dupe_factor=1, packing="habana")
    for workers in (1, 2):
        make_records(config, [text, str(second)], tmp_path / str(workers), VOCAB, workers=workers)
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()}
        for name in "12"
    )
    assert one == two
    files = ["second.hdf5", "story.hdf5"]
    assert sorted(one) == ["manifest.json", *sorted([*files, *(f"{n}.index" for n in files)])]


def test_dealt_to_several_files_in_turn(text, tmp_path, plain):
    config = RecordsConfig(
        max_seq_length=64, dupe_factor=3, short_seq_prob=0.6, style="hf", shards="one-corpus",
        outputs=3,
    )  # fmt: skip
    make_records(config, [text], tmp_path / "out", VOCAB)
    names = sorted(path.name for path in (tmp_path / "out").glob("*.json"))
    assert names == ["manifest.json", *(f"records-0000{n}-of-00003.json" for n in range(3))]
    assert verify(str(plain.path), str(tmp_path / "out"), order="dealt").same


def test_a_text_without_sentences_leaves_no_file(text, tmp_path):
    (tmp_path / "empty.txt").write_text("\n\n")
    config = RecordsConfig(style="nvidia", max_seq_length=64)
    make_records(config, [text, str(tmp_path / "empty.txt")], tmp_path / "out", VOCAB, workers=1)
    assert only_file(tmp_path / "out").endswith("story_training.hdf5")


def test_limit_counts_records(text, tmp_path):
    config = RecordsConfig(style="hf", max_seq_length=64)
    assert make_records(config, [text], tmp_path / "out", VOCAB, limit=7).records == 7
