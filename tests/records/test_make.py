"""Record folders: the same bytes however they are made, and nothing half done left over."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest

from bertkit.errors import BertkitError, ConfigError, DataError, UsageError
from bertkit.manifests.manifest import read_manifest
from bertkit.records.config import RecordsConfig
from bertkit.records.cost import estimate_records
from bertkit.records.files.open import open_records
from bertkit.records.files.record_index import FOLDER
from bertkit.records.files.schema import digest
from bertkit.records.files.tfrecord.example_writer import ExampleWriter
from bertkit.records.files.tfrecord.frames import decode_example, read_records
from bertkit.records.make import make_records
from bertkit.tokenization.normalisation import CASED, Normalisation
from bertkit.tokenization.tokenizer_facts import of_records, of_vocab
from bertkit.tokenization.tokenizer_files import write_sidecar
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS, load_vocab, save_vocab

VOCAB = "bertkit-uncased-8k"
CONFIG = RecordsConfig(max_seq_length=32, dupe_factor=2)
KEEPING = Normalisation(strip_accents=False)


def text(seed: int, documents: int = 6) -> str:
    return "\n".join(
        f"The {word} of chapter {seed} is number {n}.\nIt was said before, and it is true.\n"
        + "\n".join(f"Sentence {i} of the {word} was long enough." for i in range(n % 4 + 2))
        + "\n"
        for n in range(documents)
        for word in [["whale", "captain", "island", "letter"][n % 4]]
    )


@pytest.fixture
def corpus(tmp_path) -> list[str]:
    """Three small text files."""
    folder = tmp_path / "text"
    folder.mkdir()
    for seed in range(3):
        (folder / f"part-{seed}.txt").write_text(text(seed), encoding="utf-8")
    return [str(folder)]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.tfrecord"))}


def payloads(folder: Path) -> list[bytes]:
    return [p for path in sorted(folder.glob("*.tfrecord")) for p in read_records(path)]


def test_manifest_says_what_is_there(corpus, tmp_path):
    result = make_records(CONFIG, corpus, tmp_path / "out", VOCAB, workers=1)
    manifest = read_manifest(tmp_path / "out")
    assert manifest.complete
    assert list(manifest.outputs) == ["part-0.tfrecord", "part-1.tfrecord", "part-2.tfrecord"]
    assert result.records == sum(facts["records"] for facts in manifest.outputs.values())
    assert result.records == len(payloads(tmp_path / "out")) > 30
    assert result.bytes == sum(map(len, contents(tmp_path / "out").values()))
    assert (result.files, result.made, result.vocab_size) == (3, 3, 8192)
    assert manifest.config["max_predictions_per_seq"] == result.max_predictions_per_seq == 4
    assert len(manifest.inputs) == 3
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {*manifest.outputs, "manifest.json", FOLDER}


def test_bytes_do_not_depend_on_workers(corpus, tmp_path):
    make_records(CONFIG, corpus, tmp_path / "one", VOCAB, workers=1)
    make_records(CONFIG, corpus, tmp_path / "two", VOCAB, workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    one, two = ((tmp_path / name / "manifest.json").read_text() for name in ("one", "two"))
    assert one == two


def test_each_file_is_a_corpus_of_its_own(corpus, tmp_path):
    make_records(CONFIG, corpus, tmp_path / "all", VOCAB, workers=1)
    make_records(CONFIG, [f"{corpus[0]}/part-1.txt"], tmp_path / "one", VOCAB)
    assert contents(tmp_path / "one") == {
        "part-1.tfrecord": contents(tmp_path / "all")["part-1.tfrecord"]
    }


def test_same_run_again_touches_nothing(corpus, tmp_path):
    make_records(CONFIG, corpus, tmp_path / "out", VOCAB, workers=1)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    result = make_records(CONFIG, corpus, tmp_path / "out", VOCAB, workers=2)
    assert result.made == 0
    assert result.records == len(payloads(tmp_path / "out"))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize("failing", [1, 2])
def test_an_interrupted_run_goes_on_where_it_stopped(corpus, tmp_path, monkeypatch, failing):
    make_records(CONFIG, corpus, tmp_path / "whole", VOCAB, workers=1)
    real, calls = ExampleWriter.add, []

    def stops(writer, plan, which):
        calls.append(plan)
        if len(calls) > failing:
            raise KeyboardInterrupt
        real(writer, plan, which)

    monkeypatch.setattr(ExampleWriter, "add", stops)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        make_records(CONFIG, corpus, out, VOCAB, workers=1)
    assert not read_manifest(out).complete
    assert len(read_manifest(out).outputs) == len(contents(out)) == failing
    (out / ".part-2.tfrecord.partial-1").write_bytes(b"left by a killed process")
    kept = {path: path.stat().st_mtime_ns for path in out.glob("*.tfrecord")}
    monkeypatch.setattr(ExampleWriter, "add", real)
    assert make_records(CONFIG, corpus, out, VOCAB, workers=1).made == 3 - failing
    assert contents(out) == contents(tmp_path / "whole")
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert (out / "manifest.json").read_text() == (tmp_path / "whole/manifest.json").read_text()
    assert not list(out.rglob(".*.partial*"))


def test_a_full_disk_leaves_nothing_that_looks_complete(corpus, tmp_path, monkeypatch):
    def full(writer, plan, which):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ExampleWriter, "add", full)
    with pytest.raises(OSError, match="No space left"):
        make_records(CONFIG, corpus, tmp_path / "out", VOCAB, workers=1)
    assert not read_manifest(tmp_path / "out").complete
    assert contents(tmp_path / "out") == {}


def test_another_configuration_is_refused_unless_overwritten(corpus, tmp_path):
    out = tmp_path / "out"
    make_records(CONFIG, corpus, out, VOCAB, workers=1)
    before = contents(out)
    other = RecordsConfig(max_seq_length=32, dupe_factor=3)
    with pytest.raises(DataError, match="dupe_factor 2, now 3") as caught:
        make_records(other, corpus, out, VOCAB, workers=1)
    assert caught.value.exit_code == 3
    assert contents(out) == before
    make_records(other, corpus, out, VOCAB, workers=1, overwrite=True)
    make_records(other, corpus, tmp_path / "fresh", VOCAB, workers=1)
    assert contents(out) == contents(tmp_path / "fresh") != before
    assert read_manifest(out).config["dupe_factor"] == 3


def test_changed_text_is_noticed(corpus, tmp_path):
    make_records(CONFIG, corpus, tmp_path / "out", VOCAB, workers=1)
    (tmp_path / "text" / "part-1.txt").write_text(text(9), encoding="utf-8")
    with pytest.raises(DataError, match="1 of them changed"):
        make_records(CONFIG, corpus, tmp_path / "out", VOCAB)


@pytest.mark.parametrize("damage", ["gone", "short"])
def test_a_lost_file_of_a_complete_folder_is_made_again(corpus, tmp_path, damage):
    out = tmp_path / "out"
    make_records(CONFIG, corpus, out, VOCAB, workers=1)
    before = contents(out)
    if damage == "gone":
        (out / "part-1.tfrecord").unlink()
    else:
        (out / "part-1.tfrecord").write_bytes(b"cut off")
    assert make_records(CONFIG, corpus, out, VOCAB, workers=1).made == 1
    assert contents(out) == before
    assert read_manifest(out).complete


def test_limit_counts_over_the_shards_in_order(corpus, tmp_path):
    make_records(CONFIG, corpus, tmp_path / "all", VOCAB, workers=1)
    everything = payloads(tmp_path / "all")
    first = len(list(read_records(tmp_path / "all" / "part-0.tfrecord")))
    for limit in (1, first, first + 2):
        out = tmp_path / str(limit)
        result = make_records(CONFIG, corpus, out, VOCAB, limit=limit)
        assert payloads(out) == everything[:limit]
        assert result.records == limit
        assert make_records(CONFIG, corpus, out, VOCAB, limit=limit).made == 0
    beyond = make_records(CONFIG, corpus, tmp_path / "more", VOCAB, limit=10**6)
    assert beyond.records == len(everything)


def test_records_of_one_corpus_are_dealt_in_turn(corpus, tmp_path):
    one = RecordsConfig(max_seq_length=32, dupe_factor=2, shards="one-corpus")
    three = RecordsConfig(max_seq_length=32, dupe_factor=2, shards="one-corpus", outputs=3)
    make_records(one, corpus, tmp_path / "one", VOCAB)
    make_records(three, corpus, tmp_path / "three", VOCAB)
    assert list(contents(tmp_path / "one")) == ["records-00000-of-00001.tfrecord"]
    dealt = [list(read_records(path)) for path in sorted((tmp_path / "three").glob("*.tfrecord"))]
    assert len(dealt) == 3
    together = payloads(tmp_path / "one")
    assert dealt == [together[index::3] for index in range(3)]


def test_an_empty_file_among_others_gives_no_records(corpus, tmp_path, caplog):
    (tmp_path / "text" / "part-1.txt").write_text("\n \n", encoding="utf-8")
    with caplog.at_level("WARNING", "bertkit"):
        result = make_records(CONFIG, corpus, tmp_path / "out", VOCAB, workers=1)
    assert list(contents(tmp_path / "out")) == ["part-0.tfrecord", "part-2.tfrecord"]
    assert result.files == 2
    assert "part-1.txt holds no sentences" in caplog.text
    assert make_records(CONFIG, corpus, tmp_path / "out", VOCAB, workers=1).made == 0


def test_an_empty_corpus_is_an_error(tmp_path):
    (tmp_path / "empty.txt").write_text("\n\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"no sentences in .*empty.txt"):
        make_records(CONFIG, [str(tmp_path / "empty.txt")], tmp_path / "out", VOCAB)
    assert not (tmp_path / "out").exists(), "another try need not say --overwrite"


@pytest.mark.slow
def test_bad_text_in_a_worker_process_names_the_byte(corpus, tmp_path):
    (tmp_path / "text" / "part-1.txt").write_bytes(b"fine\nnot \xff fine\n")
    for workers in (1, 2):
        with pytest.raises(DataError, match=r"part-1.txt:2: not UTF-8 at byte 9"):
            make_records(CONFIG, corpus, tmp_path / f"out{workers}", VOCAB, workers=workers)


def test_unfinished_input_is_refused(corpus, tmp_path):
    (tmp_path / "text" / "manifest.json").write_text(
        json.dumps({"command": "extract", "config": {}, "state": "incomplete"}), encoding="utf-8"
    )
    with pytest.raises(DataError, match="its extract run did not finish"):
        make_records(CONFIG, corpus, tmp_path / "out", VOCAB)


def test_remote_and_compressed_text_gives_the_same_records(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    text = b"The whale dives.\nIt breathes.\n\nThe ship sails.\nIt turns.\n" * 9
    (tmp_path / "a.txt").write_bytes(text)
    system = fsspec.filesystem("memory")
    system.pipe("/texts/a.txt", text)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(text))
    (tmp_path / "a").write_bytes(lzma.compress(text))
    places = [tmp_path / "a.txt", "memory://texts", tmp_path / "a.txt.gz", tmp_path / "a"]
    planned = estimate_records(CONFIG, ["memory://texts"], tmp_path / "out", VOCAB)
    assert "1 file, 513 bytes, into" in planned.to_copy
    made = set()
    for number, place in enumerate(places):
        out = tmp_path / f"out-{number}"
        make_records(CONFIG, [str(place)], out, VOCAB, workers=1)
        made.add((out / "a.tfrecord").read_bytes())
    assert len(made) == 1
    assert read_manifest(tmp_path / "out-1").inputs[0]["path"] == "memory://texts/a.txt"
    system.rm("/texts", recursive=True)


def test_storage_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(DataError, match="cannot read memory://none/"):
        make_records(CONFIG, ["memory://none/a.txt"], tmp_path / "out", VOCAB)
    with pytest.raises(UsageError, match="all workers see"):
        make_records(
            CONFIG, ["memory://x"], tmp_path / "out", VOCAB, executor="dask", scheduler="tcp://x"
        )
    assert not (tmp_path / "out").exists()


def test_the_vocabulary_decides_how_text_is_treated(corpus, tmp_path, shared):
    vocab = shared / "data" / "vocab" / "bert-base-cased-vocab.txt"
    make_records(CONFIG, corpus, tmp_path / "a", vocab, workers=1, limit=1)
    manifest = read_manifest(tmp_path / "a")
    assert manifest.config["do_lower_case"] is False
    facts = of_records(manifest, "a")
    assert facts.normalisation == CASED
    assert facts.tokens_sha256 == manifest.config["vocab_sha256"]
    with pytest.raises(ConfigError, match=r"--cased contradicts .*bertkit-uncased-8k.txt: lower"):
        make_records(replace(CONFIG, do_lower_case=False), corpus, tmp_path / "b", VOCAB)
    assert not (tmp_path / "b").exists()
    with pytest.raises(ConfigError, match=r"nvidia's tokenizer cannot make text .*accents strip"):
        odd = replace(CONFIG, style="nvidia", strip_accents=True)
        make_records(odd, corpus, tmp_path / "b", cased_copy(vocab, tmp_path))


def cased_copy(vocab, folder):
    """A cased vocabulary of which nothing is known."""
    text = vocab.read_text(encoding="utf-8") + "Mandelas\n"
    (folder / "copy.txt").write_text(text, encoding="utf-8")
    return folder / "copy.txt"


def test_cerebras_records_say_that_accents_are_gone(corpus, tmp_path, shared):
    vocab = shared / "data" / "vocab" / "bert-base-cased-vocab.txt"
    config = RecordsConfig(style="cerebras", dupe_factor=1)
    make_records(config, corpus, tmp_path / "a", vocab, workers=1, limit=1)
    facts = of_records(read_manifest(tmp_path / "a"), "a")
    assert facts.normalisation == Normalisation(do_lower_case=False, strip_accents=True)


def test_accents_are_kept_in_records(tmp_path):
    """The records hold the very tokens of transformers' tokenizer."""
    save_vocab(tmp_path / "v.txt", [*SPECIAL_TOKENS, "hà", "nội", "ha", "noi", "##i", "đẹp"])
    write_sidecar(tmp_path / "v.txt", of_vocab(load_vocab(tmp_path / "v.txt"), KEEPING))
    (tmp_path / "t.txt").write_text("HÀ Nội ĐẸP\nhà nội đẹp\n\nHà nội\nđẹp\n", encoding="utf-8")
    config = replace(CONFIG, max_seq_length=16, dupe_factor=1, masked_lm_prob=0.0)
    make_records(config, [str(tmp_path / "t.txt")], tmp_path / "a", tmp_path / "v.txt", workers=1)
    source = open_records(str(next((tmp_path / "a").glob("*.tfrecord"))))
    seen = set(source.batch(np.arange(len(source)))["input_ids"].ravel().tolist())
    assert seen >= {5, 6, 10} and not seen & {1, 7, 8, 9}


def test_manifests_of_0_1_0_go_on(corpus, tmp_path):
    """Records made before the facts were written are complete, and nothing is made again."""
    make_records(CONFIG, corpus, tmp_path / "a", VOCAB, workers=1)
    path = tmp_path / "a" / "manifest.json"
    old = json.loads(path.read_text())
    del old["tokenizer"], old["checksum"]
    assert not {"strip_accents", "tokenize_chinese_chars"} & old["config"].keys()
    path.write_text(json.dumps(old))
    assert make_records(CONFIG, corpus, tmp_path / "a", VOCAB, workers=1).made == 0


def test_several_inputs_and_outputs_as_the_reference(shared, tmp_path):
    goldens = shared / "goldens" / "digests"
    known = json.loads((goldens / "digests.json").read_text(encoding="utf-8"))["outputs"]
    golden = next(output for output in known if output["name"] == "mlperf_multi_in2_out3_tf1")
    sample = shared / "data" / "tfrecord_samples" / "graphcore" / "sample_text.txt"
    config = RecordsConfig(
        dupe_factor=2, short_seq_prob=0.5, style="mlperf", shards="one-corpus", outputs=3
    )
    vocab = shared / "data" / "vocab" / "bert-base-uncased-vocab.txt"
    inputs = [str(goldens / "eval.txt"), str(sample)]
    result = make_records(config, inputs, tmp_path / "out", vocab)
    assert result.records == golden["records"]
    assert digest(map(decode_example, payloads(tmp_path / "out"))) == golden["digest"]


def test_a_second_run_into_the_same_folder_is_refused(corpus, tmp_path):
    program = """
import sys
from bertkit.storage.folder_lock import locked_folder
with locked_folder(sys.argv[1], "make-records"):
    print("held", flush=True)
    input()
"""
    out = tmp_path / "out"
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(out)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(BertkitError, match="out is in use by `bertkit make-records`"):
        make_records(CONFIG, corpus, out, VOCAB, workers=1)
    holder.communicate("\n")
    assert make_records(CONFIG, corpus, out, VOCAB, workers=1).made == 3


@pytest.mark.parametrize("raw", [True, False])
def test_text_that_was_not_split_into_sentences_is_said(tmp_path, caplog, raw):
    path = tmp_path / "a.txt"
    whole = text(1, documents=20)
    path.write_text(whole.replace(".\n", ". ").replace("  ", "\n\n") if raw else whole, "utf-8")
    make_records(CONFIG, [str(path)], tmp_path / "out", VOCAB, workers=1)
    assert ("not split yet" in caplog.text) == raw


def test_names_that_are_not_utf8_make_the_records_of_other_names(tmp_path):
    folders = [tmp_path / name for name in ("plain", "latin")]
    for folder, name in zip(folders, (b"Koln.txt", b"K\xf6ln.txt"), strict=True):
        folder.mkdir()
        place = os.path.join(os.fsencode(folder), name)
        try:
            with open(place, "wb") as stream:
                stream.write(text(1).encode())
        except OSError:
            pytest.skip("this file system takes names in UTF-8 only")
        make_records(CONFIG, [str(folder)], folder / "out", VOCAB, workers=1)
    assert payloads(folders[0] / "out") == payloads(folders[1] / "out")
    manifest = read_manifest(folders[1] / "out")
    assert os.fsencode(manifest.inputs[0]["path"]).endswith(b"K\xf6ln.txt")
    again = make_records(CONFIG, [str(folders[1])], folders[1] / "out", VOCAB, workers=1)
    assert again.made == 0
