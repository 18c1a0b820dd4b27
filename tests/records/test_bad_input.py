"""Bad text, settings and disks, in every style: one line, the right status, no partial file."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bertkit.errors import DataError
from bertkit.records.config import RecordsConfig
from bertkit.records.files.open import open_records
from bertkit.records.make import make_records

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "sea", "##s", "ship"]
STYLES = {
    "google": {},
    "sop": {"objective": "sop"},
    "cerebras": {"style": "cerebras"},
    "windows": {"style": "cerebras", "objective": "mlm"},
    "unmasked": {"style": "cerebras", "objective": "unmasked"},
    "nvidia": {"style": "nvidia"},
    "hf": {"style": "hf"},
    "hf-tokenizer": {"tokenizer": "hf"},
    "graphcore": {"packing": "graphcore"},
    "habana": {"packing": "habana", "format": "hdf5"},
}


@pytest.fixture
def vocab(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(WORDS), encoding="utf-8")
    return path


def records_in(folder):
    """The record files of a folder, without what is said of them beside them."""
    beside = ("manifest.json", "metadata.json", "data_params.json", ".index")
    return [path.name for path in folder.glob("[!.]*") if not path.name.endswith(beside)]


def config(name, **values):
    return RecordsConfig(max_seq_length=32, **{**STYLES[name], **values})


@pytest.mark.parametrize("name", STYLES)
def test_bytes_that_are_not_utf8_are_named(tmp_path, vocab, name):
    text = tmp_path / "text.txt"
    text.write_bytes(b"the sea\r\n\tthe ship\nthe \xff sea\n")
    with pytest.raises(DataError, match=r"text\.txt:3: not UTF-8 at byte 23 \(0xff\)"):
        make_records(config(name), [str(text)], tmp_path / "out", vocab, workers=1)
    assert records_in(tmp_path / "out") == []


@pytest.mark.parametrize("name", STYLES)
@pytest.mark.parametrize("text", ["", "\n \n\t\n\u3000\n", "\x01\n\n\u200b\x00\n"])
def test_text_without_sentences_is_named(tmp_path, vocab, name, text):
    (tmp_path / "text.txt").write_bytes(text.encode())
    with pytest.raises(DataError, match=r"no sentences in .*text\.txt"):
        make_records(config(name), [str(tmp_path / "text.txt")], tmp_path / "out", vocab, workers=1)
    assert records_in(tmp_path / "out") == []


@pytest.mark.parametrize("name", STYLES)
@pytest.mark.parametrize("text", ["sea", "the sea\nthe ships\n", "the sea\n" * 90])
def test_one_document_is_a_corpus(tmp_path, vocab, name, text):
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    settings = config(name, dupe_factor=2)
    made = make_records(settings, [str(tmp_path / "text.txt")], tmp_path / "out", vocab, workers=1)
    (record_file,) = records_in(tmp_path / "out")
    assert made.records >= 1
    if name != "unmasked":
        reader = open_records(tmp_path / "out" / record_file)
        assert reader.batch(range(len(reader)))["input_mask"].sum(axis=1).max() <= 32


@pytest.mark.parametrize("name", ["google", "windows", "graphcore", "nvidia"])
def test_lines_of_ten_megabytes(tmp_path, vocab, name):
    """One line of words and one long word, which is unknown."""
    text = "the ships sea " * 750_000 + "\n" + "sea" * 3_400_000 + "\n\nthe sea\n"
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    settings = config(name, dupe_factor=1, max_predictions_per_seq=1)
    out = tmp_path / "out"
    made = make_records(settings, [str(tmp_path / "text.txt")], out, vocab, workers=1, limit=500)
    assert made.records == 500 if name == "windows" else made.records >= 1


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--max-predictions-per-seq", "0"], 2, "0 is below the smallest allowed value 1"),
        (["--max-predictions-per-seq", "33"], 3, "33 is more than --max-seq-length 32"),
        (["--msl", "20000"], 2, "20000 is above the largest allowed value 16384"),
        (["--masked-lm-prob", "1.5"], 2, "above the largest allowed value 1"),
        (["--objective", "unmasked"], 3, "needs --style cerebras"),
        (["--objective", "sop", "--overlap", "2"], 3, "--overlap needs --style cerebras"),
    ],
)
def test_settings_that_cannot_be(bertkit, tmp_path, vocab, words, status, says):
    (tmp_path / "text.txt").write_text("the sea\n")
    run = bertkit(
        "make-records", "-i", tmp_path / "text.txt", "-o", tmp_path / "out", "--vocab", vocab,
        "--msl", "32", *words,
    )  # fmt: skip
    assert (run.status, run.out) == (status, "")
    assert says in run.err
    assert not (tmp_path / "out").exists()


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from bertkit.cli import main
import bertkit.records.write_shard
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no such limits")
@pytest.mark.parametrize(
    ("words", "name"),
    [
        ([], "text.tfrecord"),
        (["--packing", "graphcore"], "text.tfrecord"),
        (["--style", "nvidia"], "text_training.hdf5"),
    ],
)
def test_a_file_that_cannot_grow(tmp_path, vocab, words, name):
    """As on a full disk, by a limit of the system on the size of files."""
    text = tmp_path / "text.txt"
    lines = (f"the sea {n} the ships {n * n} the ship {n**5}\n" for n in range(3000))
    text.write_text("".join(lines), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", FULL, "make-records", "-i", text, "-o", tmp_path / "out",
         "--vocab", vocab, "--workers", "1", *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    error, hint = done.stderr.splitlines()[-2:]
    assert error.startswith("Error: ") and error.endswith(f": {tmp_path / 'out' / name}")
    assert "ulimit -f" in hint
    assert "Traceback" not in done.stderr
    left = [path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")]
    assert left == ["manifest.json"]
