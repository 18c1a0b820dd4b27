"""gdown itself, against a server on loopback that plays Google Drive's pages."""

from __future__ import annotations

import hashlib
import random
import sys
from urllib.parse import urlsplit

import pytest

from bertkit.corpus.download import google_drive
from bertkit.corpus.download.catalogue import RemoteFile, Source, catalogue
from bertkit.corpus.download.download import download
from bertkit.corpus.download.google_drive import is_drive
from bertkit.corpus.download.http import Settings, fetch
from bertkit.errors import BertkitError, DataError, MissingDependencyError
from corpus.conftest import fail, ranged, send

requests = pytest.importorskip("requests")
BODY = random.Random(3).randbytes(1_300_000)
ID = "1EA5V0oetDCOke7afsktL_JDQ-ETtNOvx"
FOLDER = "1oQF4diVHNPCclykwdvQJw8n_VIWwV0PT"
LINK = f"https://drive.google.com/uc?id={ID}"
CONFIRM = f"""<html><form id="download-form" action="https://drive.usercontent.google.com/download">
<input type="hidden" name="id" value="{ID}"><input type="hidden" name="confirm" value="t">
</form></html>""".replace("\n", "")
CONTENT = f"/download?id={ID}&confirm=t"
PATIENCE = Settings(retries=0, timeout=600)


@pytest.fixture(autouse=True)
def loopback(server, monkeypatch):
    """Requests to any host go to the server of the test."""
    pytest.importorskip("gdown")
    real = requests.adapters.HTTPAdapter.send

    def rerouted(self, request, **more):
        asked = urlsplit(request.url)
        assert asked.hostname in ("drive.google.com", "drive.usercontent.google.com")
        place = f"{asked.path}?{asked.query}" if asked.query else asked.path
        request.url = f"http://127.0.0.1:{server.server_port}{place}"
        # A connection kept from the last request may be one that the server is closing.
        self.poolmanager.clear()
        return real(self, request, **more)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", rerouted)
    google_drive._listed.cache_clear()


def page(text: str):
    return send(text.encode(), etag="", Content_Type="text/html; charset=utf-8")


def attached(body: bytes, **more):
    """An answer as Drive gives it: a file to save, not a page."""
    real = ranged(body, **more)

    def behaviour(handler):
        headers = handler.send_header
        ended = handler.end_headers

        def end() -> None:
            headers("Content-Type", "application/octet-stream")
            headers("Content-Disposition", 'attachment; filename="x.bin"')
            ended()

        handler.end_headers = end
        real(handler)

    return behaviour


def item(url: str = LINK, body: bytes = BODY, name: str = "file.bin") -> RemoteFile:
    return RemoteFile(name, (url,), len(body), hashlib.md5(body).hexdigest())


def test_page_that_asks_first_is_passed_and_the_file_checked(server, tmp_path):
    server.url(f"/uc?id={ID}", page(CONFIRM))
    server.url(CONTENT, attached(BODY))
    facts = fetch(item(), tmp_path, PATIENCE)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert (facts["url"], facts["fetched_bytes"]) == (LINK, len(BODY))
    assert [path.name for path in tmp_path.iterdir()] == ["file.bin"]
    assert fetch(item(), tmp_path, PATIENCE)["fetched_bytes"] == 0
    assert len(server.seen) == 2


def test_next_call_goes_on_inside_the_file(server, tmp_path):
    server.url(f"/uc?id={ID}", attached(BODY, cut=700_000), attached(BODY))
    with pytest.raises(BertkitError, match="incomplete: received"):
        fetch(item(), tmp_path, PATIENCE)
    (part,) = tmp_path.iterdir()
    left = part.stat().st_size
    assert 0 < left <= 700_000
    facts = fetch(item(), tmp_path, PATIENCE)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert facts["fetched_bytes"] == len(BODY) - left
    assert server.seen[-1][1]["range"] == f"bytes={left}-"


def test_wrong_content_is_not_kept(server, tmp_path):
    server.url(f"/uc?id={ID}", attached(BODY[::-1]))
    with pytest.raises(DataError, match="md5"):
        fetch(item(), tmp_path, PATIENCE)
    assert list(tmp_path.iterdir()) == []


def test_limit_of_drive_is_one_line(server, tmp_path):
    quota = '<p class="uc-error-subcaption">Too many users have viewed this file recently.</p>'
    server.url(f"/uc?id={ID}", page(quota))
    with pytest.raises(BertkitError, match="Too many users") as caught:
        fetch(item(), tmp_path, PATIENCE)
    assert "\n" not in caught.value.message
    server.url(f"/uc?id={ID}", fail(404))
    with pytest.raises(BertkitError, match=LINK.replace("?", r"\?")):
        fetch(item(), tmp_path, PATIENCE)


def test_files_of_a_folder_are_found_by_name_and_listed_once(server, tmp_path):
    inner = "1" * 33
    entry = '<a href="https://drive.google.com/file/d/{}/view">{}</a>'
    deeper = f'<a href="https://drive.google.com/drive/folders/{inner}">tf1_ckpt</a>'
    top = entry.format(ID, "vocab.txt") + deeper + entry.format("3" * 33, "twice")
    server.url(f"/embeddedfolderview?id={FOLDER}", page(f"<title>MLPerf</title>{top}"))
    more = entry.format("2" * 33, "model.index") + entry.format("4" * 33, "twice")
    server.url(f"/embeddedfolderview?id={inner}", page(f"<title>tf1_ckpt</title>{more}"))
    server.url(f"/uc?id={ID}", attached(b"vocabulary"))
    server.url(f"/uc?id={'2' * 33}", attached(b"index"))
    link = f"https://drive.google.com/drive/folders/{FOLDER}"
    files = (item(link, b"vocabulary", "vocab.txt"), item(link, b"index", "tf1/model.index"))
    source = Source("demo", "text", "t", "l", "drive", files=files)
    download(source, str(tmp_path / "out"), settings=PATIENCE)
    assert (tmp_path / "out/tf1/model.index").read_bytes() == b"index"
    assert sum("embedded" in path for path, _ in server.seen) == 2
    for name, reason in (("other", "no other among its 4 files"), ("twice", "2 files named")):
        with pytest.raises(BertkitError, match=reason):
            fetch(item(link, b"", name), tmp_path, PATIENCE)


def test_missing_gdown_is_one_line_with_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gdown", None)
    source = Source("demo", "text", "t", "l", "drive", files=(item(),))
    with pytest.raises(MissingDependencyError, match=r"demo: file\.bin: .* gdown") as caught:
        download(source, str(tmp_path / "out"), settings=PATIENCE)
    assert caught.value.exit_code == 4
    assert caught.value.hint == "pip install 'bertkit[drive]'"


def test_other_mirrors_need_no_gdown(server, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gdown", None)
    other = server.url("/mirror", ranged(BODY))
    both = RemoteFile("file.bin", (LINK, other), len(BODY), hashlib.md5(BODY).hexdigest())
    assert fetch(both, tmp_path, PATIENCE)["url"] == other
    dead = server.url("/dead", fail(404))
    with pytest.raises(BertkitError, match=r"HTTP 404.*gdown is not installed.*\(pip install"):
        fetch(RemoteFile("x", (dead, LINK)), tmp_path, PATIENCE)


def test_catalogue_entries_on_drive_are_links_that_are_understood():
    on_drive = {
        source.name
        for source in catalogue()
        for file in source.files
        if any(is_drive(url) for url in file.urls)
    }
    assert on_drive == {"openwebtext", "mlperf-text", "mlperf-checkpoint", "enwiki-20200101"}
    for source in catalogue():
        for url in (url for file in source.files for url in file.urls):
            assert is_drive(url) == ("drive.google.com" in url)
