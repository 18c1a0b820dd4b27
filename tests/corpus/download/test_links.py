from __future__ import annotations

import dataclasses

import pytest

from bertkit.corpus.download.catalogue import RemoteFile, Source, find_sources
from bertkit.corpus.download.http import Settings
from bertkit.corpus.download.links import OK, UNASKED, check_links, links_report
from bertkit.errors import UsageError
from corpus.conftest import fail, ranged, send

BODY = bytes(range(256)) * 40
QUICK = Settings(retries=1, sleep=lambda seconds: None)


def source(*files: RemoteFile, **facts) -> Source:
    return Source("books", "text", "Books", "CC0", "ok", files=files, **facts)


def one(*urls: str, size: int | None = len(BODY)) -> Source:
    return source(RemoteFile("a.bin", urls, size))


@pytest.mark.parametrize("answer", [send(BODY), ranged(BODY)])
def test_size_is_compared_without_fetching_the_file(server, answer):
    url = server.url("/a", answer)
    (link,) = check_links([one(url)], settings=QUICK)
    assert dataclasses.astuple(link) == ("books", "a.bin", url, OK, len(BODY))
    assert server.seen[0][1]["range"] == "bytes=0-1023"


def test_every_address_is_asked_and_what_is_wrong_is_said(server):
    urls = [
        server.url("/gone", fail(404)),
        server.url("/shorter", ranged(BODY[:-1])),
        server.url("/page", send(b"<!doctype html><title>Moved</title>")),
        server.url("/right", ranged(BODY)),
    ]
    links = check_links([one(*urls)], settings=QUICK)
    assert [link.url for link in links] == urls
    assert [link.state.split(",")[0] for link in links] == [
        "HTTP 404 Not Found",
        "10",
        "the server sends a web page in the place of a.bin",
        OK,
    ]
    values, text = links_report(links)
    assert values["wrong"] == 3 and values["links"][0]["state"] == "HTTP 404 Not Found"
    assert f"books: {urls[1]}: 10,239 bytes, expected 10,240" in text
    assert text.endswith("4 links, 3 wrong")


def test_a_busy_server_is_asked_again(server):
    url = server.url("/a", fail(503), ranged(BODY))
    assert check_links([one(url)], settings=QUICK)[0].state == OK
    url = server.url("/b", fail(503))
    assert "503" in check_links([one(url)], settings=QUICK)[0].state


def test_list_of_checksums_is_asked_for_and_shared_addresses_once(server):
    sums, both = server.url("/sums", send(b"0123  a\n")), server.url("/both", ranged(BODY))
    files = [RemoteFile(name, (both,)) for name in ("a", "b")]
    links = check_links([source(*files, checksums=sums)], settings=QUICK)
    assert [(link.file, link.bytes) for link in links] == [("a", len(BODY)), ("checksums", 8)]
    (link,) = check_links([source(*files, RemoteFile("c", (sums,)))], ["c"], QUICK)
    assert link.file == "c"


def test_a_file_that_is_not_there_is_no_right_answer():
    with pytest.raises(UsageError, match="books has no file 'b'"):
        check_links([one("http://127.0.0.1:9/")], ["b"], QUICK)
    with pytest.raises(UsageError, match="--file is of one source"):
        check_links([one(), one()], ["a.bin"], QUICK)


def test_google_drive_is_not_asked():
    links = check_links([one("https://drive.google.com/uc?id=abc", size=None)], settings=QUICK)
    assert links[0].state == UNASKED
    assert "not asked" in links_report(links)[1]


def test_no_address_of_the_catalogue_is_left_unfilled():
    for found in find_sources(None, "de", "20260901"):
        assert "{" not in " ".join([found.checksums, *(u for f in found.files for u in f.urls)])
    (alone,) = find_sources("wikipedia", "de", "20260901")
    assert alone in find_sources(None, "de", "20260901")
