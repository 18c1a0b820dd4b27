"""`finetune --task summarise` from files to summaries."""

from __future__ import annotations

import json
import sys
from io import BytesIO
from types import SimpleNamespace

import pytest
import torch
import transformers
from rouge_score.rouge_scorer import RougeScorer
from safetensors.torch import load_file, save_file

from bertkit.model.config import USED_WITH
from tasks.summarise.conftest import documents


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def last(folder):
    return load_file(sorted(folder.glob("step-*"))[-1] / "model.safetensors")


def test_marked_sentences_are_learnt_chosen_and_scored(command, write, tmp_path, bertkit):
    known = documents(12)
    file = write("few.jsonl", known)
    files = ["--train-file", file, "--eval-file", file, "--predict-file", file, "--gbs", 12]
    found = bertkit(*command, *files, "--max-steps", 80, "--lr", "2e-2", "--json").result
    predictions = lines(tmp_path / "run/predictions.jsonl")
    for record, document in zip(predictions, known, strict=True):
        sentences = document["document"]
        assert record["id"] == document["id"]
        assert record["summary"] == [sentences[n] for n in record["selected"]]
        assert sorted(record["summary"]) == sorted(document["summary"])
        shares = [record["scores"][n] for n in record["selected"]]
        assert shares == sorted(shares, reverse=True)
        assert min(shares) > 0.5 > sorted(record["scores"])[-3]
    kinds = ("rouge1", "rouge2", "rougeL", "rougeLsum")
    scorer = RougeScorer(kinds, use_stemmer=True)
    pairs = zip(predictions, known, strict=True)
    each = [scorer.score("\n".join(d["summary"]), "\n".join(p["summary"])) for p, d in pairs]
    for kind in kinds:
        mean = 100 * sum(scores[kind].fmeasure for scores in each) / len(each)
        assert found["scores"][kind] == pytest.approx(mean, abs=1e-9)
    assert found["scores"]["rougeLsum"] > found["scores"]["lead_rougeLsum"] + 20
    tables = json.loads((tmp_path / "run/review.json").read_text())["files"][str(file)]
    rows = tables["Lowest rougeLsum"]
    lowest = sorted(100 * scores["rougeLsum"].fmeasure for scores in each)[: len(rows)]
    assert [row["rougeLsum (%)"] for row in rows] == pytest.approx(lowest) and len(rows) == 10
    assert {row["document"] for row in rows} <= {document["id"] for document in known}
    first = [scorer.score("\n".join(d["summary"]), "\n".join(d["document"][:2])) for d in known]
    mean = 100 * sum(scores["rouge2"].fmeasure for scores in first) / len(first)
    assert found["scores"]["lead_rouge2"] == pytest.approx(mean, abs=1e-9)


def test_a_run_is_read_back_and_goes_on_bit_for_bit(command, tmp_path, bertkit):
    command = [*command, "--max-steps", 12, "--save-every", 6]
    bertkit(*command)
    stopped = [*command, "--output", tmp_path / "stopped"]
    assert bertkit(*stopped, "--steps-this-run", 7).status == 75
    bertkit(*stopped)
    whole, parts = last(tmp_path / "run"), last(tmp_path / "stopped")
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())
    dev = command[command.index("--train-file") + 1]
    again = ["finetune", "--predict-file", dev, "--backend", "cpu"]
    bertkit(*again, "--output", tmp_path / "run")
    bertkit(*again, "--init-checkpoint", tmp_path / "stopped", "--output", tmp_path / "elsewhere")
    first = (tmp_path / "run/predictions.jsonl").read_bytes()
    assert first == (tmp_path / "elsewhere/predictions.jsonl").read_bytes()


@pytest.mark.parametrize("weight", [[], ["--loss-weight", "0.25"]])
def test_layouts_and_micro_batches_are_equal(command, tmp_path, bertkit, weight):
    sgd = ["--optimizer", "sgd", "--lr", "0.3", "--max-steps", 3, "--warmup-proportion", 0, *weight]
    for name, options in {
        "plain": ["--layout", "unpadded"],
        "padded": ["--layout", "padded", "--micro-batch-size", 8],
        "small": ["--layout", "unpadded", "--micro-batch-size", 1],
    }.items():
        bertkit(*command, *sgd, *options, "--output", tmp_path / name)
    plain = last(tmp_path / "plain")
    start = load_file(tmp_path / "encoder/model.safetensors")
    moved = "bert.encoder.layer.0.attention.self.query.weight"
    assert (plain[moved] - start[moved]).abs().max() > 1e-4
    for name in ("padded", "small"):
        for key, value in last(tmp_path / name).items():
            torch.testing.assert_close(value, plain[key], atol=1e-6, rtol=1e-5)


def test_what_is_left_out_and_cut_is_counted(command, write, bertkit):
    few = [{**record, "document": record["document"][:2]} for record in documents(2, seed=2)]
    file = write("mixed.jsonl", [*documents(6), *few])
    options = ["--train-file", file, "--max-steps", 1, "--msl", 24]
    err = bertkit(*command, *options).err
    assert "2 of 8 documents left out, which have less than 3 sentences" in err
    assert "6 of 6 documents are longer than 24 tokens" in err
    assert "sentences are not read" in err


@pytest.mark.slow
def test_documents_without_a_word_in_common_are_told(command, write, bertkit):
    strange = [{**record, "summary": "дождь и снег"} for record in documents(4)]
    one = bertkit(*command, "--train-file", write("some.jsonl", documents(4) + strange[:1]))
    assert "1 of 5 documents have no sentence to be chosen" in one.err
    assert one.status == 0
    all_of_them = bertkit(*command, "--train-file", write("none.jsonl", strange), "--overwrite")
    assert all_of_them.status == 3
    assert "none.jsonl: no document shares a word with its summary" in all_of_them.err


def test_labels_given_are_learnt_instead(command, write, tmp_path, bertkit):
    marked = [
        {
            "document": record["document"],
            "labels": [int(sentence in record["summary"]) for sentence in record["document"]],
        }
        for record in documents(24)
    ]
    bertkit(*command, "--max-steps", 3)
    bertkit(*command, "--max-steps", 3, "--train-file", write("marked.jsonl", marked),
            "--output", tmp_path / "given")  # fmt: skip
    one, two = last(tmp_path / "run"), last(tmp_path / "given")
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_an_encoder_with_one_segment_vector_is_refused(command, encoder, bertkit):
    config = json.loads((encoder / "config.json").read_text())
    (encoder / "config.json").write_text(json.dumps({**config, "type_vocab_size": 1}))
    tensors = load_file(encoder / "model.safetensors")
    name = "bert.embeddings.token_type_embeddings.weight"
    save_file({**tensors, name: tensors[name][:1].clone()}, encoder / "model.safetensors")
    found = bertkit(*command)
    assert found.status == 3
    assert "one segment vector; sentences alternate between two" in found.err


def test_transformers_reads_the_encoder(command, tmp_path, bertkit):
    bertkit(*command, "--max-steps", 1)
    place = sorted((tmp_path / "run").glob("step-*"))[-1]
    theirs = transformers.BertModel.from_pretrained(place, add_pooling_layer=False)
    ours = load_file(place / "model.safetensors")
    assert all(torch.equal(v, ours[f"bert.{k}"]) for k, v in theirs.state_dict().items())


def test_predict_answers_from_the_command_line(command, tmp_path, bertkit, monkeypatch):
    file = command[command.index("--train-file") + 1]
    bertkit(*command, "--max-steps", 1, "--predict-file", file)
    wanted = lines(tmp_path / "run/predictions.jsonl")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=file.open("rb"), isatty=bool))
    found = bertkit("predict", "--init-checkpoint", tmp_path / "run", "--backend", "cpu")
    answers = [json.loads(line) for line in found.out.splitlines()]
    assert [(a["id"], a["selected"], a["summary"]) for a in answers] == [
        (w["id"], w["selected"], w["summary"]) for w in wanted
    ]
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=BytesIO(b'{"x": 1}'), isatty=bool))
    bad = bertkit("predict", "--init-checkpoint", tmp_path / "run", "--backend", "cpu")
    assert (bad.status, "standard input:1: no document" in bad.err) == (3, True)


@pytest.mark.parametrize("backend", ["ipu", "cs"])
def test_machines_without_a_place_for_sentences_are_refused(command, bertkit, backend):
    found = bertkit(*command, "--backend", backend, "--dry-run", "--precision", "fp16")
    assert found.status == 3
    assert f"--task summarise does not work on {backend}" in found.err


def test_a_missing_package_is_told_before_any_work(command, tmp_path, bertkit, monkeypatch):
    monkeypatch.setitem(sys.modules, "rouge_score", None)
    monkeypatch.delitem(sys.modules, "rouge_score.rouge_scorer", raising=False)
    file = command[command.index("--train-file") + 1]
    found = bertkit(*command, "--eval-file", file)
    assert found.status == 4
    assert "pip install 'bertkit[summarise]'" in found.err
    assert not (tmp_path / "run").exists()


def test_a_converted_summariser_says_the_same(command, tmp_path, bertkit, monkeypatch):
    file = command[command.index("--train-file") + 1]
    bertkit(*command, "--max-steps", 1, "--predict-file", file)
    made = bertkit("convert", tmp_path / "run", "--output", tmp_path / "model")
    assert made.status == 0, made.err
    assert "`bertkit predict --init-checkpoint MODEL" in (tmp_path / "model/README.md").read_text()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=file.open("rb"), isatty=bool))
    # Its settings went with it: two sentences for a summary, where the default are three.
    found = bertkit("predict", "--init-checkpoint", tmp_path / "model", "--backend", "cpu")
    answers = [json.loads(line) for line in found.out.splitlines()]
    wanted = lines(tmp_path / "run/predictions.jsonl")
    assert [(a["id"], a["selected"]) for a in answers] == [(w["id"], w["selected"]) for w in wanted]
    encoder = transformers.AutoModel.from_pretrained(tmp_path / "model")
    ours = load_file(tmp_path / "model/model.safetensors")
    theirs = {k: v for k, v in encoder.state_dict().items() if "pooler" not in k}
    assert all(torch.equal(v, ours[f"bert.{k}"]) for k, v in theirs.items())


def test_other_forms_take_the_encoder_of_a_summariser_alone(command, tmp_path, bertkit):
    bertkit(*command, "--max-steps", 1)
    to = ("convert", tmp_path / "run", "--to", "tf1", "--output", tmp_path / "tf")
    refused = bertkit(*to)
    assert refused.status == 3 and "no place for classifier" in refused.err
    assert "--to hf" in refused.err and "--allow-unexpected" in refused.err
    made = bertkit(*to, "--allow-unexpected", "classifier.*")
    assert made.status == 0
    (lost,) = [line for line in made.err.splitlines() if "which are left out" in line]
    assert "task summarise" in lost and "summary_sentences 2" in lost and "language en" in lost
    config = json.loads((tmp_path / "tf/bert_config.json").read_text())
    assert USED_WITH not in config
    read = bertkit("convert", tmp_path / "tf", "--check")
    assert "BertModel" in read.out
