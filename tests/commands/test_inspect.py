"""`bertkit inspect`: records, folders and runs as text and as JSON."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import synthetic


@pytest.fixture
def vocab(tmp_path):
    """A vocabulary of the synthetic records' 64 tokens, each a word."""
    path = tmp_path / "vocab.txt"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [f"word{number}" for number in range(len(special), synthetic.VOCAB)]
    path.write_text("\n".join([*special, *words]) + "\n")
    return path


def test_numbers_of_records(bertkit, trained):
    rows = synthetic.batch(10, seed=2)
    found = bertkit("inspect", trained.valid, "--count", 0, "--json").result["records"]
    assert (found["files"], found["records"]) == (1, 10)
    assert (found["max_seq_length"], found["max_predictions_per_seq"]) == (24, 4)
    assert found["mean_length"] == pytest.approx(rows["input_mask"].sum(1).mean())
    assert found["mean_predictions"] == pytest.approx((rows["masked_lm_weights"] > 0).sum(1).mean())
    assert found["random_next"] == pytest.approx(rows["next_sentence_labels"].mean())
    lengths = rows["input_mask"].sum(1)
    for first, last, count in found["histogram"]:
        assert count == np.count_nonzero((lengths >= first) & (lengths <= last))


def test_records_are_shown_token_by_token(bertkit, trained, vocab):
    rows = synthetic.batch(10, seed=2)
    shown = bertkit("inspect", trained.valid, "--vocab", vocab, "--start", 4, "--count", 2)
    assert shown.status == 0, shown.err
    assert "Record 4:" in shown.out and "Record 5:" in shown.out
    assert "Record 3:" not in shown.out and "Record 6:" not in shown.out
    hidden = rows["masked_lm_ids"][4][rows["masked_lm_weights"][4] > 0]
    for token in hidden:
        assert f"[MASK:word{token}]" in shown.out
    by_number = bertkit("inspect", "--input", trained.valid, "--start", 4, "--count", 1).out
    assert f"[MASK:{hidden[0]}]" in by_number


def test_a_run_ends_with_its_last_metrics(bertkit, trained):
    last = json.loads((trained.run / "metrics.jsonl").read_text().splitlines()[-1])
    found = bertkit("inspect", trained.run, "--json").result["run"]
    kept = found.pop("checkpoints")
    assert found == last and kept[-1] == {"step": last["step"], "damage": ""}
    shown = bertkit("inspect", trained.run).out
    (row,) = [line for line in shown.splitlines() if line.startswith("masked LM loss")]
    assert row.split()[-1] == f"{last['mlm_loss']:.4f}"
    assert f"step            {last['step']} of {last['step']}" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_folder_of_raw_text_is_read_in_the_forms_of_extract(bertkit, tmp_path):
    """And what `extract` leaves out of it is left out, where a whole folder was refused."""
    place = tmp_path / "corpus"
    place.mkdir()
    (place / "a.txt").write_text("One sentence here.\nAnother one.\n")
    (place / "b.jsonl").write_text('{"text": "A second document."}\n' * 1200)
    (place / "c.bin").write_bytes(bytes(range(256)) * 10)
    shown = bertkit("inspect", place)
    assert shown.status == 0, shown.err
    made = bertkit("extract", "--input", place, "--output", tmp_path / "docs", "--workers", 1)
    forms = [line for line in made.err.splitlines() if line.startswith((f"{place}/", "left out"))]
    assert len(forms) == 3 and all(line in shown.err.splitlines() for line in forms)
    found = bertkit("inspect", place, "--json").result["text"]
    assert found["documents"] == 1201 and found["taken_as"] == forms[:2]
    assert found["left_out"] == {"not text": 1}
    told = bertkit("inspect", tmp_path / "docs").out.splitlines()
    assert ["documents", "1,201"] in [line.split() for line in told]


def test_a_folder_with_a_manifest_and_its_records(bertkit, trained, tmp_path):
    bertkit("pick-eval", "--input", trained.train, "--output", tmp_path / "picked", "--count", 5)
    found = bertkit("inspect", tmp_path / "picked", "--json").result
    manifest = json.loads((tmp_path / "picked" / "manifest.json").read_text())
    assert found["records"]["records"] == 5
    assert found["manifest"]["command"] == manifest["command"] == "pick-eval"


def test_what_cannot_be_shown(bertkit, tmp_path):
    assert bertkit("inspect").status == 2
    gone = bertkit("inspect", tmp_path / "gone")
    assert gone.status == 3 and str(tmp_path / "gone") in gone.err
    (tmp_path / "text.tfrecord").write_text("no record at all, whatever its name says")
    broken = bertkit("inspect", tmp_path / "text.tfrecord")
    assert broken.status == 3 and "text.tfrecord" in broken.err


def test_a_rank_in_the_environment_silences_nothing(bertkit, trained, monkeypatch):
    """As in an allocation of a cluster: the command joins no process group."""
    for name, value in (("RANK", "3"), ("LOCAL_RANK", "3"), ("WORLD_SIZE", "8")):
        monkeypatch.setenv(name, value)
    assert "Record 0:" in bertkit("inspect", trained.valid).out
    assert bertkit("inspect", trained.valid, "--json").result["records"]["records"] == 10


SENTENCES = "".join(f"The whale number {n} dives.\nIt breathes {n} times.\n\n" for n in range(30))


def test_what_text_holds(bertkit, tmp_path):
    (tmp_path / "text.txt").write_text(SENTENCES)
    done = bertkit("inspect", tmp_path / "text.txt", "--vocab", "bertkit-uncased-8k", "--json")
    assert done.status == 0, done.err
    found = done.result["text"]
    assert (found["documents"], found["sentences"], found["words"]) == (30, 60, 270)
    assert found["unknown"] == 0 and found["tokens_per_word"] > 1
    assert found["duplicate_lines"] == 0 and found["scripts"] == {"Latin": 1.0}
    assert "warning" not in done.err
    shown = bertkit("inspect", tmp_path / "text.txt").out
    assert "30, 0.0% of them of one sentence" in shown and "[UNK]" not in shown


def test_japanese_with_an_english_vocabulary_is_said_loudly(bertkit, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text(
        "これは日本語の文です。\n猫が座る。\n", encoding="utf-8"
    )
    done = bertkit("inspect", tmp_path / "docs", "--vocab", "bertkit-uncased-8k", "--json")
    assert done.result["text"]["unknown"] > 0.4
    assert "of the tokens are [UNK]" in done.err and "Hiragana" in done.err
    made = bertkit("make-records", "-i", tmp_path / "docs", "-o", tmp_path / "out",
                   "--vocab", "bertkit-uncased-8k", "--json")  # fmt: skip
    assert made.result["text"]["unknown"] == done.result["text"]["unknown"]
    assert "of the tokens are [UNK]" in made.err
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["stats"]["text"] == made.result["text"]


def test_raw_text_and_folders_of_extract(bertkit, tmp_path):
    raw = tmp_path / "raw.jsonl"
    raw.write_text("".join(json.dumps({"text": f"Only one, {n}."}) + "\n" for n in range(40)))
    found = bertkit("inspect", raw, "--json")
    assert found.result["text"]["documents"] == 40
    assert "100% of the documents have one sentence" in found.err
    done = bertkit("extract", "-i", raw, "-o", tmp_path / "docs", "--json")
    assert done.result["text"]["one_sentence_documents"] == 1.0
    assert "100% of the documents have one sentence" in done.err
    folder = bertkit("inspect", tmp_path / "docs", "--json").result
    assert folder["manifest"]["stats"]["text"] == done.result["text"]
    assert "text" not in folder
    with_vocab = bertkit("inspect", tmp_path / "docs", "--vocab", "bertkit-uncased-8k", "--json")
    assert with_vocab.result["text"]["tokens"] > 0


def test_paragraphs_of_several_sentences_are_not_taken_for_one(bertkit, tmp_path):
    raw = tmp_path / "raw.jsonl"
    texts = (f"The whale number {n} dives deep. It comes up to breathe. " * 2 for n in range(40))
    raw.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    found = bertkit("inspect", raw)
    assert "have one sentence" not in found.err and "40, 100.0% of them" in found.out


def test_manifests_of_extract_clean_and_records_are_shown_as_text(bertkit, vocab, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(f"Word{n} is here.\nIt is {n} long." for n in range(30)) + "\n")
    docs, clean, records = tmp_path / "docs", tmp_path / "clean", tmp_path / "records"
    assert bertkit("extract", "-i", text, "-o", docs, "--form", "documents").status == 0
    assert bertkit("clean", "-i", docs, "-o", clean, "--drop", "exact").status == 0
    made = bertkit("make-records", "-i", clean, "-o", records, "--vocab", vocab, "--msl", 32)
    assert made.status == 0, made.err
    for folder in (docs, clean, records):
        shown = bertkit("inspect", folder, "--count", 0)
        assert "{'" not in shown.out and "['" not in shown.out and "{}" not in shown.out
    assert "words on average" in shown.out


def test_a_model_of_any_format(bertkit, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(trained.run)
    checkpoint = trained.run / "step-0000060"
    made = bertkit("convert", checkpoint, "--to", "nvidia", "--output", tmp_path / "nvidia")
    assert made.status == 0 and "earlier version" not in made.err  # it has no task's settings
    found = bertkit("inspect", checkpoint, tmp_path / "nvidia", "--json").result["models"]
    assert [facts["format"] for facts in found] == ["hf", "nvidia"]
    assert [facts["step"] for facts in found] == [60, 60]
    assert found[0]["shape"] == found[1]["shape"] and found[0]["parameters"] > 1000
    shown = bertkit("inspect", "step-0000060").out
    assert "BertForPreTraining" in shown and "no vocabulary beside it" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_configuration_and_a_vocabulary_alone(bertkit, trained, vocab):
    (step,) = sorted(trained.run.glob("step-*"))[-1:]
    shown = bertkit("inspect", step / "config.json")
    assert shown.status == 0, shown.err
    wanted = json.loads((step / "config.json").read_text())
    assert wanted["architectures"][0] in shown.out and "layers" in shown.out
    found = bertkit("inspect", vocab, step / "config.json", "--json").result
    assert found["configurations"][0]["shape"]["hidden_size"] == wanted["hidden_size"]
    assert found["vocabularies"][0]["tokens"] == synthetic.VOCAB
    assert found["vocabularies"][0]["special"]["[MASK]"] == 4


def test_what_belongs_to_a_run_and_folders_of_runs(bertkit, trained):
    for name in ("metrics.jsonl", "config.yaml"):
        shown = bertkit("inspect", trained.run / name)
        assert shown.status == 3 and f"bertkit inspect {trained.run}" in shown.err
    above = bertkit("inspect", trained.run.parent)
    assert above.status == 3 and f"it holds runs: {trained.run.name}" in above.err


def test_a_table_of_examples_is_no_records(bertkit, tmp_path):
    (tmp_path / "train.csv").write_text("review,stars\ngood,1\nbad one,2\n")
    shown = bertkit("inspect", tmp_path / "train.csv")
    assert shown.status == 3 and "which column is the text" in shown.err
    assert "finetune" in shown.err and "make-records" not in shown.err


def test_a_data_set_of_datasets_is_no_records(bertkit, tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"sentence": ["good", "bad"], "label": [1, 0]})
    (tmp_path / "set").mkdir()
    parquet.write_table(table, tmp_path / "train.parquet")
    with arrow.ipc.new_stream(tmp_path / "set/train.arrow", table.schema) as writer:
        writer.write_table(table)
    (tmp_path / "set/dataset_dict.json").write_text('{"splits": ["train"]}')
    for name in ("train.parquet", "set"):
        shown = bertkit("inspect", tmp_path / name)
        assert shown.status == 3 and "sentence, label" in shown.err
        assert "finetune" in shown.err and "--text-key" not in shown.err


def test_things_are_shown_in_the_order_given(bertkit, trained, vocab):
    (step,) = sorted(trained.run.glob("step-*"))[-1:]
    for order in ([vocab, trained.run, step], [step, vocab, trained.run]):
        shown = " ".join(bertkit("inspect", *order).out.split())
        heads = {vocab: "vocabulary ", trained.run: "run ", step: "model "}
        places = [shown.index(f"{heads[place]}{str(place)[:9]}") for place in order]
        assert places == sorted(places)


def test_large_folders_of_others_are_looked_into_only_if_asked(bertkit, tmp_path):
    for number in range(4):
        (tmp_path / "texts" / str(number)).mkdir(parents=True)
        (tmp_path / "texts" / str(number) / "a.txt").write_text("The whale dives.\n")
    assert bertkit("inspect", tmp_path / "texts", "--max-files", 8).status == 0
    refused = bertkit("inspect", tmp_path / "texts", "--max-files", 7)
    assert refused.status == 3 and "holds more than 7 files and folders" in refused.err
    assert "--max-files 0" in refused.err
    shown = bertkit("inspect", tmp_path / "texts", "--max-files", 0, "--json")
    assert shown.status == 0 and shown.result["text"]["documents"] == 4


@pytest.mark.skipif(not os.path.exists("/proc/self/mountinfo"), reason="no /proc here")
def test_what_the_kernel_tells_is_no_folder_of_files(bertkit):
    refused = bertkit("inspect", "/proc")
    assert refused.status == 3 and "/proc holds no files, but what the kernel tells" in refused.err
