"""What is written of the origin of files that came from the hub."""

from __future__ import annotations

import pytest

from bertkit.hub import sources
from bertkit.hub.names import HubName
from bertkit.hub.sources import Source, moved, name_of, origin, source_of, with_names

COMMIT, OTHER = "a" * 40, "b" * 40
PLACE = f"/cache/hub/models--lab--bert-x/snapshots/{COMMIT}"


@pytest.fixture(autouse=True)
def nothing_noted(monkeypatch):
    monkeypatch.setattr(sources, "_noted", {})


def test_a_place_in_the_cache_tells_name_and_commit():
    assert source_of(PLACE) == Source(HubName("lab/bert-x", COMMIT), COMMIT)
    sources.note_source(PLACE, Source(HubName("lab/bert-x"), COMMIT))
    for place in (PLACE, f"{PLACE}/vocab.txt"):
        assert source_of(place).facts()["revision"] == "main"
        assert name_of(place) == f"lab/bert-x@{COMMIT}"
    assert origin(f"{PLACE}/model.safetensors") == f"lab/bert-x@{COMMIT}/model.safetensors"
    assert origin(PLACE) == f"lab/bert-x@{COMMIT}"


def test_other_paths_stay():
    for place in ("runs/tiny", "/cache/hub", f"{PLACE[:-1]}"):
        assert source_of(place) is None and name_of(place) == origin(place) == place


def test_settings_hold_names():
    values = {"init_checkpoint": PLACE, "n": 1, "input": ["a"], "records": {"vocab": PLACE}}
    assert with_names(values) == {
        "init_checkpoint": f"lab/bert-x@{COMMIT}",
        "n": 1,
        "input": ["a"],
        "records": {"vocab": f"lab/bert-x@{COMMIT}"},
    }


def test_a_branch_that_moved():
    before = Source(HubName("lab/bert-x"), COMMIT).facts()
    assert moved(before, Source(HubName("lab/bert-x"), COMMIT)) == ""
    assert moved(before, Source(HubName("lab/other"), OTHER)) == ""
    assert moved(None, Source(HubName("lab/bert-x"), OTHER)) == moved(before, None) == ""
    text = moved(before, Source(HubName("lab/bert-x"), OTHER))
    assert text == "main of lab/bert-x was commit aaaaaaaaaaaa then, and is bbbbbbbbbbbb now"
    named = moved(before, Source(HubName("lab/bert-x", OTHER), OTHER))
    assert named.startswith("lab/bert-x was commit")
