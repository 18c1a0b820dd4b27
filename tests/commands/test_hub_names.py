"""Models of the hub wherever a command takes a checkpoint or a vocabulary, over real HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hub.server import TOKEN

from bertkit.model.checkpoints.hf import load_weights, save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from commands.conftest import TINY_MODEL

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "whale", "dives", "ship", "sails"]
SHAPE = BertConfig(
    vocab_size=64,
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=32,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model as its owner uploads it: shards of transformers', with a pickle beside them."""
    import torch
    import transformers

    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("owner") / "model"
    save_pretrained(BertForPreTraining(SHAPE), place)
    model = transformers.BertForPreTraining.from_pretrained(place)
    (place / "model.safetensors").unlink()
    model.save_pretrained(place, max_shard_size="6KB")
    assert len(list(place.glob("model-*-of-*.safetensors"))) > 1
    words = [*WORDS, *(f"w{number}" for number in range(64 - len(WORDS)))]
    (place / "vocab.txt").write_text("".join(f"{word}\n" for word in words))
    (place / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    (place / "pytorch_model.bin").write_bytes(b"a pickle")
    (place / "README.md").write_text("of its owner")
    return place


@pytest.fixture
def commit(model_hub, folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return model_hub.add("lab/bert", folder)


def pretrain(bertkit, model_hub, trained, start, *words, steps=2):
    model_hub.new_process()
    given = ["--input", trained.train, "--output", "run", "--backend", "cpu"]
    given += ["--gbs", "8", "--micro-batch-size", "8", "--max-steps", steps]
    return bertkit("pretrain", *given, "--init-checkpoint", start, *words)


def test_pretrain_notes_the_commit_and_sees_that_main_moved(
    bertkit, model_hub, commit, folder, trained
):
    run = pretrain(bertkit, model_hub, trained, "lab/bert")
    assert run.status == 0, run.err
    assert "fetching" in run.err and "pytorch_model.bin" not in run.err
    exact = f"lab/bert@{commit}"
    start = json.loads(Path("run/step-0000002/state.json").read_text())["start"]
    assert start["path"] == exact
    assert start["hub"] == {"name": "lab/bert", "revision": "main", "commit": commit}
    assert yaml.safe_load(Path("run/config.yaml").read_text())["init_checkpoint"] == exact

    # Another text in the card moves main, but the weights are the same: the run goes on.
    files = model_hub.files("lab/bert")
    second = model_hub.add("lab/bert", files | {"README.md": b"other"})
    run = pretrain(bertkit, model_hub, trained, "lab/bert", steps=3)
    assert run.status == 0, run.err
    moved = f"main of lab/bert was commit {commit[:12]} then, and is {second[:12]} now"
    assert moved in run.err

    # Other weights: refused, and the hint names the commit of before.
    shard = next(name for name in files if name.startswith("model-00001"))
    blob = files[shard][:-4] + b"\0\0\0\1"
    model_hub.add("lab/bert", files | {shard: blob})
    run = pretrain(bertkit, model_hub, trained, "lab/bert", steps=4)
    assert run.status == 3
    assert f"the run began from {exact} (weights" in run.err
    assert f"give --init-checkpoint {exact}, another --output" in run.err
    assert pretrain(bertkit, model_hub, trained, exact, steps=4).status == 0


def test_convert_reads_it_and_tells_where_it_is_from(bertkit, model_hub, commit, folder):
    assert bertkit("convert", "lab/bert", "--output", "out").status == 0
    assert bertkit("convert", folder, "--output", "own").status == 0
    here, there = load_weights("own"), load_weights("out")
    assert here.keys() == there.keys() and all((here[n] == there[n]).all() for n in here)
    paths = [entry["path"] for entry in json.loads(Path("out/manifest.json").read_text())["inputs"]]
    assert all(path.startswith(f"lab/bert@{commit}/") for path in paths)
    card = Path("out/README.md").read_text()
    assert 'base_model: "lab/bert"\n' in card and f"from lab/bert@{commit} (hf)" in card
    assert "pytorch_model.bin" not in model_hub.fetched()
    assert bertkit("convert", f"hf://lab/bert@{commit}", "--check").status == 0


def test_eval_and_predict(bertkit, model_hub, commit, trained, folder):
    words = ["--input", trained.valid, "--json", "--checkpoint"]
    (row,) = bertkit("eval", *words, "lab/bert").result["checkpoints"]
    (own,) = bertkit("eval", *words, folder).result["checkpoints"]
    assert row["mlm_loss"] == own["mlm_loss"]
    run = bertkit("predict", "--init-checkpoint", "lab/bert", "--text", "the whale")
    assert run.status == 3 and "was not fine-tuned to label texts" in run.err


def test_a_vocabulary(bertkit, model_hub, commit, folder, tmp_path):
    (tmp_path / "text.txt").write_text("the whale dives\nthe ship sails\n\nthe ship\nthe whale\n")
    words = ["make-records", "--input", "text.txt", "--msl", "16", "--vocab"]
    assert bertkit(*words, "lab/bert", "--output", "a").status == 0
    assert model_hub.fetched() == ["tokenizer_config.json", "vocab.txt"]
    assert bertkit(*words, folder, "--output", "b").status == 0
    made = sorted(path.name for path in (tmp_path / "a").glob("text*"))
    assert made and all((tmp_path / "a" / n).read_bytes() == (tmp_path / "b" / n).read_bytes()
                        for n in made)  # fmt: skip
    stats = json.loads((tmp_path / "a/manifest.json").read_text())["stats"]
    assert stats["vocab"] == f"lab/bert@{commit}"
    asked = len(model_hub.asked)
    model_hub.new_process()
    shown = bertkit("inspect", "a", "a/" + made[0], "--count", "1")
    assert "whale" in shown.out and len(model_hub.asked) == asked  # from the cache
    assert "whale" in bertkit("inspect", "b/" + made[0], "--vocab", "lab/bert").out


def test_inspect_shows_what_it_is(bertkit, model_hub, commit, folder):
    (found,) = bertkit("inspect", "lab/bert", "--json").result["models"]
    (own,) = bertkit("inspect", folder, "--json").result["models"]
    assert found.pop("hub") == {"name": "lab/bert", "revision": "main", "commit": commit}
    assert found == own
    assert (found["architecture"], found["shape"]["hidden_size"]) == ("BertForPreTraining", 16)
    shown = bertkit("inspect", f"hf://lab/bert@{commit}").out
    assert f"lab/bert@{commit}" in shown and "64 tokens" in shown


@pytest.mark.parametrize("command", [["verify", "lab/bert"], ["report"], ["compare"], ["extract"]])
def test_where_no_model_belongs(bertkit, model_hub, commit, command):
    """What takes data or runs asks no hub, and says where such a name goes."""
    words = ["--input", "lab/bert", "--output", "o"] if command == ["extract"] else ["lab/bert"]
    run = bertkit(*command, *words)
    assert run.status == 3 and model_hub.asked == []
    assert "lab/bert" in run.err.splitlines()[-2]
    assert "there is no folder lab; lab/bert as the name of a model on the hub" in run.err


def test_pretrain_from_new_weights_with_its_vocabulary(bertkit, model_hub, commit, trained):
    words = ["--input", trained.train, "--output", "run", "--backend", "cpu", "--max-steps", "1"]
    words += ["--gbs", "4", "--micro-batch-size", "4", *TINY_MODEL]
    run = bertkit("pretrain", *words, "--vocab", "lab/bert")
    assert run.status == 0, run.err
    config = json.loads(Path("run/step-0000001/state.json").read_text())["config"]
    assert config["vocab"] == f"lab/bert@{commit}"
    assert Path("run/step-0000001/vocab.txt").read_text().startswith("[PAD]\n")


def test_fine_tuning(bertkit, model_hub, commit, tmp_path, monkeypatch):
    rows = [("the whale dives", "sea"), ("the ship sails", "port")] * 4
    (tmp_path / "train.csv").write_text("text,label\n" + "".join(f"{a},{b}\n" for a, b in rows))
    words = [
        "--task",
        "classify",
        "--init-checkpoint",
        "lab/bert",
        "--output",
        "run",
        "--msl",
        "16",
    ]
    words += ["--train-file", "train.csv", "--eval-file", "train.csv", "--backend", "cpu"]
    words += ["--msl", "16", "--max-steps", "2", "--gbs", "4", "--micro-batch-size", "4"]
    run = bertkit("finetune", *words)
    assert run.status == 0, run.err
    assert json.loads(Path("run/scores.json").read_text())["encoder"] == f"lab/bert@{commit}"
    # What was pushed is used by its name, labels and all.
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    pushed = bertkit("push", "run", "--to", "me/topics", "--json").result
    model_hub.new_process()
    name = f"me/topics@{pushed['commit']}"
    here, there = (
        bertkit("predict", "--init-checkpoint", place, "--text", "the whale").out
        for place in ("run", name)
    )
    assert here == there and "sea" in here
    card = model_hub.files("me/topics")["README.md"].decode()
    front = yaml.safe_load(card.split("---")[1])
    assert front["base_model"] == "lab/bert" and front["pipeline_tag"] == "text-classification"
    (result,) = front["model-index"][0]["results"]
    assert result["dataset"]["name"] == "train.csv"
    assert {"accuracy", "f1"} <= {metric["type"] for metric in result["metrics"]}


@pytest.mark.parametrize(
    "words",
    [
        ["convert", "lab/bret", "--check"],
        ["eval", "--input", "x", "--checkpoint", "lab/bret"],
        ["pretrain", "--input", "x", "--output", "o", "--init-checkpoint", "lab/bret"],
        ["finetune", "--task", "classify", "--output", "o", "--init-checkpoint", "lab/bret"],
        ["finetune-squad", "--output", "o", "--init-checkpoint", "lab/bret"],
        ["predict", "--init-checkpoint", "lab/bret", "--text", "x"],
        ["make-records", "--input", "x", "--output", "o", "--vocab", "lab/bret"],
        ["inspect", "lab/bret"],
        ["inspect", "x", "--vocab", "lab/bret"],
        ["verify", "x", "y", "--vocab", "lab/bret"],
        ["push", "lab/bret", "--to", "me/bert"],
    ],
)
def test_a_wrong_name_at_every_door(words, bertkit, model_hub, commit, trained):
    places = {"x": str(trained.train), "y": str(trained.valid)}
    words = [places.get(word, word) for word in words]
    run = bertkit(*words)
    assert run.status == 3
    (line,) = [line for line in run.err.splitlines() if line.startswith("Error")]
    assert "no folder lab/bret here, and no model lab/bret at http" in line
    assert "Hint: check the spelling; for a private model log in" in run.err


def test_other_models_are_refused_before_their_weights(bertkit, model_hub, commit, folder):
    files = model_hub.files("lab/bert")
    config = json.loads(files["config.json"]) | {"model_type": "roberta"}
    model_hub.add("lab/roberta", files | {"config.json": json.dumps(config).encode()})
    run = bertkit("convert", "lab/roberta", "--check")
    assert run.status == 3 and "the model is RoBERTa (model_type roberta), not BERT" in run.err
    assert model_hub.fetched() == ["config.json"]


def test_without_a_network(bertkit, model_hub, commit):
    assert bertkit("convert", "lab/bert", "--check").status == 0
    model_hub.new_process()
    model_hub.offline()
    run = bertkit("convert", "lab/bert", "--check")
    assert run.status == 0 and "HF_HUB_OFFLINE is set: what was fetched before is used" in run.err
    run = bertkit("convert", "lab/other", "--check")
    assert run.status == 3 and "nothing of it is in the cache" in run.err


def test_a_local_folder_wins_and_says_so(bertkit, model_hub, commit, folder, tmp_path):
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab/bert").symlink_to(folder)
    run = bertkit("convert", "lab/bert", "--check")
    assert (
        "lab/bert is a folder here, and that is used; the hub's model of this name is hf://lab"
        in (run.err)
    )
    assert model_hub.asked == []
    assert bertkit("convert", "hf://lab/bert", "--check").status == 0 and model_hub.asked


@pytest.mark.slow
def test_the_variables_of_huggingface_hub_in_processes_of_their_own(model_hub, folder, tmp_path):
    commit = model_hub.add("lab/secret", folder, private=True)
    unset = ("HF_HUB_OFFLINE", "HF_HOME", "HF_HUB_CACHE", "HF_TOKEN")
    usual = {name: value for name, value in os.environ.items() if name not in unset}
    usual |= {"HF_ENDPOINT": model_hub.url, "HF_HOME": str(tmp_path / "home")}

    def check(**more):
        words = [sys.executable, "-m", "bertkit", "convert", "lab/secret", "--check"]
        found = subprocess.run(
            words, env=usual | more, capture_output=True, text=True, cwd=tmp_path, check=False
        )
        assert "Traceback" not in found.stderr
        return found

    assert check().returncode == 3
    assert check(HF_TOKEN=TOKEN).returncode == 0
    assert (tmp_path / "home/hub/models--lab--secret/snapshots" / commit).is_dir()
    asked = len(model_hub.asked)
    offline = check(HF_HUB_OFFLINE="1")
    assert offline.returncode == 0 and "HF_HUB_OFFLINE is set" in offline.stderr
    assert len(model_hub.asked) == asked
    away = check(HF_ENDPOINT="http://127.0.0.1:1", HF_HOME=str(tmp_path / "empty"))
    assert away.returncode == 3 and "http://127.0.0.1:1 does not answer" in away.stderr
