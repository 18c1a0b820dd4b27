from __future__ import annotations

import bz2

import pytest

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.wikiextractor import FORM
from corpus.forms.reading import read


def write(tmp_path, blob: bytes) -> str:
    path = tmp_path / "wiki_00"
    path.write_bytes(blob)
    return str(path)


@pytest.mark.parametrize("name", ["wiki_00", "wiki_01"])
def test_real_file_is_taken_apart_without_loss(shared, name):
    path = shared / "data/mlperf_sample" / name
    blob = path.read_bytes()
    found = read(FORM, path)
    assert all(isinstance(item, RawDocument) for item in found)
    assert len(found) == blob.count(b"<doc id=")
    heads = [line for line in blob.split(b"\n") if line.startswith(b"<doc id=")]
    rebuilt = b"".join(
        head + b"\n" + item.text.encode() + b"</doc>\n"
        for head, item in zip(heads, found, strict=True)
    )
    assert rebuilt == blob
    # Every article begins with its title: the form that `clean` relies on.
    assert all(item.text.split("\n")[0] == item.title for item in found)


def test_packed_file_reads_the_same(shared, tmp_path):
    path = shared / "data/mlperf_sample/wiki_00"
    packed = tmp_path / "wiki_00.bz2"
    packed.write_bytes(bz2.compress(path.read_bytes()))
    assert read(FORM, packed) == read(FORM, path)


def test_titles_with_quotation_marks_and_entities(tmp_path):
    head = '<doc id="7" revid="9" url="u?a=1" title="The "X" &amp; <y>">\n'
    (item,) = read(FORM, write(tmp_path, head.encode() + b"text\n</doc>\n"))
    assert (item.id, item.title, item.text) == ("7", 'The "X" & <y>', "text\n")


def test_unclosed_articles_are_named_and_the_next_is_read(tmp_path):
    blob = b'<doc id="1" title="a">\nx\n<doc id="2" title="b">\ny\n</doc>\n<doc id="3">\nz'
    first, second, third = read(FORM, write(tmp_path, blob))
    assert isinstance(first, Rejected)
    assert "(id 1)" in first.id
    assert "next <doc" in first.reason
    assert second == RawDocument("2", "b", "y\n")
    assert "end of the file" in third.reason


def test_bad_utf8_costs_one_article_and_names_the_byte(tmp_path):
    blob = b'<doc id="1" title="a">\nx \xc3( y\n</doc>\n<doc id="2" title="b">\nok\n</doc>\n'
    path = write(tmp_path, blob)
    bad, good = read(FORM, path)
    byte = blob.index(b"\xc3")
    assert bad == Rejected(f"{path}:1 (id 1)", f"not UTF-8 at byte {byte} of {path}")
    assert good.text == "ok\n"


def test_article_above_the_limit_is_rejected_without_keeping_it(tmp_path):
    blob = b'<doc id="1">\n' + b"x" * 5_000_000 + b'\n</doc>\n<doc id="2">\nok\n</doc>\n'
    big, good = read(FORM, write(tmp_path, blob), 1_000_000)
    assert "5,000,001 bytes" in big.reason
    assert good.text == "ok\n"


def test_text_outside_articles_and_inline_doc_tags(tmp_path):
    blob = b'junk\n<doc id="1">\na <doc b\n x</doc>\n</doc>\njunk\n'
    (item,) = read(FORM, write(tmp_path, blob))
    assert item.text == "a <doc b\n x</doc>\n"


@pytest.mark.parametrize("value", ["a" * 300_000, 'a="b' * 100_000])
def test_a_damaged_beginning_takes_no_longer_than_its_length(tmp_path, value):
    """From each of its characters to its end would take hours."""
    blob = f'<doc id="1" {value}\nwords\n</doc>\n'.encode()
    (item,) = read(FORM, write(tmp_path, blob))
    assert item.text == "words\n"
