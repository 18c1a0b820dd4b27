from __future__ import annotations

import gzip
import io
import tarfile

import pytest

from bertkit.corpus.forms.detect import detect_form
from bertkit.errors import DataError
from bertkit.manifest import Manifest
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


def test_archives_are_refused_with_what_to_do_and_dumps_are_known(shared):
    with pytest.raises(DataError, match="archive") as caught:
        detect_form(str(shared / "data/multilingual/udhr2.zip"))
    assert caught.value.hint
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
