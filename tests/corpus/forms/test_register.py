"""A form from outside of the package, added through the public seam and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bertkit.corpus import forms
from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.forms.detect import detect_form
from bertkit.manifests.manifest import read_manifest
from corpus.forms.haiku import FILE, HAIKU

TEXT = (
    "An old silent pond.\nA frog jumps into the pond.\nSplash! Silence again.\n\n"
    "Over the wintry.\nForest, winds howl in rage.\nWith no leaves to blow.\n"
)


@pytest.fixture
def poems(tmp_path):
    (tmp_path / "poems").write_text(FILE)
    return tmp_path / "poems"


@pytest.mark.parametrize("flags", [[], ["--form", "haiku"]], ids=["auto", "by name"])
def test_extract_finds_the_documents_of_a_registered_form(bertkit, poems, tmp_path, flags):
    with forms.register(HAIKU):
        run = bertkit("extract", "-i", poems, "-o", tmp_path / "out", *flags, "--json")
    assert run.status == 0, run.err
    assert (run.result["documents"], run.result["rejected"]) == (2, 1)
    assert (tmp_path / "out/part-00000-of-00001.txt").read_text() == TEXT
    (facts,) = read_manifest(tmp_path / "out").outputs.values()
    assert facts["named"] == [f"{poems}, poem 2: not of three lines"]


def test_the_form_is_gone_after_the_block(bertkit, poems, tmp_path):
    with forms.register(HAIKU):
        assert detect_form(str(poems)) is HAIKU
        assert forms.registered() == (HAIKU,)
        with pytest.raises(ValueError, match="haiku"):
            forms.register(HAIKU)
    assert detect_form(str(poems)).name == "text"
    assert forms.registered() == ()
    run = bertkit("extract", "-i", poems, "-o", tmp_path / "out", "--form", "haiku")
    assert run.status == 2
    assert "'haiku' is not one of 'auto'" in run.err


@pytest.mark.slow
def test_workers_know_the_form_too(poems, tmp_path):
    """They are fresh processes, which have registered nothing."""
    (tmp_path / "more").write_text(FILE + "4 word\n" * 150_000)
    config = ExtractConfig(form="haiku", part_megabytes=1)
    with forms.register(HAIKU):
        inputs = [str(poems), str(tmp_path / "more")]
        result = extract(inputs, str(tmp_path / "out"), config, workers=2)
    assert (result.parts, result.documents, result.rejected) == (2, 4, 3)


PROGRAM = """
import sys
from bertkit.corpus import forms
from corpus.forms.haiku import HAIKU
forms.register(HAIKU)
from bertkit.cli import main
sys.exit(main(["extract", "--help"]))
"""


def test_help_lists_a_form_that_was_registered_before():
    path = [place for place in sys.path if place]
    code = f"import sys; sys.path[:0] = {path!r}\n{PROGRAM}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "haiku (numbered poems)" in " ".join(done.stdout.split())


def test_table_is_shown_in_the_help(bertkit):
    words = " ".join(bertkit("extract", "--help").out.split())
    for form in forms.TABLE:
        assert f"{form.name} ({form.help})" in words
    assert [form.name for form in forms.TABLE] == [
        "mediawiki",
        "wikiextractor",
        "wikimedia-html",
        "text",
        "documents",
        "jsonl",
        "sentences",
        "tar",
        "zip",
        "pubmed",
        "pmc",
        "fasta",
        "json",
        "parquet",
        "arrow",
        "csv",
        "warc",
    ]
