"""Where copies of URLs lie, and what is known of them."""

from __future__ import annotations

from bertkit.remote.facts import place_of_copy, read_facts, require_as_fetched, url_of


def test_places_of_copies_are_below_the_cache_and_differ(cache):
    places = [
        place_of_copy(url)
        for url in (
            "s3://b/x.txt",
            "s3://b/../x.txt",
            "gs://b/x.txt",
            "http://h:80/x.txt",
            "http://h:80/x.txt?v=1",
            "http://h:80/x.txt?v=2",
        )
    ]
    assert len(set(places)) == len(places)
    assert all(place.is_relative_to(cache) and ".." not in place.parts for place in places)
    assert all(place.name == "x.txt" for place in places)


def test_other_paths_have_no_facts(cache, tmp_path):
    assert url_of(tmp_path / "x") == str(tmp_path / "x")
    assert read_facts(tmp_path / "x") == {}
    require_as_fetched(tmp_path / "x", "0")
