"""GLUE's own files, as its download has them, give what run_classifier.py takes of them."""

from __future__ import annotations

import shutil

import pytest

from bertkit.configuration.config import Layer, preset_layer, resolve
from bertkit.errors import DataError
from bertkit.tasks import registry
from bertkit.tasks.classify.examples import ExampleReader
from bertkit.tasks.classify.glue import GLUE

# Headers as in the files; columns that run_classifier.py, and transformers' processors for what
# it does not have, take by number: (header and row to train on, header and row to predict).
QUOTED = 'a "good" film'
FILES = {
    "cola": ("", f"gj04\t1\t\t{QUOTED}", "index\tsentence", f"0\t{QUOTED}"),
    "sst2": ("sentence\tlabel", f"{QUOTED} \t1", "index\tsentence", f"0\t{QUOTED}"),
    "mrpc": (
        "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", f"1\t70\t71\t{QUOTED}\tit was",
        "index\t#1 ID\t#2 ID\t#1 String\t#2 String", f"0\t70\t71\t{QUOTED}\tit was",
    ),
    "stsb": (
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore",
        f"0\tmain\tMSR\t2012\t0001\tnone\tnone\t{QUOTED}\tit was\t5.000",
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2",
        f"0\tmain\tMSR\t2012\t0024\tnone\tnone\t{QUOTED}\tit was",
    ),
    "qqp": (
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate", f"1\t2\t3\t{QUOTED}\tit was\t0",
        "id\tquestion1\tquestion2", f"0\t{QUOTED}\tit was",
    ),
    "mnli": (
        "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse"
        "\tsentence1_parse\tsentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label",
        f"0\t31193\t31193n\tgov\t( ( it\t( x\t(ROOT\t(ROOT\t{QUOTED}\tit was\tneutral\tneutral",
        "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse"
        "\tsentence1_parse\tsentence2_parse\tsentence1\tsentence2",
        f"0\t31493\t31493\ttravel\t( ( it\t( x\t(ROOT\t(ROOT\t{QUOTED}\tit was",
    ),
    "qnli": (
        "index\tquestion\tsentence\tlabel", f"0\t{QUOTED}\tit was\tentailment",
        "index\tquestion\tsentence", f"0\t{QUOTED}\tit was",
    ),
    "rte": (
        "index\tsentence1\tsentence2\tlabel", f"0\t{QUOTED}\tit was\tnot_entailment",
        "index\tsentence1\tsentence2", f"0\t{QUOTED}\tit was",
    ),
}  # fmt: skip
# get_labels() of the same programs, and the label of the row above.
LABELS = {
    "cola": (["0", "1"], "1"), "sst2": (["0", "1"], "1"), "mrpc": (["0", "1"], "1"),
    "stsb": ([], "5.000"), "qqp": (["0", "1"], "0"),
    "mnli": (["contradiction", "entailment", "neutral"], "neutral"),
    "qnli": (["entailment", "not_entailment"], "entailment"),
    "rte": (["entailment", "not_entailment"], "not_entailment"),
}  # fmt: skip


def folder_of(name, place, rows=2):
    """A folder as GLUE's download has it, with so many rows to train on."""
    head, row, test_head, test_row = FILES[name]
    label = LABELS[name][1]
    # The label of another row.
    other = {"stsb": "1.500", "mnli": "entailment"}.get(name, "")
    other = other or next(word for word in LABELS[name][0] if word != label)
    if name == "cola":
        second = row.replace(f"\t{label}\t", f"\t{other}\t")
    elif name == "mrpc":
        second = other + row.removeprefix(label)
    else:
        second = row.removesuffix(label) + other
    lines = [row, second]
    folder = place / name
    folder.mkdir()
    for file in ("train.tsv", *GLUE[name].dev):
        (folder / file).write_text("\n".join([*([head] if head else []), *lines * rows]) + "\n")
    for file in GLUE[name].test:
        (folder / file).write_text(f"{test_head}\n{test_row}\n{test_row}\n")
    return folder


def config_of(name, folder):
    layers = [
        preset_layer(f"glue-{name}"),
        Layer("test", {"data_dir": str(folder), "init_checkpoint": "e", "output": "o"}),
    ]
    kind = registry.finetuning_row(layers[0].values["task"]).config_class()
    return resolve(kind, layers).config


@pytest.mark.parametrize("name", FILES)
def test_the_files_of_a_task_are_read_as_theirs(name, tmp_path):
    folder = folder_of(name, tmp_path)
    config = config_of(name, folder)
    assert config.train_file == str(folder / "train.tsv")
    assert config.eval_file == [str(folder / file) for file in GLUE[name].dev]
    assert config.predict_file == [str(folder / file) for file in GLUE[name].test]
    assert list(GLUE[name].labels) == LABELS[name][0]
    reader = ExampleReader(config)
    pair = "it was" if GLUE[name].pair else None
    first = reader.read(config.train_file, "train")[0]
    assert (first.text.strip(), first.pair, first.label) == (QUOTED, pair, LABELS[name][1])
    (mine, *_) = reader.read(config.eval_file[0], "eval")
    assert (mine.text, mine.label) == (first.text, first.label)
    asked = reader.read(config.predict_file[0], "predict")
    assert [(e.text, e.pair, e.label) for e in asked] == [(QUOTED, pair, None)] * 2
    # The sizes and rates of run_classifier.py's example.
    assert (config.global_batch_size, config.learning_rate, config.epochs) == (32, 2e-5, 3.0)
    assert (config.max_seq_length, config.warmup_proportion) == (128, 0.1)
    assert (config.optimizer, config.schedule) == ("adamw_no_bias_correction", "polynomial")


@pytest.mark.parametrize("name", ["cola", "stsb", "mnli"])
def test_a_preset_trains_scores_and_writes_for_the_leaderboard(bertkit, place, name):
    folder = folder_of(name, place, rows=4)
    run = bertkit(
        "finetune", "--preset", f"glue-{name}", "--data-dir", folder, "--backend", "cpu",
        "--init-checkpoint", place / "encoder", "--output", place / "run", "--msl", 16,
        "--max-steps", 1, "--gbs", 4, "--json",
    )  # fmt: skip
    assert run.status == 0, run.err
    wanted = {"cola": "matthews", "stsb": "pearson", "mnli": "dev_mismatched/accuracy"}[name]
    assert wanted in run.result["scores"]
    files = {"cola": ["CoLA"], "stsb": ["STS-B"], "mnli": ["MNLI-m", "MNLI-mm"]}[name]
    for file in files:
        head, *rows = (place / f"run/{file}.tsv").read_text().splitlines()
        assert head == "index\tprediction" and [row.split("\t")[0] for row in rows] == ["0", "1"]
        told = rows[0].split("\t")[1]
        if name == "stsb":
            assert 0 <= float(told) <= 5 and len(told) == 5
        else:
            assert told in LABELS[name][0]
    if name == "mnli":
        assert (place / "run/predictions-test_mismatched.jsonl").is_file()
    # Of a pair both texts are asked for, of a single text one.
    ask = ["predict", "--init-checkpoint", place / "run", "--text", "a film", "--backend", "cpu"]
    one, two = bertkit(*ask), bertkit(*ask, "--pair", "a book")
    assert (one.status, two.status) == ((0, 3) if name == "cola" else (3, 0))
    told = "trained on single texts" if name == "cola" else "Hint: give --pair, the second text"
    assert told in one.err + two.err
    shutil.rmtree(folder)
    again = bertkit("finetune", "--eval-file", "x.tsv", "--output", place / "run")
    assert again.status == 3 and "cannot read x.tsv" in again.err


def test_rows_that_everybody_leaves_out_are_counted(tmp_path, caplog):
    folder = folder_of("qqp", tmp_path)
    with (folder / "train.tsv").open("a") as stream:
        stream.write("7\t8\t9\tcut off\n8\t1\t2\twhat is\t\t0\n")
    config = config_of("qqp", folder)
    with caplog.at_level("WARNING"):
        found = ExampleReader(config).read(config.train_file, "train")
    assert len(found) == 4
    assert "2 rows are cut or have an empty text" in caplog.text and "train.tsv:6" in caplog.text
    # In files to score or to predict every row counts; run_classifier.py takes empty texts.
    (folder / "dev.tsv").write_text((folder / "train.tsv").read_text())
    with pytest.raises(DataError, match=r"dev\.tsv:6: 4 fields, not 6"):
        ExampleReader(config).read(config.eval_file[0], "eval")
    (folder / "test.tsv").write_text("id\tquestion1\tquestion2\n0\twhat is\t\n")
    assert ExampleReader(config).read(config.predict_file[0], "predict")[0].pair == ""


def test_real_cola_is_read_whole(shared):
    folder = shared / "data/tasks/cola"
    config = config_of("cola", folder)
    found = ExampleReader(config).read(str(folder / "in_domain_train.tsv"), "train")
    assert len(found) == 8551 and sum(example.label == "1" for example in found) == 6023
    assert found[0].text.startswith("Our friends won't buy this analysis")
    assert len(ExampleReader(config).read(str(folder / "in_domain_dev.tsv"), "eval")) == 527


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("qqp", "question1,question2"),
        ("stsb", "sentence1,sentence2"),
        ("mrpc", "sentence1,sentence2"),
    ],
)
def test_columns_of_data_sets_on_the_hub_are_taken_too(name, columns, tmp_path):
    (tmp_path / "a.csv").write_text(f"{columns},label,idx\nit is,it was,1,0\n")
    config = config_of(name, folder_of(name, tmp_path))
    (found,) = ExampleReader(config).read(str(tmp_path / "a.csv"), "train")
    assert (found.text, found.pair, found.label) == ("it is", "it was", "1")


def test_files_that_the_leaderboard_does_not_have_do_not_replace_each_other(bertkit, place):
    folder = folder_of("sst2", place, rows=4)
    shutil.copy(folder / "test.tsv", folder / "more.tsv")
    files = [
        word for name in ("test", "more") for word in ("--predict-file", folder / f"{name}.tsv")
    ]
    run = bertkit(
        "finetune", "--preset", "glue-sst2", "--data-dir", folder, "--backend", "cpu", *files,
        "--init-checkpoint", place / "encoder", "--output", place / "run", "--msl", 16,
        "--max-steps", 1, "--gbs", 4, "--json",
    )  # fmt: skip
    assert run.status == 0, run.err
    for name in ("test", "more"):
        assert (place / f"run/predictions-{name}.tsv").read_text().startswith("index\tprediction")
