from __future__ import annotations

import gzip
import io
import tarfile

import pytest

from bertkit.corpus.document import Noticed, Rejected, Treatment
from bertkit.corpus.forms.detect import detect, detect_form, given_form, read_member
from bertkit.corpus.forms.form import ReadOptions
from bertkit.corpus.raw_file import RawFile
from bertkit.errors import NotTextError
from bertkit.manifests.manifest import Manifest
from corpus.forms.reading import write


def test_forms_are_recognised(tmp_path, shared):
    assert detect_form(str(shared / "data/mlperf_sample/wiki_00")).name == "wikiextractor"
    assert detect_form(write(tmp_path, "a.jsonl", b"")).name == "jsonl"
    assert detect_form(write(tmp_path, "a.jsonl.gz", gzip.compress(b"x"))).name == "jsonl"
    assert detect_form(write(tmp_path, "wiki", b'\n{"text": "x"}\n')).name == "jsonl"
    assert detect_form(write(tmp_path, "a.txt", b"{not json}\n")).name == "text"
    assert detect_form(write(tmp_path, "b.txt", b"plain\n")).name == "text"
    assert detect_form(write(tmp_path, "empty", b"")).name == "text"


def test_own_output_is_recognised_as_sentences(tmp_path):
    path = write(tmp_path, "split/train/part-00000-of-00001.txt", b"A.\nB.\n")
    Manifest("split", {}, state="complete").write(tmp_path / "split")
    assert detect_form(path).name == "sentences"


def test_tar_is_recognised_also_inside_xz(shared):
    assert detect_form(str(shared / "data/owt/mini/openwebtext.tar.xz")).name == "tar"


def test_archives_and_dumps_are_known_and_others_refused_with_what_to_do(tmp_path, shared):
    assert detect_form(str(shared / "data/multilingual/udhr2.zip")).name == "zip"
    with pytest.raises(NotTextError, match="looks like a 7z archive") as caught:
        detect_form(write(tmp_path, "a.txt", b"7z\xbc\xaf\x27\x1c\0\4"))
    assert "unpack it" in caught.value.hint
    for name in (shared / "data/wikidump").iterdir():
        assert detect_form(str(name)).name == "mediawiki"


def test_archive_whose_first_member_is_named_like_a_dump_is_an_archive(tmp_path):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("<mediawiki>.txt"))
    assert detect_form(write(tmp_path, "a.tar", out.getvalue())).name == "tar"


def test_content_counts_before_the_ending_of_the_name(tmp_path):
    article = b'<doc id="1" title="A">\nA\n</doc>\n'
    assert detect_form(write(tmp_path, "a", article)).name == "wikiextractor"
    assert detect_form(write(tmp_path, "a.ndjson", article)).name == "wikiextractor"


def test_what_a_manifest_lists_is_what_its_command_wrote_whatever_it_looks_like(tmp_path):
    row = b'{"text": "a sentence of somebody"}\n'
    paths = [write(tmp_path, f"docs/{name}", row) for name in ("part.txt", "other.txt")]
    manifest = Manifest("extract", {}, state="complete", outputs={"part.txt": {}})
    manifest.write(tmp_path / "docs")
    assert [detect_form(path).name for path in paths] == ["sentences", "jsonl"]
    assert detect(RawFile.of(paths[0])).reason == "bertkit extract wrote it"


def test_a_given_form_is_that_of_the_members_of_an_archive(tmp_path):
    out = io.BytesIO()
    blob = b"One.\n\nTwo.\n"
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("a.txt")
        info.size = len(blob)
        archive.addfile(info, io.BytesIO(blob))
    file = RawFile.of(write(tmp_path, "a.tar.gz", gzip.compress(out.getvalue())))
    form = given_form(file, "documents")
    assert form.name == "tar"
    noticed, *found = form.documents(file, ReadOptions(form="documents"))
    assert isinstance(noticed, Noticed) and (noticed.kind, noticed.name) == ("member", "documents")
    texts = [document.text for document in found]
    assert texts == ["One.\n", "Two.\n"]
    assert given_form(RawFile.of(write(tmp_path, "b", blob)), "documents").name == "documents"


def test_members_keep_the_treatment_of_their_form():
    blob = b'<doc id="1" title="A">\nA\n\nx &lt; y\n</doc>\n'
    noticed, found = read_member(RawFile.of_stream(io.BytesIO(blob), "a!b"), ReadOptions())
    assert noticed == Noticed("member", "wikiextractor", "a!b")
    assert found.treatment == Treatment(titled=True, escaped=True)
    (bad,) = read_member(RawFile.of_stream(io.BytesIO(b"%PDF-1.4\n"), "a!c"), ReadOptions())
    assert bad == Rejected("a!c", "looks like a PDF document")
