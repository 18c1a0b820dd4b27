"""Records as JSON lines."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from bertkit.errors import DataError
from bertkit.manifests.manifest import Manifest, read_manifest
from bertkit.records.files.find import find_record_files
from bertkit.records.files.index_file import read_index, write_index
from bertkit.records.files.instance import instances_of
from bertkit.records.files.jsonl import JsonLinesFile, encode_line
from bertkit.records.files.open import open_records
from bertkit.records.files.record_index import index_path
from records.conftest import only_file


def test_json_lines_are_what_a_collator_expects(folders, plain):
    with open(only_file(folders / "jsonl"), encoding="ascii") as stream:
        lines = [json.loads(line) for line in stream]
    batch = plain.batch(range(len(plain)))
    for number, line in enumerate(lines):
        length = int(batch["input_mask"][number].sum())
        assert list(line) == ["input_ids", "attention_mask", "token_type_ids", "labels",
                              "next_sentence_label"]  # fmt: skip
        assert line["input_ids"] == batch["input_ids"][number, :length].tolist()
        assert line["attention_mask"] == [1] * length
        assert line["token_type_ids"] == batch["segment_ids"][number, :length].tolist()
        assert line["next_sentence_label"] == batch["next_sentence_labels"][number]
        predicted = batch["masked_lm_weights"][number] > 0
        labels = [-100] * length
        for position, truth in zip(
            batch["masked_lm_positions"][number, predicted],
            batch["masked_lm_ids"][number, predicted], strict=True,
        ):  # fmt: skip
            labels[position] = int(truth)
        assert line["labels"] == labels


def test_external_json_lines_have_the_widths_that_occur(tmp_path, plain):
    batch = plain.batch([0, 1, 2])
    rows = instances_of(batch)
    path = tmp_path / "external.jsonl"
    path.write_bytes(b"\n".join(map(encode_line, rows)) + b"\n")
    reader = open_records(path)
    assert isinstance(reader, JsonLinesFile)
    assert len(reader) == 3
    assert reader.max_seq_length == batch["input_mask"].sum(axis=1).max()
    assert reader.max_predictions_per_seq == (batch["masked_lm_weights"] > 0).sum(axis=1).max()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"input_ids": [1]}', ":2: not a record: it has no 'attention_mask'"),
        (b"{broken", ":2: not a record: Expecting"),
        (b"[" * 100_000, ":2: not a record: it is nested too deeply"),
        (b'{"input_ids": [' + b"9" * 30 + b"]}", ":2: not a record: Python int too large"),
        (b'{"input_ids":true,"attention_mask":[1],"token_type_ids":[0],"labels":[0]}',
         ":2: not a record: true or false in input_ids"),
        (b"true", ":2: not a record: "),
        (b'["true"]', ":2: not a record: "),
        (b'{"labels":[0],"labels":[1]}', ":2: not a record: the key 'labels' is there twice"),
        (b'{"input_ids":[1,2],"attention_mask":[1],"token_type_ids":[0],"labels":[0],'
         b'"next_sentence_label":0}', ":2: its lists differ in length"),
        (b'{"input_ids":[1,2],"attention_mask":[0,1],"token_type_ids":[0,0],"labels":[0,0],'
         b'"next_sentence_label":0}', ":2: padding between tokens"),
        (b'{"input_ids":[1,true],"attention_mask":[1,1],"token_type_ids":[0,0],"labels":[0,0],'
         b'"next_sentence_label":0}', ":2: not a record: true or false in input_ids"),
        (b'{"input_ids":[1],"attention_mask":[1],"token_type_ids":[0],"labels":[0],'
         b'"next_sentence_label":false}', ":2: not a record: true or false in next_sentence_label"),
        (b'{"input_ids":[1],"attention_mask":[1],"token_type_ids":[0],"labels":[0]}',
         ":2: lacks next_sentence_label, which the first record has"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named(tmp_path, plain, line, problem):
    good = encode_line(next(instances_of(plain.batch([0]))))
    (tmp_path / "bad.jsonl").write_bytes(good + line + b"\n")
    with pytest.raises(DataError) as caught:
        open_records(tmp_path / "bad.jsonl")
    assert problem in caught.value.message


def test_a_pair_among_records_of_masked_lm_alone_is_named(tmp_path):
    line = '{"input_ids":[1],"attention_mask":[1],"token_type_ids":[0],"labels":[0]}\n'
    path = tmp_path / "bad.jsonl"
    path.write_text(line + line.replace("}", ',"next_sentence_label":1}'))
    with pytest.raises(DataError, match=":2: has next_sentence_label, which the first record lack"):
        open_records(path)
    path.write_text(line.replace("}", ',"special": [true, false]}') * 2)
    assert open_records(path).batch([0, 1])["next_sentence_labels"].tolist() == [-1, -1]


def test_lines_that_outgrow_their_manifest_are_named(folders, tmp_path, plain):
    folder = tmp_path / "copy"
    shutil.copytree(folders / "jsonl", folder)
    manifest = read_manifest(folder)
    manifest.config["max_seq_length"] = 9
    manifest.write(folder)
    reader = open_records(only_file(folder))
    with pytest.raises(DataError, match=r"story.jsonl:\d+: \d+ tokens, not 9"):
        reader.batch(range(len(reader)))


@pytest.mark.parametrize("indexed", ["by its writer", "by a scan"])
def test_a_digit_that_changes_is_noticed(folders, tmp_path, indexed):
    """Also where size, ends and time of the file stay what they were."""
    shutil.copytree(folders / "jsonl", tmp_path / "out")
    path = Path(only_file(tmp_path / "out"))
    if indexed == "by a scan":
        shutil.rmtree(tmp_path / "out" / ".bertkit-index")
    before = path.stat()
    assert len(open_records(path).batch([0, 1, 2])["input_ids"]) == 3
    content = bytearray(path.read_bytes())
    at = content.index(b"\n", len(content) // 2) + len(b'{"input_ids":[1') + 1
    content[at] = ord("1") + (content[at] == ord("1"))
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    number = content.count(b"\n", 0, at) + 1
    with pytest.raises(DataError, match=rf":{number}: damaged: not the line whose CRC-32"):
        open_records(path).batch(range(len(open_records(path))))
    assert len(open_records(path).batch([0])["input_ids"]) == 1


def test_an_index_without_checksums_is_good_enough(folders, tmp_path):
    shutil.copytree(folders / "jsonl", tmp_path / "out")
    path = only_file(tmp_path / "out")
    index = read_index(index_path(path))
    columns = {name: index.columns[name].all() for name in ("offsets",)}
    write_index(index_path(path), index.facts, columns)
    assert len(open_records(path).batch([0, 1])["input_ids"]) == 2


@pytest.mark.parametrize("name", ["b.json", "part-00000"])
def test_a_file_whose_first_record_is_damaged_is_not_left_out(folders, tmp_path, name):
    """Beside others of its kind it would not be missed: the manifest says that it has records."""
    kind = "jsonl" if name == "b.json" else "tfrecord"
    content = Path(only_file(folders / kind)).read_bytes()
    names = [f"other{name[1:]}" if kind == "jsonl" else "part-00001", name]
    for each in names:
        (tmp_path / each).write_bytes(content)
    outputs = {each: {"records": 1, "bytes": len(content)} for each in names}
    Manifest("make-records", {}, outputs=outputs, state="complete").write(tmp_path)
    (tmp_path / name).write_bytes(content[:9] + b"x" + content[10:])
    assert len(find_record_files([tmp_path])) == 2
    with pytest.raises(DataError):
        open_records(tmp_path / name).batch([0])
