"""Whole runs: what is found and kept, against brute force in plain Python."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.corpus.cleaning import blocks, clean_corpus, duplicates, results, survey
from bertkit.corpus.cleaning.clean_corpus import clean_corpus as clean
from bertkit.corpus.cleaning.config import CleanConfig
from bertkit.corpus.document import read_documents
from bertkit.corpus.document_names import names_beside
from bertkit.errors import DataError, UsageError
from bertkit.manifest import read_manifest
from corpus.cleaning import readable
from corpus.stopping import blobs, identities, noted_writes

# Nothing is dropped for its own sake.
PLAIN = CleanConfig(min_words=0, max_wordless=1.0, max_words_per_character=9.0)


def plain(*drop: str, **settings: object) -> CleanConfig:
    return dataclasses.replace(PLAIN, drop=list(drop), **settings)


def kept(folder: Path) -> list[list[str]]:
    return [each for part in sorted(folder.glob("part-*")) for each in readable.read(part)]


@pytest.fixture
def families(tmp_path):
    """150 documents: 25 families of 6, whose members differ in 0 to 5 random words."""
    documents = readable.mutated_corpus(families=25, members=6)
    middle = len(documents) // 3
    readable.write(tmp_path / "in/a.txt", documents[:middle])
    readable.write(tmp_path / "in/b.txt", documents[middle:])
    return tmp_path, documents


def test_exactly_compared_near_duplicates_are_those_of_brute_force(families):
    folder, documents = families
    config = plain("near", compare="exact")
    result = clean([str(folder / "in")], str(folder / "out"), config, workers=1)
    pairs = readable.similar_pairs([" ".join(each) for each in documents], 0.8)
    roots = readable.clusters(len(documents), pairs)
    expected = [each for number, each in enumerate(documents) if roots[number] == number]
    assert 30 < len(expected) < 130  # both kinds abound
    found = kept(folder / "out")
    # Candidates are missed now and then, none is taken for similar that is not.
    assert all(each in found for each in expected)
    assert len(found) <= len(expected) + 0.05 * (len(documents) - len(expected))
    near, exact = result.criteria["near"]["documents"], result.criteria["exact"]["documents"]
    assert near + exact == result.dropped["documents"] == len(documents) - len(found)


def test_estimates_find_the_clearly_similar_and_no_others(families):
    folder, documents = families
    clean([str(folder / "in")], str(folder / "out"), plain("near"), workers=1)
    texts = [" ".join(each) for each in documents]
    sure = readable.clusters(len(texts), readable.similar_pairs(texts, 0.9))
    possible = readable.clusters(len(texts), readable.similar_pairs(texts, 0.65))
    found = {tuple(each) for each in kept(folder / "out")}
    for number, each in enumerate(documents):
        if sure[number] != number:
            assert tuple(each) not in found or texts.index(texts[number]) != number
        if possible[number] == number:
            assert tuple(each) in found


@pytest.mark.parametrize("near", [0.5, 0.95])
def test_other_thresholds(families, near):
    folder, documents = families
    config = plain("near", near=near, compare="exact")
    clean([str(folder / "in")], str(folder / "out"), config, workers=1)
    pairs = readable.similar_pairs([" ".join(each) for each in documents], near)
    roots = readable.clusters(len(documents), pairs)
    expected = [each for number, each in enumerate(documents) if roots[number] == number]
    found = kept(folder / "out")
    assert all(each in found for each in expected)
    assert len(found) <= len(expected) + 0.05 * (len(documents) - len(expected))


def test_scripts_without_spaces_are_compared_by_characters(tmp_path):
    chinese = "他们在河边的小镇上开了一家很小的书店每天早晨都有许多孩子来看书晚上才回家去吃饭"
    thai = "เมื่อวานนี้เด็กหลายคนเดินไปที่ตลาดริมแม่น้ำเพื่อซื้อผลไม้และดอกไม้ให้แม่ของพวกเขา"
    documents = [[chinese], [thai], [chinese.replace("饭", "面") + "。"], [thai + "."],
                 [chinese[::-1]], [thai[:20]]]  # fmt: skip
    readable.write(tmp_path / "in.txt", documents)
    result = clean([str(tmp_path / "in.txt")], str(tmp_path / "out"), plain("near"), workers=1)
    assert kept(tmp_path / "out") == [[chinese], [thai], [chinese[::-1]], [thai[:20]]]
    assert result.criteria["near"]["documents"] == 2
    # Their density is that of no script with spaces, and no fault.
    report = clean([str(tmp_path / "in.txt")], config=CleanConfig(), workers=1)
    assert report.criteria["density"]["documents"] == 0


def test_copies_differ_at_most_in_case_and_spacing(tmp_path):
    documents = [["A b c.", "D e f."], ["a B  c.", "d e f."], ["a b c. d e f."], ["a b c, d e f."]]
    readable.write(tmp_path / "in.txt", documents)
    result = clean([str(tmp_path / "in.txt")], str(tmp_path / "out"), plain("exact"), workers=1)
    assert kept(tmp_path / "out") == [documents[0], documents[3]]
    assert result.criteria["exact"]["documents"] == 2
    place = f"{tmp_path / 'in.txt'}"
    assert result.criteria["exact"]["examples"][0] == {
        "document": f"{place}:4", "original": {"document": f"{place}:1"},
    }  # fmt: skip


def test_the_first_copy_that_nothing_else_drops_is_kept(tmp_path):
    sentence = "the quick brown fox jumps over the lazy dog and runs away into the wood"
    test = "while nobody looks at it at all from the window of the old house"
    readable.write(tmp_path / "test.txt", [[test]])
    documents = [[sentence, test], [sentence, "And then."], [sentence, "And so."]]
    readable.write(tmp_path / "in.txt", [[*each, *["More of it."] * 3] for each in documents])
    config = plain("near", "overlap", near=0.3, against=[str(tmp_path / "test.txt")])
    clean([str(tmp_path / "in.txt")], str(tmp_path / "out"), config, workers=1)
    assert [each[1] for each in kept(tmp_path / "out")] == ["And then."]


def test_repeated_lines_go_and_documents_that_go_do_not_take_them_along(tmp_path):
    line, other = "This line is long enough to count.", "Another line that is long enough."
    documents = [["#", line], [line, "Short."], [other, line, "Short."], [line]]
    readable.write(tmp_path / "in.txt", documents)
    config = dataclasses.replace(plain("lines", "symbols"), max_symbols_per_word=0.05)
    result = clean([str(tmp_path / "in.txt")], str(tmp_path / "out"), config, workers=1)
    # The first document goes for its symbol; the first line that stays is that of the second.
    assert kept(tmp_path / "out") == [[line, "Short."], [other, "Short."]]
    assert result.criteria["lines"]["lines"] == 2
    assert result.criteria["lines"]["examples"][0] == {
        "line": f"{tmp_path / 'in.txt'}:8", "repeats": f"{tmp_path / 'in.txt'}:4",
    }  # fmt: skip


def small_portions(patch: pytest.MonkeyPatch) -> None:
    """Sizes at which a small corpus goes through everything that a large one does."""
    patch.setattr(duplicates, "RANGE", 20)
    patch.setattr(duplicates, "CANDIDATES", 5)
    patch.setattr(survey, "PIECE_DOCUMENTS", 8)
    patch.setattr(blocks.read_blocks, "__defaults__", (300,))


@given(
    st.lists(
        st.lists(st.sampled_from(["a b c d e", "b c d e f", "c d e f g", "x"]), min_size=1,
                 max_size=6), min_size=1, max_size=25)
)  # fmt: skip
@settings(max_examples=6)
def test_nothing_depends_on_how_the_work_is_cut(tmp_path_factory, documents):
    folder = tmp_path_factory.mktemp("cut")
    half = len(documents) // 2
    readable.write(folder / "in/a.txt", documents[:half]).open("a").close()
    readable.write(folder / "in/b.txt", documents[half:])
    config = dataclasses.replace(PLAIN, near=0.5, line_words=2)
    whole = clean([str(folder / "in")], config=config, workers=1, examples=9)
    with pytest.MonkeyPatch.context() as patch:
        small_portions(patch)
        cut = clean([str(folder / "in")], config=config, workers=1, examples=9)
    ignored = {"seconds": 0, "scratch_bytes": 0}
    assert dataclasses.replace(cut, **ignored) == dataclasses.replace(whole, **ignored)


def test_a_large_group_is_compared_in_portions(families, monkeypatch):
    folder, documents = families
    small_portions(monkeypatch)
    readable.write(folder / "one.txt", [[f"{documents[0][0]} {n}"] for n in range(40)])
    result = clean([str(folder / "one.txt")], config=plain(near=0.6), workers=1)
    assert result.criteria["near"]["documents"] == 39


@pytest.mark.slow
def test_output_is_the_same_for_any_number_of_workers(families, monkeypatch):
    folder, _ = families
    monkeypatch.setattr(results, "_SHARED_DOCUMENTS", 0)
    monkeypatch.setattr(duplicates, "RANGE", 50)
    found = []
    for workers in (1, 2, 3):
        out = folder / f"out{workers}"
        result = clean(
            [str(folder / "in")], str(out), plain("near", "lines"), workers=workers,
            listing=str(folder / f"listing{workers}"),
        )  # fmt: skip
        same = dataclasses.replace(result, output="", seconds=0, scratch_bytes=0)
        found.append((same, blobs(out), (folder / f"listing{workers}").read_bytes()))
    assert found[0] == found[1] == found[2]
    assert found[0][2]


def test_what_nothing_is_dropped_from_keeps_its_bytes(tmp_path):
    text = b"\n\nOne a.\r\n  Two b. \n\n\n \nThree c.\n\t\nFour d."
    (tmp_path / "in.txt").write_bytes(text)
    config = plain("exact", "lines", line_words=1)
    clean([str(tmp_path / "in.txt")], str(tmp_path / "out"), config, workers=1)
    assert (tmp_path / "out/part-00000-of-00001.txt").read_bytes() == text


@given(st.text("ab \n\n\r.", max_size=40), st.booleans())
@settings(max_examples=15)
def test_what_is_kept_reads_like_the_input(tmp_path_factory, text, lines):
    folder = tmp_path_factory.mktemp("kept")
    (folder / "in.txt").write_bytes(text.encode())
    config = plain("exact", *(["lines"] if lines else []), line_words=1)
    expected = []
    seen: set[str] = set()
    seen_lines: set[str] = set()
    for document in read_documents(str(folder / "in.txt")):
        key = " ".join(" ".join(document.sentences).casefold().split())
        if key in seen:
            continue
        seen.add(key)
        sentences = []
        for each in document.sentences:
            line = " ".join(each.casefold().split())
            if not lines or line not in seen_lines or not readable.words(each):
                sentences.append(each)
            seen_lines.add(line)
        if sentences:
            expected.append(tuple(sentences))
    if not seen:
        with pytest.raises(DataError, match="no documents"):
            clean([str(folder / "in.txt")], str(folder / "out"), config, workers=1)
        return
    result = clean([str(folder / "in.txt")], str(folder / "out"), config, workers=1)
    part = folder / "out/part-00000-of-00001.txt"
    assert [each.sentences for each in read_documents(str(part))] == expected
    assert result.kept["documents"] == len(expected)
    assert result.kept["sentences"] == sum(map(len, expected))
    assert result.kept["bytes"] == part.stat().st_size


def test_an_interrupted_run_goes_on_to_the_same_bytes(families, monkeypatch):
    folder, _ = families
    given_ = ([str(folder / "in")], str(folder / "out"), plain("near"))
    clean([str(folder / "in")], str(folder / "whole"), plain("near"), workers=1)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        from bertkit.corpus.cleaning import write

        noted_writes(patch, write, stop_at=2)
        clean(*given_, workers=1)
    first = "part-00000-of-00002.txt"
    before = identities(folder / "out", [first])
    assert (folder / "out/.notes").is_dir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(survey, "_survey", None)  # nothing is surveyed, or compared, again
        patch.setattr(duplicates, "_near_pairs", None)
        result = clean(*given_, workers=1)
    assert identities(folder / "out", [first]) == before
    assert not (folder / "out/.notes").exists()
    assert blobs(folder / "out") == blobs(folder / "whole")
    again = clean(*given_, workers=1)
    assert again.up_to_date
    assert dataclasses.replace(again, up_to_date=False, seconds=result.seconds) == result


def test_a_report_and_the_run_that_follows_share_their_scratch(families, monkeypatch):
    folder, _ = families
    scratch = str(folder / "scratch")
    report = clean([str(folder / "in")], config=plain(), workers=1, scratch=scratch)
    monkeypatch.setattr(survey, "_survey", None)
    monkeypatch.setattr(duplicates, "_near_pairs", None)
    result = clean(
        [str(folder / "in")], str(folder / "out"), plain("near"), workers=1, scratch=scratch
    )
    assert result.dropped["documents"] == sum(
        report.criteria[name]["documents"] for name in ("exact", "near")
    )
    assert not (folder / "out/.notes").exists()
    monkeypatch.undo()
    # Text that has changed since is surveyed again.
    readable.write(folder / "in/a.txt", [["Only one document of words."]] * 2)
    after = clean([str(folder / "in")], config=plain(), workers=1, scratch=scratch)
    assert after.documents == 2 + report.documents - 50


def test_names_beside_a_part_go_along(families):
    folder, documents = families
    names = [f"archive.tar!{n}.txt" for n in range(50)]
    beside = Path(names_beside(str(folder / "in/a.txt")))
    beside.write_text("".join(f"{name}\n" for name in names))
    result = clean([str(folder / "in")], str(folder / "out"), plain("near"), workers=1)
    part = folder / "out/part-00000-of-00002.txt"
    kept_names = Path(names_beside(str(part))).read_text().splitlines()
    whole = [tuple(each) for each in documents]
    assert kept_names == [names[whole.index(tuple(each))] for each in readable.read(part)]
    assert not Path(names_beside(str(folder / "out/part-00001-of-00002.txt"))).exists()
    assert {"name"} <= result.criteria["near"]["examples"][0].keys()
    beside.write_text("".join(f"{name}\n" for name in names[:-1]))
    with pytest.raises(DataError, match="names of its documents beside it do not fit"):
        clean([str(folder / "in")], str(folder / "out2"), plain("near"), workers=1)


def test_the_listing_names_every_document(families):
    folder, _ = families
    listing = folder / "listing.jsonl"
    result = clean([str(folder / "in")], config=plain(), workers=1, listing=str(listing))
    found = [json.loads(line) for line in listing.read_text().splitlines()]
    for name in ("exact", "near"):
        hits = [each for each in found if name in each["criteria"]]
        assert len(hits) == result.criteria[name]["documents"]
        assert all(each["original"] != each["document"] for each in hits)


def test_folders_that_do_not_go_together_are_refused(tmp_path):
    path = str(readable.write(tmp_path / "in.txt", [["One two."]] * 2))
    for output, drop, more in (
        ("out", (), {}),
        ("", ("exact",), {}),
        ("", (), {"scratch": "s3://bucket/x"}),
        ("", (), {"executor": "dask", "scheduler": "tcp://host:1"}),
        ("s3://bucket/x", ("exact",), {"executor": "dask", "scheduler": "tcp://host:1"}),
    ):
        with pytest.raises(UsageError):
            clean([path], output and f"{output}", plain(*drop), **more)
    with pytest.raises(DataError, match="every one of 2 documents would be dropped"):
        clean([path], str(tmp_path / "out"), CleanConfig(drop=["short"]), workers=1)
    assert not list((tmp_path / "out").glob("part*"))
    with pytest.raises(DataError, match="not UTF-8 at byte 5"):
        (tmp_path / "bad.txt").write_bytes(b"abc\n\n\xff\n")
        clean([str(tmp_path / "bad.txt")], config=plain(), workers=1)


def test_the_manifest_says_what_was_dropped_and_from_what(families):
    folder, _ = families
    clean([str(folder / "in")], str(folder / "out"), plain("near"), workers=1)
    manifest = read_manifest(folder / "out")
    assert manifest.command == "clean" and manifest.complete
    assert manifest.config["drop"] == ["exact", "near"]
    assert [Path(entry["path"]).name for entry in manifest.inputs] == ["a.txt", "b.txt"]
    facts = manifest.outputs["part-00000-of-00002.txt"]
    assert facts["documents"] + facts["dropped"] == 50
    assert facts["raw_bytes"] == (folder / "in/a.txt").stat().st_size
    with pytest.raises(DataError, match="was made by another run"):
        clean([str(folder / "in")], str(folder / "out"), plain("exact"), workers=1)


def test_the_plan_estimates_the_scratch_folder(families):
    folder, documents = families
    planned = clean_corpus.plan([str(folder / "in")], "", plain())
    result = clean([str(folder / "in")], config=plain(), workers=1)
    per_line = 16 * result.lines
    each = (result.scratch_bytes - per_line) / len(documents)
    # A small corpus pays for headers of files.
    assert each / 2 < planned["scratch_bytes_per_document"] <= each
