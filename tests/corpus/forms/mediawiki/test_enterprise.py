from __future__ import annotations

import gzip
import io
import json
import tarfile

import pytest

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.document import Noticed, RawDocument, Rejected, Skipped
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.forms.detect import detect_form
from bertkit.corpus.forms.wikimedia_html import FORM, begins_with_article
from corpus.forms import reading


def record(number: int, document: str | None = None, namespace: int = 0, **more) -> dict:
    """An article with the keys, in the order, of the dumps."""
    return {
        "name": f"Title {number}",
        "identifier": number,
        "date_modified": "2023-11-01T00:00:00Z",
        "version": {"identifier": 1180000000 + number, "comment": "c", "is_minor_edit": True},
        "url": f"https://fr.wikipedia.org/wiki/Title_{number}",
        "namespace": {"identifier": namespace},
        "in_language": {"identifier": "fr"},
        "main_entity": {"identifier": f"Q{number}"},
        "categories": [{"name": "Catégorie:X", "url": "https://fr.wikipedia.org/wiki/C"}],
        "templates": [{"name": "Modèle:Unité", "url": "https://fr.wikipedia.org/wiki/M"}] * 3,
        "is_part_of": {"identifier": "frwiki"},
        "article_body": {
            "html": document or f"<html><body><p>Élevé de {number} m.</p><p>Fin.</p></body></html>",
            "wikitext": f"Élevé de {{{{unité|{number}|m}}}}.\n\nFin.",
        },
        "license": [{"identifier": "CC-BY-SA-4.0"}],
        **more,
    }


def ndjson(*values) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def test_kinds_of_lines(tmp_path):
    redirect = '<html><body><link rel="mw:PageProp/redirect" href="./X"/></body></html>'
    blob = ndjson(record(1), record(2, redirect), record(3, namespace=14))
    blob += b"{broken\n\n\xff\n" + ndjson({"name": "x"}, record(4))
    path = reading.write(tmp_path, "frwiki_0.ndjson", blob)
    assert detect_form(path) is FORM
    found = list(FORM.documents(path))
    assert found[0] == Noticed("wiki", "frwiki (fr)")
    assert found[1] == RawDocument("1 (Title 1)", "Title 1", "Élevé de 1 m.\n\nFin.")
    assert found[2:4] == [Skipped("redirect"), Skipped("other namespace")]
    assert [type(item) for item in found[4:7]] == [Rejected] * 3
    assert found[4].id.endswith(":4")
    assert found[7].title == "Title 4"
    assert len(found) == 8
    assert isinstance(reading.read(FORM, path, 300)[0], Rejected)
    assert reading.read(FORM, path, namespaces=(14,))[2].title == "Title 3"


def test_recognised_by_its_keys():
    line = ndjson(record(1))
    assert begins_with_article(line)
    # The body may begin beyond what is looked at.
    assert begins_with_article(line[: line.index(b'"article_body"')])
    assert not begins_with_article(b'{"text": "a", "version": {"namespace": 1}}')
    assert not begins_with_article(b'["article_body"]')


@pytest.mark.parametrize("workers", [1, 2])
def test_extract_gives_the_text_of_every_article(tmp_path, workers):
    blob = ndjson(*(record(number) for number in range(1, 40)))
    path = tmp_path / "frwiki_0.ndjson.gz"
    path.write_bytes(gzip.compress(blob))
    config = ExtractConfig(splitter="lines")
    result = extract([str(path)], str(tmp_path / "out"), config, workers=workers)
    assert (result.documents, result.rejected) == (39, 0)
    assert result.noticed == {"wiki": {"frwiki (fr)": [1, ""]}}
    assert (tmp_path / "out/part-00000-of-00001.txt").read_text().startswith("Élevé de 1 m.\nFin.")


def test_an_archive_as_it_is_downloaded(tmp_path):
    """Several files in one tar.gz, each detected by itself."""
    path = tmp_path / "frwiki-NS0-20231101-ENTERPRISE-HTML.json.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for number in (1, 2):
            blob = ndjson(record(number), record(number + 10))
            member = tarfile.TarInfo(f"frwiki_namespace_0_{number}.ndjson")
            member.size = len(blob)
            archive.addfile(member, io.BytesIO(blob))
    config = ExtractConfig(splitter="lines")
    result = extract([str(path)], str(tmp_path / "out"), config, workers=1)
    assert (result.documents, result.rejected) == (4, 0)
    text = (tmp_path / "out/part-00000-of-00001.txt").read_text()
    assert text.split("\n\n")[1] == "Élevé de 11 m.\nFin."
