"""Small inputs that people have reported as failing with programs of this kind."""

from __future__ import annotations

from pathlib import Path

import pytest

CATS = "Cats sleep a lot. They also hunt at night."


def extracted(bertkit, path: Path, out: Path, *flags: str) -> str:
    run = bertkit("extract", "-i", path, "-o", out, "--splitter", "lines", *flags)
    assert run.status == 0, run.err
    return "".join(part.read_text() for part in sorted(out.glob("part-*.txt")))


@pytest.mark.parametrize("name", ["array.json", "pretty.json"])
def test_json_arrays(bertkit, shared, tmp_path, name):
    path = shared / "data/reports/04-json-array" / name
    wanted = f"{CATS}\n\nDogs bark at cars. They love their owners.\n"
    assert extracted(bertkit, path, tmp_path / "out") == wanted


def test_csv(bertkit, shared, tmp_path):
    path = shared / "data/reports/04-json-array/table.csv"
    wanted = "Cats sleep a lot. They also hunt.\n\nDogs bark.\n"
    assert extracted(bertkit, path, tmp_path / "out") == wanted


@pytest.mark.parametrize("name", ["nosuffix", "t.txt.zst", "t.parquet"])
def test_compressed_files_and_parquet_whatever_their_name(bertkit, shared, tmp_path, name):
    path = shared / "data/reports/13-compressed-names" / name
    lines = extracted(bertkit, path, tmp_path / "out").split("\n")
    assert set(lines) == {CATS, ""}


@pytest.mark.parametrize("name", ["a16.txt", "a.txt.gz"])
def test_utf16_with_a_mark(bertkit, shared, tmp_path, name):
    path = shared / "data/reports/13-compressed-names" / name
    assert extracted(bertkit, path, tmp_path / "out").startswith("one two three .\nfour five six")


def test_an_archive_under_tgz(bertkit, shared, tmp_path):
    path = shared / "data/reports/13-compressed-names/outer.tgz"
    assert extracted(bertkit, path, tmp_path / "out").startswith(f"{CATS}\n\nDogs bark")


def test_utf16_and_utf32(bertkit, shared, tmp_path):
    folder = shared / "data/reports/15-utf16-nobom"
    run = bertkit("extract", "-i", folder / "u16nobom.txt", "-o", tmp_path / "a")
    assert run.status == 3
    assert "UTF-16-LE without a byte order mark" in run.err
    assert "--encoding utf-16-le" in run.err
    wanted = "Hello there. Second one.\n"
    flags = ("--encoding", "utf-16-le")
    assert extracted(bertkit, folder / "u16nobom.txt", tmp_path / "b", *flags) == wanted
    assert extracted(bertkit, folder / "u32.txt", tmp_path / "c") == wanted
