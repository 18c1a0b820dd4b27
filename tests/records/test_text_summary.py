"""What make-records says of its text: the same for any workers, and after an interruption."""

from __future__ import annotations

import gzip
import io
import json
from dataclasses import replace

import pytest

from bertkit.manifests.manifest import read_manifest
from bertkit.records import text_summary
from bertkit.records.config import RecordsConfig
from bertkit.records.make import make_records
from bertkit.records.text_summary import TOKENS, UNKNOWN
from bertkit.summary.counter import count_files

VOCAB = "bertkit-uncased-8k"
CONFIG = RecordsConfig(max_seq_length=32, dupe_factor=1)


@pytest.fixture
def corpus(tmp_path) -> list[str]:
    folder = tmp_path / "text"
    folder.mkdir()
    for name in range(3):
        text = "".join(f"The whale {n} of {name} dives.\nSame line 漢.\n\n" for n in range(20))
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return [str(folder)]


def test_workers_and_resuming(corpus, tmp_path):
    one = make_records(CONFIG, corpus, tmp_path / "one", VOCAB, workers=1)
    assert (one.text["documents"], one.text["sentences"]) == (60, 120)
    assert one.text["duplicate_lines"] == round(59 / 120, 6)
    assert one.text["characters_outside_vocabulary"]["most_frequent"] == {"漢": 60}
    assert one.text["unknown"] == round(60 / one.text["tokens"], 6)
    two = make_records(CONFIG, corpus, tmp_path / "two", VOCAB, workers=2)
    assert two.text == one.text
    (tmp_path / "two" / "1.tfrecord").unlink()
    again = make_records(CONFIG, corpus, tmp_path / "two", VOCAB, workers=1)
    assert again.made == 1 and again.text == one.text
    facts = read_manifest(tmp_path / "two").outputs["0.tfrecord"]
    assert facts[UNKNOWN] == 20 < facts[TOKENS]


def test_of_older_folders_tokens_are_not_known(corpus, tmp_path):
    make_records(CONFIG, corpus, tmp_path / "out", VOCAB, workers=1)
    manifest = tmp_path / "out" / "manifest.json"
    values = json.loads(manifest.read_text())
    del values["checksum"]
    for facts in values["outputs"].values():
        del facts[TOKENS], facts[UNKNOWN]
    manifest.write_text(json.dumps(values))
    (tmp_path / "out" / "1.tfrecord").unlink()
    again = make_records(CONFIG, corpus, tmp_path / "out", VOCAB, workers=1)
    assert again.text["sentences"] == 120 and "unknown" not in again.text


STYLES = (
    ({}, True),
    ({"style": "nvidia"}, True),
    ({"style": "cerebras"}, True),
    ({"tokenizer": "cerebras"}, True),
    ({"tokenizer": "hf"}, False),  # the package is slow: a second pass does not matter
)


@pytest.mark.parametrize(("settings", "once"), STYLES, ids=str)
def test_text_is_counted_while_it_is_read(settings, once, tmp_path, monkeypatch):
    """Every byte once, whatever the file ends in and is packed in."""
    bodies = {
        "plain.txt": "The whale dives.\nIt turns.\n\nThe ship sails.\nIt turns.\n",
        "open.txt": "No line end.\nIt is cut off",
        "return.txt": "It is \rodd.\r\nIt turns.\r\n\r",
        "empty.txt": "",
        "long.txt": "The sea is wide and deep 漢.\n" * 40_000,
        "packed.txt.gz": "The whale dives again.\nIt turns.\n\nIt ends.\nHere.\n",
    }
    places = []
    for name, body in bodies.items():
        place = tmp_path / name
        blob = body.encode()
        place.write_bytes(gzip.compress(blob) if name.endswith(".gz") else blob)
        places.append(str(place))
    wanted = count_files((name, io.BytesIO(body.encode())) for name, body in bodies.items())
    read_again = []
    counts_of = text_summary._counts_of
    monkeypatch.setattr(
        text_summary,
        "_counts_of",
        lambda paths, level: read_again.extend(paths) or counts_of(paths, level),
    )
    config = replace(CONFIG, **settings, shards="one-corpus")
    found = make_records(config, places, tmp_path / "out", VOCAB, workers=1).text
    for name in ("bytes", "documents", "sentences", "words"):
        assert found[name] == getattr(wanted, name), name
    assert found["duplicate_lines"] == round(wanted.lines.repeated_share, 6)
    assert sorted(read_again) == ([] if once else sorted(places))


@pytest.mark.parametrize("changes", [{"documents": "file"}, {"sentences": "rule"}, {}])
def test_lines_are_judged_where_they_are_sentences(tmp_path, caplog, changes):
    """Paragraphs of a file, divided by blank lines, are neither documents nor sentences of it."""
    text = "".join(f"The whale {n} dives. The ship {n} sails.\n\n" for n in range(40))
    (tmp_path / "a.txt").write_text(text)
    config = replace(CONFIG, style="cerebras", **changes)
    with caplog.at_level("INFO", "bertkit"):
        make_records(config, [str(tmp_path / "a.txt")], tmp_path / "out", VOCAB)
    said = [line.partition(":")[0] for line in caplog.messages]
    warned = any("documents have one sentence" in line for line in caplog.messages)
    assert warned == (not changes)
    assert ("documents" in said, "sentences" in said) == (not changes, not changes)
    assert "words" in said
