"""Training a vocabulary: the same bytes every time, and usable at once."""

from __future__ import annotations

import json
import lzma
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bertkit.errors import DataError, UsageError
from bertkit.tokenization import vocabulary_training
from bertkit.tokenization.normalisation import CASED, UNCASED
from bertkit.tokenization.training import trained
from bertkit.tokenization.training.alphabet import Wanted
from bertkit.tokenization.training.text_spans import count_spans
from bertkit.tokenization.vocabulary import load_vocab
from bertkit.tokenization.vocabulary_training import train_vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> str:
    """English prose and code that every Python carries."""
    from pydoc_data import topics

    path = tmp_path_factory.mktemp("text") / "topics.txt"
    whole = "\n\n".join(topics.topics[name] for name in sorted(topics.topics))
    path.write_text(whole[:150_000] + "\nÉtude — naïve 漢字\n" * 3, encoding="utf-8")
    return str(path)


@pytest.mark.slow
def test_the_same_bytes_in_another_process(text, tmp_path):
    """The library's own order changes with the seed of its hash tables."""
    train_vocab([text], tmp_path / "one.txt", 1000)
    program = (
        "import sys; from bertkit.tokenization.vocabulary_training import train_vocab;"
        "train_vocab([sys.argv[1]], sys.argv[2], 1000)"
    )
    subprocess.run(
        [sys.executable, "-c", program, text, str(tmp_path / "two.txt")], check=True, timeout=120
    )
    assert (tmp_path / "one.txt").read_bytes() == (tmp_path / "two.txt").read_bytes()


def test_order_of_the_tokens(text, tmp_path):
    result = train_vocab([text], tmp_path / "v.txt", 1000)
    vocab = load_vocab(tmp_path / "v.txt")
    assert result.tokens == len(vocab) == 1000
    assert result.sha256 == vocab.sha256
    assert vocab.tokens[:5] == SPECIAL
    singles = [token for token in vocab.tokens[5:] if len(token) == 1]
    assert vocab.tokens[5 : 5 + len(singles)] == singles == sorted(singles)
    assert {"漢", "字", "—", "e"} <= set(singles)
    assert "É" not in singles
    assert "##漢" not in vocab.ids
    assert "##," not in vocab.ids
    assert "the" in vocab.ids


def test_no_word_of_the_text_is_unknown(text, tmp_path):
    train_vocab([text], tmp_path / "v.txt", 1000)
    cut = WordPieceTokenizer(load_vocab(tmp_path / "v.txt"))
    for line in Path(text).read_text(encoding="utf-8").split("\n"):
        assert "[UNK]" not in cut.tokenize(line)


def test_cased(text, tmp_path):
    train_vocab([text], tmp_path / "v.txt", 600, CASED)
    vocab = load_vocab(tmp_path / "v.txt")
    assert "É" in vocab.ids
    assert "T" in vocab.ids
    cut = WordPieceTokenizer(vocab, CASED)
    assert "[UNK]" not in cut.tokenize("The Étude")


def test_an_odd_size_gets_advice(text, tmp_path, caplog):
    with caplog.at_level("WARNING", "bertkit"):
        train_vocab([text], tmp_path / "v.txt", 501)
    assert "501 tokens: a multiple of 8" in caplog.text


def test_errors(text, tmp_path):
    out = tmp_path / "v.txt"
    with pytest.raises(UsageError, match="--size 20 is too small"):
        train_vocab([text], out, 20)
    (tmp_path / "bad.txt").write_bytes(b"fine\n" * 1000 + b"b\xe4d\n")
    with pytest.raises(DataError, match=r"bad.txt:1001: not UTF-8 at byte 5001 \(0xe4\)"):
        train_vocab([text, str(tmp_path / "bad.txt")], out, 600)
    (tmp_path / "empty.txt").write_text(" \n\n")
    with pytest.raises(DataError, match="no text"):
        train_vocab([str(tmp_path / "empty.txt")], out, 600)
    assert not out.exists()
    out.write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        train_vocab([text], out, 600)
    assert out.read_text() == "mine"
    train_vocab([text], out, 600, overwrite=True)
    assert len(load_vocab(out)) == 600


@pytest.mark.parametrize("stopped", ["save_vocab", "write_sidecar"])
@pytest.mark.parametrize("after", [False, True])
def test_a_run_that_was_killed_between_its_files_goes_on(
    text, tmp_path, monkeypatch, stopped, after
):
    """The vocabulary has its name already: it is this run's own, and nobody else's."""
    train_vocab([text], tmp_path / "whole.txt", 400)
    out = tmp_path / "v.txt"
    work = getattr(vocabulary_training, stopped)

    def killed(*arguments):
        if after:
            work(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(vocabulary_training, stopped, killed)
        with pytest.raises(KeyboardInterrupt):
            train_vocab([text], out, 400)
    train_vocab([text], out, 400)
    assert out.read_bytes() == (tmp_path / "whole.txt").read_bytes()
    names = ["v.txt", "v.txt.json", "whole.txt", "whole.txt.json"]
    assert sorted(path.name for path in tmp_path.iterdir() if "txt" in path.name)[-4:] == names
    assert not list(tmp_path.glob(".*"))


def test_the_same_training_again_finds_its_vocabulary(text, tmp_path, monkeypatch):
    out = tmp_path / "v.txt"
    first = train_vocab([text], out, 400)
    other = tmp_path / "other.txt"
    other.write_bytes(Path(text).read_bytes())
    with monkeypatch.context() as patch:
        patch.setattr(vocabulary_training, "_counted", lambda *given, **more: pytest.fail("read"))
        # Names of files do not count, their content does.
        assert train_vocab([str(other)], out, 400) == replace(first, seconds=0.0)
        other.write_text("other words\n")
        for words, more in (
            ([str(other)], {}),
            ([text, text], {}),
            ([text], {"size": 401}),
            ([text], {"min_frequency": 3}),
            ([text], {"normalisation": CASED}),
            ([text], {"alphabet": Wanted(coverage=0.9)}),
            ([text], {"word_length": 300}),
        ):
            with pytest.raises(UsageError, match="exists"):
                train_vocab(words, out, **{"size": 400, **more})
    (tmp_path / "v.txt.json").unlink()
    with monkeypatch.context() as patch:  # nothing is read for a file that could be anybody's
        patch.setattr(trained, "describe_inputs", lambda *given: pytest.fail("hashed"))
        with pytest.raises(UsageError, match="exists"):
            train_vocab([text], out, 400)
    assert train_vocab([text], out, 400, overwrite=True).seconds > 0


@pytest.mark.parametrize("normalisation", [UNCASED, CASED])
def test_japanese_and_chinese_are_covered(shared, tmp_path, normalisation):
    """Held-out lines, and text that the vocabulary has never seen."""
    folder = shared / "data" / "multilingual"
    result = train_vocab(
        [str(folder / "ja_gsd_dev.sentences.txt")], tmp_path / "ja.txt", normalisation=normalisation
    )
    assert result.unknown_share < 0.001
    assert result.held_out_unknown_share is not None and result.held_out_unknown_share <= 0.006
    assert result.added_characters > 1000
    assert "pair of pieces" in result.short_because and result.tokens < result.size == 30_528
    cut = WordPieceTokenizer(load_vocab(tmp_path / "ja.txt"), normalisation)
    unseen = (folder / "ja_gsd_test.sentences.txt").read_text("utf-8")
    tokens = cut.tokenize(unseen)
    assert tokens.count("[UNK]") / len(tokens) <= 0.006

    with lzma.open(folder / "xquad" / "xquad.zh.json.xz") as stream:
        articles = json.load(stream)["data"]
    lines = [part["context"] for article in articles for part in article["paragraphs"]]
    (tmp_path / "zh").write_text("\n".join(lines), encoding="utf-8")
    result = train_vocab([str(tmp_path / "zh")], tmp_path / "zh.txt", normalisation=normalisation)
    assert result.characters > 1000 and result.character_coverage >= 0.9995
    assert result.held_out_unknown_share is not None and result.held_out_unknown_share <= 0.006


def test_the_shares_are_those_of_the_tokenizer(text, tmp_path):
    result = train_vocab([text], tmp_path / "v.txt", 400, alphabet=Wanted(count=30))
    cut = WordPieceTokenizer(load_vocab(tmp_path / "v.txt"))
    tokens = cut.tokenize(Path(text).read_text("utf-8"))
    assert result.characters == 30 < result.different_characters
    assert result.unknown_share == pytest.approx(tokens.count("[UNK]") / len(tokens), abs=1e-6)
    assert 0.01 < result.unknown_share < 0.5
    assert result.text["tokens"] == len(tokens)


def test_lines_and_workers_do_not_matter(text, tmp_path, monkeypatch):
    from bertkit.tokenization.training import text_spans

    one = train_vocab([text], tmp_path / "one.txt", 600)
    glued = tmp_path / "glued"
    glued.write_text(Path(text).read_text("utf-8").replace("\n", " "), encoding="utf-8")
    assert train_vocab([str(glued)], tmp_path / "two.txt", 600).sha256 == one.sha256
    monkeypatch.setattr(text_spans, "SPAN", 20_000)
    cut = train_vocab([text], tmp_path / "three.txt", 600)
    assert cut.sha256 == one.sha256 and cut.text["words"] == one.text["words"]


@pytest.mark.slow
def test_processes_give_the_same(text, tmp_path):
    one = train_vocab([text, text], tmp_path / "one.txt", 600, workers=1)
    two = train_vocab([text, text], tmp_path / "two.txt", 600, workers=2)
    assert replace(one, seconds=0, path="", facts="") == replace(two, seconds=0, path="", facts="")


def test_lost_vowels_are_said(tmp_path, caplog):
    path = tmp_path / "hi.txt"
    path.write_text("मनुष्यों के अधिकारों की सार्वभौम घोषणा\n" * 30, encoding="utf-8")
    train_vocab([str(path)], tmp_path / "v.txt", 200)
    assert "vowel signs and marks of Devanagari" in caplog.text
    assert "--cased, or --keep-accents" in caplog.text
    caplog.clear()
    train_vocab([str(path)], tmp_path / "w.txt", 200, CASED)
    assert "marks of Devanagari" not in caplog.text


def test_long_words_are_said(tmp_path, caplog):
    path = tmp_path / "dna.txt"
    path.write_text("ACGTTGCA" * 500 + " ACGT\n", encoding="utf-8")
    result = train_vocab([str(path)], tmp_path / "v.txt", 48)
    assert result.long_words == 19
    assert "words of more than 200 letters" in caplog.text


def test_a_cluster_counts_the_same_words(text, tmp_path, monkeypatch):
    from bertkit.workers.engine import Engine

    sent = []

    def in_order(self, work, tasks, name=""):
        if work is count_spans:  # the others hash whole files
            sent.extend(span.path for task in tasks for span in task.spans)
        return map(work, tasks)

    monkeypatch.setattr(Engine, "in_order", in_order)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.txt").write_bytes(Path(text).read_bytes())
    cluster = {"executor": "dask", "scheduler": "tcp://x:1"}
    one = train_vocab([text], tmp_path / "one.txt", 600)
    two = train_vocab(["here.txt"], tmp_path / "two.txt", 600, **cluster)
    assert one.sha256 == two.sha256 and sent == [str(tmp_path / "here.txt")]
