from __future__ import annotations

import hashlib
import io
import zipfile

import pytest

from bertkit.corpus.download.catalogue import RemoteFile, Source, find_source
from bertkit.corpus.download.download import download
from bertkit.corpus.download.http import Settings
from bertkit.corpus.download.listing import download_text
from bertkit.corpus.download.unpack import unpack
from bertkit.errors import DataError
from bertkit.manifests.manifest import read_manifest
from corpus.conftest import send

HEAD = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"


def archive(**members: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in members.items():
            file.writestr(name.replace("__", "/").replace("_", "."), text)
        file.writestr("__MACOSX/CoLA/._train.tsv", "junk")
        file.writestr("CoLA/empty/", "")
    return stream.getvalue()


def test_an_archive_is_fetched_checked_and_unpacked(server, tmp_path):
    body = archive(CoLA__train_tsv="one\n", CoLA__dev_tsv="two\n")
    url = server.url("/CoLA.zip", send(body))
    item = RemoteFile("CoLA.zip", (url,), len(body), sha256=hashlib.sha256(body).hexdigest())
    source = Source(
        "glue-cola", "examples", "t", "l", "ok", files=(item,), unpack="zip",
        used_by="finetune --preset glue-cola --data-dir {output}/CoLA",
    )  # fmt: skip
    out = tmp_path / "out"
    settings = Settings(retries=0, sleep=lambda seconds: None)
    result = download(source, str(out), settings=settings)
    assert (out / "CoLA/train.tsv").read_text() == "one\n"
    assert not (out / "__MACOSX").exists()
    facts = read_manifest(out).outputs
    assert set(facts) == {"CoLA.zip", "CoLA/train.tsv", "CoLA/dev.tsv"}
    assert facts["CoLA/dev.tsv"]["sha256"] == hashlib.sha256(b"two\n").hexdigest()
    text = download_text(result)
    assert "3 files" in text and "size alone" not in text
    assert result.following == f"finetune --preset glue-cola --data-dir {out}/CoLA"
    again = download(source, str(out), settings=settings)
    assert again.up_to_date and again.following == result.following


@pytest.mark.parametrize("name", ["../out.tsv", "/etc/out.tsv", "a/../../out.tsv", "a\\..\\b"])
def test_no_member_leaves_the_folder(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(name, "x")
    with pytest.raises(DataError, match="leaves the folder"):
        unpack("zip", tmp_path, ["a.zip"])
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize("damage", [lambda b: b[:40], lambda b: b[:35] + b"\xff" * 9 + b[44:]])
def test_a_damaged_archive_is_told(tmp_path, damage):
    body = archive(a__train_tsv="some words that are packed " * 9)
    (tmp_path / "a.zip").write_bytes(damage(body))
    with pytest.raises(DataError, match=r"a\.zip"):
        unpack("zip", tmp_path, ["a.zip"])
    assert not (tmp_path / "a/train.tsv").exists()


@pytest.fixture
def mrpc(tmp_path):
    files = {
        "msr_paraphrase_train.txt": f'\ufeff{HEAD}\n1\t1\t2\tA "b".\tC.\n0\t3\t4\tD.\tE.\n',
        "msr_paraphrase_test.txt": f"{HEAD}\r\n1\t5\t6\tF.\tG.\r\n",
        "mrpc_dev_ids.tsv": "dev\tids\n3\t4\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    return list(files)


def test_mrpc_is_divided_by_glues_list(tmp_path, mrpc):
    made = unpack("mrpc", tmp_path, mrpc)
    assert list(made) == ["MRPC/train.tsv", "MRPC/dev.tsv", "MRPC/test.tsv"]
    assert (tmp_path / "MRPC/train.tsv").read_text() == f'{HEAD}\n1\t1\t2\tA "b".\tC.\n'
    assert (tmp_path / "MRPC/dev.tsv").read_text() == f"{HEAD}\n0\t3\t4\tD.\tE.\n"
    assert (tmp_path / "MRPC/test.tsv").read_text() == (
        "index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t5\t6\tF.\tG.\n"
    )


def test_of_part_of_mrpc_nothing_is_made(tmp_path, mrpc):
    assert unpack("mrpc", tmp_path, mrpc[:2]) == {}
    (tmp_path / mrpc[0]).write_text(f"{HEAD}\n1\t2\n")
    with pytest.raises(DataError, match="2 columns where there should be 5"):
        unpack("mrpc", tmp_path, mrpc)


def test_other_sources_are_left_as_they_are(tmp_path):
    assert unpack("", tmp_path, ["a.zip"]) == {}


def test_facts_about_wnut17_agree_with_the_real_files(shared):
    for item in find_source("wnut17").files:
        blob = (shared / "data/tasks/wnut17" / item.name).read_bytes()
        assert (item.size, item.sha256) == (len(blob), hashlib.sha256(blob).hexdigest())
