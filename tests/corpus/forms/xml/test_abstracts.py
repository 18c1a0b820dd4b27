from __future__ import annotations

import gzip

import pytest

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.document import RawDocument, Rejected, Skipped
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.forms.detect import detect_form
from bertkit.corpus.forms.pubmed import FORM as PUBMED
from bertkit.errors import DataError
from corpus.forms.reading import read


def test_own_chain_gives_sentences_and_counts_deleted_records(shared, tmp_path):
    source = shared / "data/pubmed/baseline_other/pubmed20n1016.xml.gz"
    result = extract([str(source)], str(tmp_path / "out"), ExtractConfig(), workers=1)
    # 26 articles, one without an abstract; 260 deletions (see the reference's blank lines).
    found = read(PUBMED, source)
    deleted = sum(item == Skipped("deleted") for item in found)
    assert result.skipped["deleted"] == deleted > 200
    assert result.documents == sum(isinstance(item, RawDocument) for item in found)
    assert result.sentences > 5 * result.documents


def record(body: str) -> str:
    return (
        "<PubmedArticle><MedlineCitation><PMID>7</PMID><Article><Abstract><AbstractText>"
        f"{body}</AbstractText></Abstract></Article></MedlineCitation></PubmedArticle>"
    )


def test_damaged_record_costs_itself_alone(tmp_path):
    text = "This sentence is long enough to be kept."
    rows = [record(text), record("a & b"), record("&lol;"), record("x" * 2000), record(text)]
    bomb = '<!DOCTYPE x [<!ENTITY lol "ha">]>'
    blob = f"<?xml version='1.0'?>{bomb}<PubmedArticleSet>{''.join(rows)}".encode()
    path = tmp_path / "a.xml.gz"
    path.write_bytes(gzip.compress(blob + record("\udcff").encode("utf-8", "surrogateescape")))
    assert detect_form(str(path)).name == "pubmed"
    found = read(PUBMED, path, 1000)
    kinds = [type(item).__name__ for item in found]
    assert kinds == ["RawDocument", "Rejected", "Rejected", "Rejected", "RawDocument", "Rejected"]
    assert [item.text for item in found if isinstance(item, RawDocument)] == [text, text]


def test_cut_off_file_is_one_clear_error(shared, tmp_path):
    blob = (shared / "data/pubmed/baseline/pubmed26n1334.xml.gz").read_bytes()
    path = tmp_path / "a.xml.gz"
    path.write_bytes(blob[:-500])
    with pytest.raises(DataError, match="truncated"):
        read(PUBMED, path)


def texts(found) -> list[str]:
    return [item.text for item in found if isinstance(item, RawDocument)]


def record_set(*records: str, root: str = "PubmedArticleSet") -> str:
    return f"<{root}>{''.join(records)}</{root}>"


def test_medline_files_of_before_2017(shared):
    path = shared / "data/reports/06-medline-2016/medline16n0001.xml"
    assert detect_form(str(path)).name == "pubmed"
    first, second = read(PUBMED, path)
    assert (first.id, first.title) == ("11", "A title.")
    assert first.text.endswith("Activity rose with temperature.")
    assert second.text.startswith("We measured blood pressure")


def test_all_character_data_is_kept(shared):
    found = read(PUBMED, shared / "data/reports/10-pubmed-nested/p.xml")
    kept = texts(found)
    assert kept[0] == ("The species Homo sapiens lives. We used 10-3 M of H2O in all of the runs.")
    assert kept[1].split("\n\n") == [
        "Patient: Female, 16",  # bold after bold is two lines
        "Final Diagnosis: Pelvic mass",
        "Anomalies of this kind cover a wide variety of malformations.",
        "Mortality fell by half.",
        "No effect was seen.",
    ]
    assert kept[2] == "The mean is x=42 in this very long sample sentence."
    assert kept[3] == "Short one."
    assert "Copyright" not in "".join(kept)
    # A record of a book, and what is left out by design.
    assert kept[-1] == "This is the abstract of a book chapter about fevers in adults."
    kinds = [item.kind for item in found if isinstance(item, Skipped)]
    assert kinds == ["no abstract", "no abstract", "other abstract", "no abstract", "deleted"]


def test_short_sentences_reach_the_output(shared, tmp_path):
    source = str(shared / "data/reports/10-pubmed-nested/p.xml")
    config = ExtractConfig(splitter="lines")
    assert extract([source], str(tmp_path / "own"), config, workers=1).skipped["deleted"] == 1
    own = (tmp_path / "own/part-00000-of-00001.txt").read_text()
    assert "\nMortality fell by half.\nNo effect was seen.\n" in own
    # The exact chain keeps its reference's losses.
    extract([source], str(tmp_path / "exact"), ExtractConfig(chain="cerebras"), workers=1)
    exact = (tmp_path / "exact/part-00000-of-00001.txt").read_text()
    assert "Mortality fell" not in exact
    assert "The species Homo  lives. We used 10- M" in exact


TEXT = "L\u00e9sions du myocarde chez le rat adulte."


@pytest.mark.parametrize(
    ("declared", "coding"),
    [
        ("ISO-8859-1", "latin-1"),
        ("iso-8859-15", "latin-1"),
        ("windows-1252", "cp1252"),
        ("UTF-16", "utf-16"),
        ("UTF-16", "utf-16-le"),
        ("UTF-16BE", "utf-16-be"),
        ("UTF-32", "utf-32"),
        ("utf-8", "utf-8-sig"),
        ("UTF-16", "utf-8"),  # a declaration that cannot be true
        ("GB18030", "gb18030"),
    ],
)
def test_declared_encodings(tmp_path, declared, coding):
    text = f'<?xml version="1.0" encoding="{declared}"?>\n' + record_set(
        record(TEXT), record("Two.")
    )
    path = tmp_path / "a.xml"
    path.write_bytes(text.encode(coding))
    assert PUBMED.signature(path.read_bytes()[:1024])
    assert texts(read(PUBMED, path)) == [TEXT, "Two."]


def test_what_cannot_be_decoded_costs_its_record(tmp_path):
    text = f'<?xml version="1.0" encoding="ascii"?>{record_set(record(TEXT), record("Two."))}'
    (tmp_path / "a.xml").write_bytes(text.encode())
    found = read(PUBMED, tmp_path / "a.xml")
    assert [type(item).__name__ for item in found] == ["Rejected", "RawDocument"]


def test_an_unknown_encoding_is_named(tmp_path):
    for name in ("x-nothing", "rot13", "punycode"):
        text = f'<?xml version="1.0" encoding="{name}"?>{record_set(record("One."))}'
        (tmp_path / "a.xml").write_text(text)
        with pytest.raises(DataError, match=f"encoding {name}") as caught:
            read(PUBMED, tmp_path / "a.xml")
        assert caught.value.exit_code == 3


def test_real_samples_keep_more_than_the_reference(shared):
    from bertkit.corpus.chains.cerebras_pubmed import read_reference

    for path in sorted((shared / "data/pubmed").rglob("pubmed*.xml*")):
        if path.suffix == ".md5":
            continue
        found = read(PUBMED, path)
        assert not [item for item in found if isinstance(item, Rejected)]
        reference = list(read_reference(str(path), "pubmed", 64_000_000))
        ours = {item.id: item.text for item in found if isinstance(item, RawDocument)}
        theirs = {item.id: item.text for item in reference if isinstance(item, RawDocument)}
        assert ours.keys() == theirs.keys()
        for name, text in theirs.items():
            # Labels are the only words of the reference that are not ours.
            lost = set(text.split()) - set(ours[name].split())
            assert len(lost) <= 0.2 * len(set(text.split())) or len(text) < 100


def test_a_record_nested_very_deep_is_taken_or_named(tmp_path):
    depth = 50_000
    deep = "<i>" * depth + "x" + "</i>" * depth
    (tmp_path / "a.xml").write_text(record_set(record(deep), record("Two.")))
    assert texts(read(PUBMED, tmp_path / "a.xml"))[-1] == "Two."


def test_records_may_carry_attributes_and_stand_in_comments_of_any_length(tmp_path):
    body = record("One.").replace("<PubmedArticle>", '<PubmedArticle status="x">')
    comment = f"<!-- {'long ' * 1000} -->\n<!DOCTYPE PubmedArticleSet [<!ELEMENT a (#PCDATA)>]>"
    text = f'<?xml version="1.0"?>{comment}{record_set(body, "<PubmedArticle/>", record("Two."))}'
    (tmp_path / "a.xml").write_text(text)
    assert PUBMED.signature(text.encode())
    assert texts(read(PUBMED, tmp_path / "a.xml")) == ["One.", "Two."]
