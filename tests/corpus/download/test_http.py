from __future__ import annotations

import gzip
import hashlib
import random

import pytest

from bertkit.corpus.download.catalogue import RemoteFile
from bertkit.corpus.download.http import Settings, fetch, fetch_text, verify
from bertkit.errors import BertkitError, DataError
from corpus.conftest import fail, ranged, send, stall

BODY = random.Random(7).randbytes(700_000)
MD5 = hashlib.md5(BODY).hexdigest()
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def patience():
    waits: list[float] = []
    settings = Settings(retries=2, timeout=600, backoff=1.0, sleep=waits.append)
    return settings, waits


def known(*urls: str, **facts) -> RemoteFile:
    return RemoteFile("file.bin", urls, **{"size": len(BODY), "sha256": SHA256, **facts})


def nothing_but(folder, *names: str) -> bool:
    return sorted(path.name for path in folder.iterdir()) == sorted(names)


def test_whole_file_gets_its_name_and_leaves_nothing_else(server, tmp_path, patience):
    url = server.url("/f", send(BODY))
    facts = fetch(known(url, md5=MD5), tmp_path, patience[0])
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert facts == {
        "bytes": len(BODY),
        "md5": MD5,
        "sha256": SHA256,
        "url": url,
        "fetched_bytes": len(BODY),
    }
    assert nothing_but(tmp_path, "file.bin")


def test_file_that_is_there_is_not_fetched_again(server, tmp_path, patience):
    (tmp_path / "file.bin").write_bytes(BODY)
    facts = fetch(known(server.url("/f", fail(500))), tmp_path, patience[0])
    assert facts["fetched_bytes"] == 0
    assert server.seen == []


def test_wrong_file_of_the_name_is_replaced(server, tmp_path, patience):
    (tmp_path / "file.bin").write_bytes(b"old")
    fetch(known(server.url("/f", send(BODY))), tmp_path, patience[0])
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_truncated_answers_are_continued_where_they_ended(server, tmp_path, patience):
    url = server.url("/f", ranged(BODY, cut=300_000), ranged(BODY, cut=1), ranged(BODY))
    fetch(known(url), tmp_path, patience[0])
    assert (tmp_path / "file.bin").read_bytes() == BODY
    ranges = [headers.get("range") for _, headers in server.seen]
    assert ranges == [None, "bytes=300000-", "bytes=300001-"]
    assert [headers.get("if-range") for _, headers in server.seen][1:] == ['"one"', '"one"']


def test_stalled_connection_is_given_up_and_continued(server, tmp_path):
    url = server.url("/f", stall(BODY, 300_000), ranged(BODY))
    # On a busy machine the server may seem to stall again, any number of times.
    settings = Settings(retries=10_000, timeout=0.2, sleep=lambda seconds: None)
    fetch(known(url), tmp_path, settings)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert len(server.seen) >= 2


def test_file_changed_between_requests_comes_whole(server, tmp_path, patience):
    other = BODY[::-1]
    url = server.url("/f", ranged(BODY, etag='"old"', cut=100_000), ranged(other, etag='"new"'))
    fetch(known(url, sha256=hashlib.sha256(other).hexdigest(), md5=""), tmp_path, patience[0])
    assert (tmp_path / "file.bin").read_bytes() == other


def test_server_that_ignores_ranges_sends_all_again(server, tmp_path, patience):
    url = server.url("/f", ranged(BODY, cut=100_000), send(BODY))
    fetch(known(url), tmp_path, patience[0])
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_weak_tag_is_not_sent_as_if_range(server, tmp_path, patience):
    url = server.url("/f", ranged(BODY, etag='W/"one"', cut=100_000), ranged(BODY, etag=""))
    fetch(known(url), tmp_path, patience[0])
    assert "if-range" not in server.seen[1][1]
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_without_validator_and_checksum_nothing_is_continued(server, tmp_path, patience):
    url = server.url("/f", ranged(BODY, etag="", cut=100_000), ranged(BODY, etag=""))
    fetch(RemoteFile("file.bin", (url,)), tmp_path, patience[0])
    assert "range" not in server.seen[1][1]
    assert (tmp_path / "file.bin").read_bytes() == BODY


PAGE = b"<!DOCTYPE html>\n<title>Sign in</title>"


def headed(body, **headers):
    """An answer 200 with further headers."""

    def answer(handler):
        handler.send_response(200)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (PAGE, {}),
        (b"\xef\xbb\xbf <?xml version='1.0'?><!-- a --><HTML lang=en>", {}),
        (b"please sign in", {"Content_Type": "text/html; charset=utf-8"}),
        (gzip.compress(BODY), {"Content_Encoding": "gzip"}),
        (BODY, {"Content_Encoding": "br"}),
    ],
)
def test_what_is_no_file_is_refused_where_no_checksum_is_known(
    server, tmp_path, patience, body, headers
):
    url = server.url("/f", headed(body, **headers))
    with pytest.raises(DataError, match=r"web page|packed with") as caught:
        fetch(RemoteFile("file.bin", (url,)), tmp_path, patience[0])
    assert "--from-file" in caught.value.hint
    assert nothing_but(tmp_path)
    # A mirror is tried then.
    mirror = server.url("/g", headed(BODY, Content_Type="application/octet-stream"))
    bad = server.url("/h", headed(body, **headers))
    fetch(RemoteFile("file.bin", (bad, mirror)), tmp_path, patience[0])
    assert (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize("name", ["file.gz", "page.html"])
def test_pages_and_packed_files_that_are_wanted_are_taken(server, tmp_path, patience, name):
    packed = gzip.compress(BODY)
    body, headers = {
        "file.gz": (packed, {"Content_Encoding": "x-gzip"}),
        "page.html": (PAGE, {"Content_Type": "text/html"}),
    }[name]
    fetch(RemoteFile(name, (server.url("/f", headed(body, **headers)),)), tmp_path, patience[0])
    assert (tmp_path / name).read_bytes() == body


def test_a_list_of_checksums_that_comes_packed_is_unpacked(server, patience):
    body = gzip.compress(b"abc  file\n")
    url = server.url("/f", headed(body, Content_Encoding="gzip"))
    assert fetch_text(url, patience[0]) == "abc  file\n"
    url = server.url("/g", *[headed(body[:-9], Content_Encoding="gzip")] * 3)
    with pytest.raises(BertkitError, match="after 3 attempts"):
        fetch_text(url, patience[0])


def test_too_large_content_length_ends_with_416_and_the_right_file(server, tmp_path, patience):
    url = server.url("/f", send(BODY, stated=len(BODY) + 5), ranged(BODY))
    fetch(known(url), tmp_path, patience[0])
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_too_small_content_length_is_found_by_the_size(server, tmp_path, patience):
    url = server.url("/f", send(BODY, stated=1000))
    with pytest.raises(DataError, match="1,000 bytes, expected 700,000"):
        fetch(known(url), tmp_path, patience[0])
    assert nothing_but(tmp_path)


def test_more_bytes_than_expected_are_not_swallowed(server, tmp_path, patience):
    url = server.url("/f", send(BODY * 3))
    with pytest.raises(DataError, match="more than the 700,000 bytes"):
        fetch(known(url), tmp_path, patience[0])
    assert nothing_but(tmp_path)


def test_wrong_checksum_keeps_nothing(server, tmp_path, patience):
    url = server.url("/f", send(BODY[::-1]))
    with pytest.raises(DataError, match="sha256 .*, expected " + SHA256):
        fetch(known(url), tmp_path, patience[0])
    assert nothing_but(tmp_path)


def test_next_mirror_is_taken_after_a_dead_or_wrong_one(server, tmp_path, patience):
    urls = [
        server.url("/dead", fail(404)),
        server.url("/wrong", send(BODY[::-1])),
        server.url("/good", send(BODY)),
    ]
    facts = fetch(known(*urls), tmp_path, patience[0])
    assert facts["url"] == urls[2]


@pytest.mark.parametrize("status", [403, 404, 410, 451])
def test_dead_link_is_asked_once_and_named(server, tmp_path, patience, status):
    url = server.url("/f", fail(status))
    with pytest.raises(BertkitError, match=f"{url}: HTTP {status}") as caught:
        fetch(known(url), tmp_path, patience[0])
    assert caught.value.exit_code == 1
    assert len(server.seen) == 1


def test_server_errors_are_retried_with_growing_waits(server, tmp_path, patience):
    settings, waits = patience
    url = server.url("/f", fail(500), fail(503, Retry_After="17"), send(BODY))
    fetch(known(url), tmp_path, settings)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert waits == [1.0, 17.0]


def test_patience_ends(server, tmp_path, patience):
    settings, waits = patience
    with pytest.raises(BertkitError, match=r"HTTP 500 .*after 3 attempts"):
        fetch(known(server.url("/f", fail(500))), tmp_path, settings)
    assert len(waits) == 2


def test_refused_connection_is_retried_then_named(tmp_path, patience):
    with pytest.raises(BertkitError, match="refused"):
        fetch(known("http://127.0.0.1:9/f"), tmp_path, patience[0])


def test_416_on_a_file_that_became_shorter_starts_over(server, tmp_path, patience):
    short = BODY[:5000]
    url = server.url("/f", ranged(BODY, etag="", cut=100_000), ranged(short, etag=""))
    item = RemoteFile("file.bin", (url,), sha256=hashlib.sha256(short).hexdigest())
    fetch(item, tmp_path, patience[0])
    assert (tmp_path / "file.bin").read_bytes() == short


def test_redirect_is_followed(server, tmp_path, patience):
    goal = server.url("/goal", ranged(BODY, cut=200_000), ranged(BODY))
    url = server.url("/f", send(b"", 302, Location=goal))
    fetch(known(url), tmp_path, patience[0])
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_redirect_without_end_is_dead(server, tmp_path, patience):
    url = server.url("/f", send(b"", 302, Location="/f"))
    with pytest.raises(BertkitError, match="HTTP 302"):
        fetch(known(url), tmp_path, patience[0])


def test_redirect_to_a_local_file_is_refused(server, tmp_path, patience):
    url = server.url("/f", send(b"", 302, Location="file:///etc/hostname"))
    with pytest.raises(BertkitError):
        fetch(known(url), tmp_path, patience[0])
    assert nothing_but(tmp_path)


def test_verify_names_the_difference(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(BODY)
    assert verify(known(), path)["sha256"] == SHA256
    with pytest.raises(DataError, match="expected 5"):
        verify(known(size=5), path)
    with pytest.raises(DataError, match="md5"):
        verify(known(md5="0" * 32), path)
    with pytest.raises(DataError, match="cannot read"):
        verify(known(), tmp_path / "missing")


def test_small_text_is_retried_too(server, patience):
    assert fetch_text(server.url("/t", fail(502), send(b"abc  name\n")), patience[0]) == (
        "abc  name\n"
    )
    with pytest.raises(BertkitError, match="HTTP 404"):
        fetch_text(server.url("/u", fail(404)), patience[0])
