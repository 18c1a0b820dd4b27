from __future__ import annotations

import hashlib

import pytest

from bertkit.corpus.download.catalogue import RemoteFile, Source, find_source
from bertkit.corpus.download.download import download
from bertkit.corpus.download.http import Settings
from bertkit.corpus.download.listing import download_text
from bertkit.errors import BertkitError, DataError, UsageError
from bertkit.manifests.manifest import read_manifest
from corpus.conftest import fail, ranged, send

ONE, TWO = b"one" * 1000, b"two" * 1000
QUICK = Settings(retries=0, timeout=600, sleep=lambda seconds: None)


def described(name: str, body: bytes, *urls: str) -> RemoteFile:
    return RemoteFile(name, urls, len(body), hashlib.md5(body).hexdigest())


def source_of(*files: RemoteFile, **facts) -> Source:
    values = {
        "kind": "text",
        "title": "t",
        "licence": "l",
        "state": "ok",
        "note": "a note",
        **facts,
    }
    return Source("demo", files=files, homepage="http://page", **values)


def test_all_files_and_a_manifest(server, tmp_path):
    files = (
        described("one.txt", ONE, server.url("/1", send(ONE))),
        described("sub/two.txt", TWO, server.url("/2", send(TWO))),
    )
    result = download(source_of(*files), str(tmp_path / "out"), settings=QUICK)
    assert (tmp_path / "out/sub/two.txt").read_bytes() == TWO
    assert result.bytes == result.fetched_bytes == 6000
    manifest = read_manifest(tmp_path / "out")
    assert manifest.complete
    assert manifest.outputs["one.txt"]["md5"] == hashlib.md5(ONE).hexdigest()
    asked = len(server.seen)
    again = download(source_of(*files), str(tmp_path / "out"), settings=QUICK)
    assert again.up_to_date
    assert len(server.seen) == asked


def test_failed_run_keeps_what_is_finished_and_goes_on(server, tmp_path):
    files = (
        described("one.txt", ONE, server.url("/1", send(ONE))),
        described("two.txt", TWO, server.url("/2", fail(404), send(TWO))),
    )
    with pytest.raises(BertkitError, match=r"demo: two\.txt could not be fetched") as caught:
        download(source_of(*files), str(tmp_path / "out"), settings=QUICK)
    assert "a note" in caught.value.hint
    assert "http://page" in caught.value.hint
    assert "--from-file" in caught.value.hint
    assert not read_manifest(tmp_path / "out").complete
    download(source_of(*files), str(tmp_path / "out"), settings=QUICK)
    assert [path for path, _ in server.seen] == ["/1", "/2", "/2"]
    assert read_manifest(tmp_path / "out").complete


def test_wrong_content_is_a_data_error(server, tmp_path):
    item = described("one.txt", ONE, server.url("/1", send(TWO)))
    with pytest.raises(DataError, match="md5") as caught:
        download(source_of(item), str(tmp_path / "out"), settings=QUICK)
    assert caught.value.exit_code == 3
    assert not (tmp_path / "out/one.txt").exists()


def test_chosen_files_only(server, tmp_path):
    files = (
        described("one.txt", ONE, server.url("/1", send(ONE))),
        described("two.txt", TWO, "http://127.0.0.1:9/never"),
    )
    download(source_of(*files), str(tmp_path), ["one.txt"], settings=QUICK)
    assert (tmp_path / "one.txt").read_bytes() == ONE
    with pytest.raises(UsageError, match="no file 'three'"):
        download(source_of(*files), str(tmp_path / "b"), ["three"], settings=QUICK)


def test_file_from_elsewhere_is_checked_and_copied(tmp_path):
    source = source_of(described("deep/one.txt", ONE), state="browser")
    mine = tmp_path / "fetched by browser"
    mine.write_bytes(ONE)
    result = download(source, str(tmp_path / "out"), from_files=[str(mine)])
    assert (tmp_path / "out/deep/one.txt").read_bytes() == ONE
    assert result.fetched_bytes == 0
    mine.write_bytes(TWO)
    with pytest.raises(DataError, match="md5"):
        download(source, str(tmp_path / "other"), from_files=[str(mine)])
    assert not (tmp_path / "other/deep/one.txt").exists()


def test_files_from_elsewhere_are_recognised_by_name(tmp_path):
    source = source_of(described("one.txt", ONE), described("two.txt", TWO), state="browser")
    for name, body in (("one.txt", ONE), ("two.txt", TWO)):
        (tmp_path / name).write_bytes(body)
    names = [str(tmp_path / "two.txt"), str(tmp_path / "one.txt")]
    download(source, str(tmp_path / "out"), from_files=names)
    assert (tmp_path / "out/two.txt").read_bytes() == TWO
    (tmp_path / "x").write_bytes(ONE)
    with pytest.raises(UsageError, match="cannot tell which"):
        download(source, str(tmp_path / "o2"), from_files=[str(tmp_path / "x")])


def test_browser_only_source_says_what_to_do(tmp_path):
    source = find_source("bert-base-uncased-tf1")
    with pytest.raises(BertkitError, match=r"cannot fetch uncased_L-12.*itself") as caught:
        download(source, str(tmp_path), settings=QUICK)
    assert "storage.googleapis.com" in caught.value.hint
    with pytest.raises(UsageError, match="cannot be downloaded by name"):
        download(find_source("pubmed-baseline"), str(tmp_path / "p"), settings=QUICK)


def test_real_mlperf_file_from_elsewhere(shared, tmp_path):
    path = str(shared / "data/mlperf_sample/eval.md5")
    source = find_source("mlperf-text")
    result = download(source, str(tmp_path), ["eval.md5"], [path])
    assert result.files["eval.md5"]["md5"] == "71a58382a68947e93e88aa0d42431b6c"


def test_folder_of_another_downloader_is_taken_as_it_is(tmp_path):
    """MLCommons' downloader leaves a folder; two of its files have the same name."""
    files = [described(f"{part}/model.index", body) for part, body in (("a", ONE), ("b", TWO))]
    extra = RemoteFile("more.txt")
    for part, body in (("a", ONE), ("b", TWO)):
        (tmp_path / "got" / part).mkdir(parents=True)
        (tmp_path / "got" / part / "model.index").write_bytes(body)
    (tmp_path / "got/more.txt").write_bytes(b"x")
    source = source_of(*files, extra, state="browser")
    result = download(source, str(tmp_path / "out"), from_files=[str(tmp_path / "got")])
    assert (tmp_path / "out/b/model.index").read_bytes() == TWO
    assert [facts["checked"] for facts in result.files.values()] == [True, True, False]
    text = download_text(result)
    assert "1 of them by their size alone or not at all, as no sum is published" in text
    with pytest.raises(UsageError, match="none of a/model"):
        download(source, str(tmp_path / "o2"), from_files=[str(tmp_path / "got/a")])


def test_published_checksums_are_used_also_for_latest(server, tmp_path):
    name = "xxwiki-latest-pages.xml.bz2"
    md5 = hashlib.md5(ONE).hexdigest()
    listed = f"{'0' * 32}  xxwiki-20260901-other\n{md5}  xxwiki-20260901-pages.xml.bz2\n".encode()
    sums = server.url("/sums", send(listed))
    good = RemoteFile(name, (server.url("/1", ranged(ONE)),))
    result = download(source_of(good, checksums=sums), str(tmp_path / "a"), settings=QUICK)
    assert result.files[name]["md5"] == md5
    bad = RemoteFile(name, (server.url("/2", ranged(TWO)),))
    with pytest.raises(DataError, match="expected " + md5):
        download(source_of(bad, checksums=sums), str(tmp_path / "b"), settings=QUICK)
    unlisted = RemoteFile("xxwiki-latest-nothing", good.urls)
    with pytest.raises(DataError, match="does not list"):
        download(source_of(unlisted, checksums=sums), str(tmp_path / "c"), settings=QUICK)
    gone = server.url("/gone", fail(404))
    with pytest.raises(BertkitError, match="HTTP 404"):
        download(source_of(good, checksums=gone), str(tmp_path / "d"), settings=QUICK)


def test_disk_too_small_is_told_before_the_first_byte(server, tmp_path):
    item = RemoteFile("huge", (server.url("/1", send(ONE)),), size=1 << 60)
    with pytest.raises(DataError, match="free"):
        download(source_of(item), str(tmp_path), settings=QUICK)
    assert server.seen == []


def test_files_come_at_the_same_time(server, tmp_path):
    bodies = {f"{i}.txt": bytes([65 + i]) * 50_000 for i in range(4)}
    files = [
        described(name, body, server.url(f"/{name}", ranged(body))) for name, body in bodies.items()
    ]
    settings = Settings(retries=0, timeout=600)
    result = download(source_of(*files), str(tmp_path / "out"), settings=settings, workers=2)
    assert list(result.files) == list(bodies)
    assert all((tmp_path / "out" / name).read_bytes() == body for name, body in bodies.items())
    files[2] = described("2.txt", b"other", *files[2].urls)
    with pytest.raises(DataError, match=r"demo: .*2\.txt"):
        download(source_of(*files), str(tmp_path / "no"), settings=settings, workers=2)
    assert (tmp_path / "no/0.txt").is_file()
    assert not (tmp_path / "no/2.txt").exists()
