"""Examples and lists name documents where they stand."""

from __future__ import annotations

import json

from bertkit.corpus.cleaning.clean_corpus import clean_corpus as clean
from corpus.cleaning.readable import plain


def test_the_listing_names_every_document(families):
    folder, _ = families
    listing = folder / "listing.jsonl"
    result = clean([str(folder / "in")], config=plain(), workers=1, listing=str(listing))
    found = [json.loads(line) for line in listing.read_text().splitlines()]
    for name in ("exact", "near"):
        hits = [each for each in found if name in each["criteria"]]
        assert len(hits) == result.criteria[name]["documents"]
        assert all(each["original"] != each["document"] for each in hits)
