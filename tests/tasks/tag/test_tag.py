"""The task from files to files: training, resuming, scoring, predicting, and its bad inputs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from seqeval import metrics

from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.errors import ConfigError, DataError, StoppedError
from bertkit.model.checkpoints.hf import load_weights
from bertkit.tasks.finetuning.config import settings_of_run
from bertkit.tasks.finetuning.predict import predict
from bertkit.tasks.finetuning.review import read_review
from bertkit.tasks.finetuning.run import prepare
from bertkit.tasks.finetuning.samples import outputs_of
from bertkit.tasks.tag.config import TagConfig
from bertkit.tasks.tag.sentence_files import read_predicted, read_sentences

from .conftest import TRAIN


def columns(text):
    return [line.split() for line in text.split("\n")]


def test_what_was_learnt_is_scored_and_predicted_in_the_form_of_the_input(run, settings, tmp_path):
    words = tmp_path / "words.jsonl"
    words.write_text('{"id": 1, "tokens": ["Otto", "saw", "New", "York"]}\n\n{"tokens": []}\n')
    found = run(predict_file=[*settings["eval_file"], str(words)])
    assert found.scores["f1"] == found.scores["LOC_f1"] == found.scores["accuracy"] == 1.0
    kept = json.loads((tmp_path / "run/scores.json").read_text())
    assert (kept["task"], kept["metric"], kept["examples"]) == ("tag", "f1", 3)
    assert kept["scores"] == found.scores
    conll, lines = map(Path, found.predictions)
    assert conll.read_text() == "".join(
        f"{line} {line.split()[-1]}\n" if line else "\n" for line in TRAIN.splitlines()
    )
    first, second, third = lines.read_text().splitlines()
    assert json.loads(first)["predicted_tags"] == ["B-PER", "O", "B-LOC", "I-LOC"]
    assert (second, json.loads(third)) == ("", {"tokens": [], "predicted_tags": []})


def test_a_poor_model_scores_as_seqeval_scores_its_predictions(run, settings, tmp_path):
    found = run(max_steps=2, predict_file=settings["eval_file"])
    gold = read_sentences(settings["eval_file"][0]).sentences
    guess = read_predicted(found.predictions[0], gold)
    tags = [list(one.tags) for one in gold]
    assert 0 < metrics.accuracy_score(tags, guess) < 1
    assert found.scores["f1"] == pytest.approx(metrics.f1_score(tags, guess), abs=1e-12)
    assert found.scores["accuracy"] == pytest.approx(metrics.accuracy_score(tags, guess))
    again = run(train_file=None, predictions=found.predictions[0], output=str(tmp_path / "other"))
    assert again.scores == found.scores
    assert json.loads((tmp_path / "other/scores.json").read_text())["scores"] == found.scores
    # As many words are wrong as its accuracy says.
    (tables,) = read_review(tmp_path / "run")["files"].values()
    wrong = sum(row["words"] for row in tables["Tags taken for others"])
    assert found.scores["accuracy"] == pytest.approx(1 - wrong / sum(len(s.words) for s in gold))


def test_a_run_stopped_and_resumed_has_the_same_weights_bit_for_bit(run, tmp_path):
    whole = run(max_steps=6, global_batch_size=2, output=str(tmp_path / "whole"))
    with pytest.raises(StoppedError):
        run(max_steps=6, global_batch_size=2, steps_this_run=3)
    again = run(max_steps=6, global_batch_size=2)
    before, after = load_weights(whole.checkpoint), load_weights(again.checkpoint)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert again.scores == whole.scores


def test_the_best_evaluation_is_kept_with_its_labels(run, tmp_path):
    run(eval_every=10)
    facts = json.loads((tmp_path / "run/best/best.json").read_text())
    assert (facts["metric"], facts["value"]) == ("f1", 1.0)
    values = json.loads((tmp_path / "run/best/config.json").read_text())
    assert values["id2label"] == {"0": "B-LOC", "1": "B-PER", "2": "I-LOC", "3": "O"}
    assert values["architectures"] == ["BertForTokenClassification"]


@pytest.mark.parametrize("pieces", ["first", "all"])
def test_layouts_and_micro_batches_give_one_loss_that_of_transformers(settings, pieces):
    Path(settings["train_file"]).write_text(TRAIN)
    settings |= {"label_pieces": pieces, "global_batch_size": 3, "max_steps": 1}
    found = []
    for more in ({}, {"layout": "padded"}, {"micro_batch_size": 1}):
        task = prepare(TagConfig(**{**settings, **more}), CpuAdapter())
        torch.manual_seed(3)
        model = task.make_model()
        feed = task.training_data(CpuAdapter()).feed
        (step,) = feed.steps(0, 1)
        loss, count = 0.0, 0
        for batch in step.micro_batches:
            tensors = {name: torch.as_tensor(value) for name, value in batch.arrays.items()}
            own, sums = task.objective.losses(model, tensors, batch)
            loss, count = loss + own, count + sums["tag_count"]
        loss.backward()
        found.append((loss.detach(), count, model.classifier.weight.grad))
    words = sum(len(one.words) for one in task.train_examples)
    assert [count for _, count, _ in found] == [words + 2 * (pieces == "all")] * 3  # un ##der ##s
    for loss, _, gradient in found[1:]:
        torch.testing.assert_close(loss, found[0][0])
        torch.testing.assert_close(gradient, found[0][2])
    # The mean over all labels, as transformers computes it.
    encoded = task.encode(task.train_examples)
    ids = torch.zeros(len(encoded), 12, dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for row, sample in enumerate(encoded):
        ids[row, : sample.length] = torch.as_tensor(sample.ids)
        labels[row, sample.target.rows] = torch.as_tensor(sample.target.labels)
    shape = transformers.BertConfig(**{**task.shape.to_dict(), "num_labels": 4})
    theirs = transformers.BertForTokenClassification(shape)
    theirs.load_state_dict(model.state_dict())
    mask = torch.arange(12)[None] < torch.tensor([[one.length] for one in encoded])
    torch.testing.assert_close(theirs(ids, mask.long(), labels=labels).loss, found[0][0])


def test_pieces_after_the_first_are_inside_of_what_it_begins(settings):
    text = TRAIN.replace("unders O", "unders B-LOC").replace("from O", "unders B-PER")
    Path(settings["train_file"]).write_text(text)
    task = prepare(TagConfig(**settings, label_pieces="all"), CpuAdapter())
    names = [
        [task.labels[n] for n in one.target.labels] for one in task.encode(task.train_examples)
    ]
    assert names[1][2:5] == ["B-LOC", "I-LOC", "I-LOC"]
    assert names[2][2:5] == ["B-PER", "B-PER", "B-PER"]  # there is no I-PER


def answers(task, entries, model):
    examples = task.predict_lines([(f"input:{n}", entry) for n, entry in enumerate(entries, 1)])
    samples = task.encode(examples)
    adapter = CpuAdapter()
    adapter.start(None)
    stepper = adapter.build(model, task.objective, task.opened.predicting_plan())
    outputs = outputs_of(adapter, stepper, task.batcher, samples, 2)
    return task.answers(examples, samples, outputs)


def test_the_pipeline_of_transformers_finds_the_same_entities(trained, settings):
    task = prepare(replace(TagConfig(**settings), max_seq_length=32), CpuAdapter())
    model = task.load_trained(task.start)
    texts = [
        "Otto saw New York.",
        "  Maria,Anna and un\u200dders\tfrom London... ",
        "Zzz went to Paris-London \u200d .",
    ]
    found = answers(task, [{"text": text} for text in texts], model)
    place = str(task.start)
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    theirs = transformers.AutoModelForTokenClassification.from_pretrained(place)
    pipeline = transformers.TokenClassificationPipeline(
        model=theirs, tokenizer=tokenizer, aggregation_strategy="first"
    )
    count = 0
    for text, own in zip(texts, found, strict=True):
        wanted = pipeline(text)
        assert own["text"] == text
        assert [(e["type"], e["start"], e["end"]) for e in own["entities"]] == [
            (e["entity_group"], e["start"], e["end"]) for e in wanted
        ]
        assert [e["text"] for e in own["entities"]] == [text[e["start"] : e["end"]] for e in wanted]
        for one, other in zip(own["entities"], wanted, strict=True):
            assert one["probability"] == pytest.approx(float(other["score"]), abs=1e-5)
        count += len(wanted)
    assert count >= 6


def test_words_are_answered_one_by_one(trained, settings):
    task = prepare(TagConfig(**settings), CpuAdapter())
    entries = [{"words": ["New", "York", "", "Otto"]}, {"tokens": []}, {"text": ""}]
    first, *empty = answers(task, entries, task.load_trained(task.start))
    assert first["tags"][:2] == ["B-LOC", "I-LOC"] and len(first["tag_probabilities"]) == 4
    assert first["entities"][0] | {"probability": 0} == {
        "type": "LOC", "text": "New York", "start": 0, "end": 2, "probability": 0,
    }  # fmt: skip
    assert [one["entities"] for one in empty] == [[], []]
    with pytest.raises(DataError, match="input:1: 'text' is not a text"):
        task.predict_lines([("input:1", {"text": 3})])
    with pytest.raises(DataError, match="input:2: has no field 'words' or 'tokens'"):
        task.predict_lines([("input:1", {"text": ""}), ("input:2", {})])


def test_no_word_of_a_long_sentence_is_lost(trained, run, tmp_path, caplog):
    words = ["Otto", "saw", ""] * 15 + ["un" + "," * 30, "\u200d", "New", "York"]
    (tmp_path / "long.txt").write_bytes("".join(f"{word}\tx\r\n" for word in words).encode())
    found = run(predict_file=[str(tmp_path / "long.txt")], eval_file=[])
    lines = Path(found.predictions[0]).read_bytes().decode().split("\r\n")
    assert [line.split("\t")[:2] for line in lines[:-1]] == [[word, "x"] for word in words]
    tags = [line.split("\t")[2] for line in lines[:-1]]
    assert tags[:45:3] == ["B-PER"] * 15 and tags[-2:] == ["B-LOC", "I-LOC"]
    assert (
        "long.txt:46: the word has more pieces than a window of --max-seq-length 12 has room for"
        in caplog.text
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Otto B-PER\nsaw PER\n", "train.conll:2: the tag 'PER' no tag scheme explains"),
        ("Otto B-PER\nsaw b-per\n", "train.conll:2: the tag 'b-per' no tag scheme explains"),
        ("a B-X\nb E-X\nc U-X\n", "train.conll:3: the tag 'U-X' no tag scheme explains"),
        (
            "Otto B-PER\nSaw I-PER\nsaw O\nRio B-LOC\nde I-LOC\n\nX S-PER\nin O\n",
            "train.conll:7: the tag 'S-PER' no tag scheme explains",
        ),
        ("Otto B-PER\nsaw\n", "train.conll:2: 1 column where most lines have 2"),
    ],
)
def test_tags_that_cannot_be_learnt_are_told_with_their_place(settings, text, said):
    Path(settings["train_file"]).write_text(text)
    with pytest.raises(DataError) as error:
        prepare(TagConfig(**settings), CpuAdapter())
    assert said in error.value.message and error.value.hint


def test_a_tag_unknown_in_evaluation_is_told_with_its_place(settings):
    Path(settings["eval_file"][0]).write_text("Otto B-PER\n\nsaw B-ORG\n")
    with pytest.raises(DataError, match=r"eval.conll:3: the tag 'B-ORG' is not known") as error:
        prepare(TagConfig(**settings), CpuAdapter())
    assert "B-LOC, B-PER, I-LOC, O" in error.value.hint
    labels = ["O", "B-PER", "B-LOC", "I-LOC", "B-ORG"]
    assert prepare(TagConfig(**settings, labels=labels), CpuAdapter()).labels == labels
    with pytest.raises(DataError, match=r"train.conll:5: the tag 'B-LOC' is not known"):
        prepare(TagConfig(**settings, labels=["O", "B-PER", "B-ORG"]), CpuAdapter())


def test_words_of_one_tag_only_are_refused(settings):
    Path(settings["train_file"]).write_text("Otto O\nsaw O\n")
    with pytest.raises(DataError, match=r"train.conll: all words have the tag O") as error:
        prepare(TagConfig(**settings), CpuAdapter())
    assert "--tag-column" in error.value.hint


def test_words_of_one_tag_only_are_refused_whatever_labels_are_given(settings):
    Path(settings["train_file"]).write_text("Otto O\nsaw O\n")
    with pytest.raises(DataError, match=r"train.conll: all words have the tag O"):
        prepare(TagConfig(**settings, labels=["O", "B-PER"]), CpuAdapter())


def test_the_second_text_of_a_pair_is_refused(trained, settings):
    config = replace(TagConfig(**settings), init_checkpoint=trained, train_file=None)
    with pytest.raises(DataError, match="--text: 'pair' is given"):
        predict(config, [("--text", {"text": "Otto", "pair": "saw"})], CpuAdapter())


def test_a_scheme_that_is_asked_for_must_explain_all_tags(settings):
    said = r"train.conll:1: the tag 'B-PER' the scheme ioe2 does not explain"
    with pytest.raises(DataError, match=said):
        prepare(TagConfig(**settings, tag_scheme="ioe2"), CpuAdapter())
    task = prepare(TagConfig(**settings, tag_scheme="none"), CpuAdapter())
    assert task.deciding_metric == "accuracy"


def test_parts_of_speech_are_counted_by_words(run, settings):
    text = "Otto NNP\nsaw VBD\n. .\n\n-LRB- -LRB-\nAnna NNP\n"
    Path(settings["train_file"]).write_text(text)
    Path(settings["eval_file"][0]).write_text(text)
    assert run().scores == {"accuracy": 1.0}


def test_a_checkpoint_without_tags_is_told(settings):
    settings["train_file"] = None
    with pytest.raises(ConfigError, match="encoder has no tags: it was not fine-tuned"):
        prepare(TagConfig(**settings), CpuAdapter())


def test_settings_that_contradict_each_other_are_told(settings):
    found = TagConfig(**{**settings, "predictions": "x", "eval_file": []}).problems()
    assert len([text for text in found if "--predictions" in text]) == 2


def test_the_command_predicts_with_the_settings_of_the_run(bertkit, trained):
    text = "Otto saw " + "the " * 40 + "New York."
    words = ("predict", "--init-checkpoint", trained, "--text", text, "--backend", "cpu")
    run = bertkit(*words, "--json")
    assert run.status == 0, run.err
    (found,) = run.result["answers"]
    assert found["text"] == text and len(found["words"]) == len(found["tags"]) == 45
    assert [one["text"] for one in found["entities"]] == ["Otto", "New York"]
    assert [text[one["start"] : one["end"]] for one in found["entities"]] == ["Otto", "New York"]
    # For people what was found stands above the words.
    lines = [line.split() for line in bertkit(*words).out.splitlines()]
    assert [line[:-1] for line in lines[2:4]] == [["PER", "Otto"], ["LOC", "New", "York"]]
    assert lines[5] == ["word", "tag", "probability"] and len(lines) == 7 + 45


def test_no_weights_are_drawn_for_a_model_that_is_loaded(bertkit, trained, settings, monkeypatch):
    words = ("--backend", "cpu", "--json")
    asked = ("predict", "--init-checkpoint", trained, "--text", "Otto saw London .", *words)
    scored = ("finetune", "--output", trained, "--eval-file", settings["eval_file"][0], *words)
    found = bertkit(*asked).result["answers"], bertkit(*scored).result["scores"]
    monkeypatch.setattr(torch.nn.init, "trunc_normal_", None)
    assert (bertkit(*asked).result["answers"], bertkit(*scored).result["scores"]) == found


def test_a_checkpoint_by_itself_keeps_the_settings_of_its_run(bertkit, trained, tmp_path):
    shutil.copytree(sorted(trained.glob("step-*"))[-1], tmp_path / "moved")
    (layer,) = settings_of_run(str(tmp_path / "moved"), TagConfig.of_the_run)
    wanted = {"task": "tag", "max_seq_length": 12, "window_overlap": 4, "label_pieces": "first"}
    assert wanted.items() <= layer.values.items()


def test_a_dry_run_of_scoring_predictions_says_so(bertkit, settings):
    file = settings["eval_file"][0]
    words = ["finetune", "--task", "tag", "--predictions", file, "--eval-file", file]
    run = bertkit(*words, "--output", settings["output"], "--dry-run")
    assert run.status == 0, run.err
    assert not Path(settings["output"]).exists()
    scored = bertkit(*words, "--output", settings["output"], "--json")
    assert scored.status == 0, scored.err
    assert scored.result["scores"]["f1"] == 1.0
    assert "bertkit predict" not in scored.err


def test_labels_in_another_order_than_the_model_learnt_are_refused(run, tmp_path):
    run()
    names = json.loads((tmp_path / "run/step-0000060/config.json").read_text())["id2label"]
    labels = [names[key] for key in sorted(names, key=int)]
    alone = {"train_file": None, "init_checkpoint": str(tmp_path / "run")}
    alone["output"] = str(tmp_path / "other")
    assert run(**alone, labels=labels).scores["f1"] == 1.0
    with pytest.raises(ConfigError, match=f"--labels has '{labels[-1]}' as number 0, and"):
        run(**alone, labels=labels[::-1])


def test_labels_that_no_sentence_has_do_not_change_the_scheme(run, settings, tmp_path):
    rows = read_sentences(settings["train_file"]).sentences
    lines = [{"words": list(one.words), "tags": list(one.tags)} for one in rows]
    names = [*sorted({tag for one in rows for tag in one.tags}), "X", "[PAD]"]
    for line in lines:
        line["tags"] = list(map(names.index, line["tags"]))
    (tmp_path / "numbers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    first = run(train_file=str(tmp_path / "numbers.jsonl"), labels=names)
    assert first.scores["f1"] == 1.0
    alone = {"train_file": None, "init_checkpoint": str(tmp_path / "run")}
    for scheme in ("auto", "bio"):
        again = run(**alone, output=str(tmp_path / scheme), tag_scheme=scheme)
        assert again.scores == first.scores
    with pytest.raises(DataError, match="the tag 'X' the scheme bioes does not explain"):
        run(**alone, output=str(tmp_path / "other"), tag_scheme="bioes")
    with pytest.raises(DataError, match=rf"numbers\.jsonl: label {len(names)} has no name"):
        run(True, train_file=str(tmp_path / "numbers.jsonl"), labels=[*names, ""])
