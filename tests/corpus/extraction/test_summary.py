"""What extract says of its text: the same for any workers, and after an interruption."""

from __future__ import annotations

import json

import pytest

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.extraction.summary import WrittenText

CONFIG = ExtractConfig(part_megabytes=0.001)


@pytest.fixture
def raw(tmp_path) -> str:
    folder = tmp_path / "raw"
    folder.mkdir()
    for name in range(4):
        rows = [{"text": f"Text {n} of {name}. It goes on."} for n in range(30)]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, [*rows, rows[0]])))
    return str(folder)


def test_resuming(raw, tmp_path):
    one = extract([raw], str(tmp_path / "one"), CONFIG, workers=1)
    assert one.parts > 1
    assert one.text["documents"] == one.documents == 124
    assert one.text["sentences"] == one.sentences == 248
    assert one.text["bytes"] == one.bytes
    assert one.text["duplicate_documents"] == round(4 / 124, 6)
    # A part is gone and made again; the others are read for their counts.
    manifest = tmp_path / "one" / "manifest.json"
    values = json.loads(manifest.read_text())
    del values["checksum"]  # as of an earlier version
    del values["outputs"][f"part-00000-of-{one.parts:05d}.txt"]
    values["state"] = "incomplete"
    manifest.write_text(json.dumps(values))
    again = extract([raw], str(tmp_path / "one"), CONFIG, workers=1)
    assert again.text == one.text and not again.up_to_date
    assert extract([raw], str(tmp_path / "one"), CONFIG).text == one.text


@pytest.mark.slow
def test_workers(raw, tmp_path):
    one = extract([raw], str(tmp_path / "one"), CONFIG, workers=1)
    assert extract([raw], str(tmp_path / "two"), CONFIG, workers=2).text == one.text


def test_nothing_written_is_no_text():
    assert WrittenText(0).figures([], "nowhere")["documents"] == 0
