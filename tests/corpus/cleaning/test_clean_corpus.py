"""Whole runs: what is found and kept, against brute force in plain Python."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bertkit.corpus.cleaning import clean_corpus, duplicates, findings, survey
from bertkit.corpus.cleaning.clean_corpus import clean_corpus as clean
from bertkit.corpus.cleaning.config import CleanConfig
from bertkit.errors import DataError, UsageError
from bertkit.manifests.manifest import read_manifest
from corpus.cleaning import readable
from corpus.cleaning.readable import plain
from corpus.stopping import blobs, identities, noted_writes


def kept(folder: Path) -> list[list[str]]:
    return [each for part in sorted(folder.glob("part-*")) for each in readable.read(part)]


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


@pytest.mark.slow
@pytest.mark.long
def test_output_is_the_same_for_any_number_of_workers(families, monkeypatch):
    folder, _ = families
    monkeypatch.setattr(findings, "_SHARED_DOCUMENTS", 0)
    monkeypatch.setattr(duplicates, "RANGE", 50)
    monkeypatch.setattr(duplicates, "SMALL", 0)
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
