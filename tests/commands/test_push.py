"""`bertkit push`: huggingface_hub's client writes to a hub on loopback, transformers reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hub.server import OTHER_TOKEN, TOKEN

from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(59))]
SENT = ["README.md", "config.json", "model.safetensors", "special_tokens_map.json"]
SENT += ["tokenizer_config.json", "vocab.txt"]


@pytest.fixture(scope="module")
def vocab(tmp_path_factory):
    place = tmp_path_factory.mktemp("vocab") / "vocab.txt"
    place.write_text("".join(f"{word}\n" for word in WORDS))
    (place.parent / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    return place


@pytest.fixture
def push(bertkit, model_hub, monkeypatch, trained, vocab, tmp_path):
    """Push the trained run to me/tiny, logged in; more words are more flags."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", TOKEN)

    def run(*words, place=trained.run, to="me/tiny"):
        return bertkit("push", place, "--to", to, "--vocab", vocab, *words)

    return run


def test_transformers_reads_what_was_pushed(push, model_hub, trained, monkeypatch, tmp_path):
    import torch
    import transformers
    from huggingface_hub import ModelCard

    run = push("--license", "apache-2.0", "--language", "tr", "--language", "en", "--json")
    assert run.status == 0, run.err
    files = model_hub.files("me/tiny")
    assert sorted(files) == [".gitattributes", *SENT]
    repo = model_hub.repos["me/tiny"]
    assert run.result["commit"] == repo.refs["main"] and run.result["made"]
    assert run.result["address"] == f"{model_hub.url}/me/tiny/commit/{repo.refs['main']}"
    assert "bertkit convert me/tiny@" in run.err

    ids = torch.tensor([[2, 7, 9, 4, 3]])
    here = transformers.BertForPreTraining.from_pretrained(trained.run / "step-0000060")
    there = transformers.AutoModelForPreTraining.from_pretrained(
        "me/tiny", cache_dir=tmp_path / "other-cache"
    )
    with torch.no_grad():
        one, other = here.eval()(ids), there.eval()(ids)
    assert torch.equal(one.prediction_logits, other.prediction_logits)
    encoder = transformers.AutoModel.from_pretrained("me/tiny", cache_dir=tmp_path / "other-cache")
    with torch.no_grad():
        assert torch.equal(
            encoder.eval()(ids).last_hidden_state, here.bert.eval()(ids).last_hidden_state
        )
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        "me/tiny", cache_dir=tmp_path / "other-cache"
    )
    assert tokenizer("W3 w58")["input_ids"] == [2, 8, 63, 3]

    card = ModelCard(files["README.md"].decode()).data  # as the hub's own reader has it
    assert (card.license, card.language) == ("apache-2.0", ["tr", "en"])
    assert (card.library_name, card.pipeline_tag) == ("transformers", "fill-mask")
    found = {(row.metric_name, row.dataset_name): row.metric_value for row in card.eval_results}
    state = json.loads((trained.run / "step-0000060/state.json").read_text())
    accuracy = state["metrics"]["eval"]["mlm_accuracy"]
    assert found["mlm_accuracy", "eval.tfrecord"] == pytest.approx(accuracy)


def test_again_is_nothing_to_do_and_a_change_is_one_commit(push, model_hub):
    assert push().status == 0
    repo = model_hub.repos["me/tiny"]
    commits = len(repo.commits)
    model_hub.asked.clear()
    run = push()
    assert run.status == 0 and "nothing to upload, all of it is there: http" in run.out
    assert len(repo.commits) == commits
    assert all(method == "GET" for method, _ in model_hub.asked)
    run = push("--license", "mit", "--json")
    states = {row["name"]: row["state"] for row in run.result["files"]}
    assert states.pop("README.md") == "changed" and set(states.values()) == {"same"}
    assert len(repo.commits) == commits + 1


def test_a_dry_run_lists_files_and_sizes_and_asks_for_no_token(push, model_hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    run = push("--dry-run")
    assert run.status == 0, run.err
    assert "to upload to me/tiny, main" in run.out and "model.safetensors" in run.out
    assert model_hub.repos == {} and all(method == "GET" for method, _ in model_hub.asked)
    model_hub.fail = 503
    run = push("--dry-run")
    assert run.status == 0 and "what is there already is not known" in run.err


def test_private_ones_and_branches(push, model_hub):
    assert push("--private", "--revision", "v1").status == 0
    repo = model_hub.repos["me/tiny"]
    assert repo.private and sorted(repo.refs) == ["main", "v1"]
    assert sorted(model_hub.files("me/tiny", "main")) == [".gitattributes"]
    assert "model.safetensors" in model_hub.files("me/tiny", "v1")
    assert push("--private", "--revision", "v1").status == 0
    assert push(to="me/tiny@v2").status == 0 and "v2" in repo.refs
    model_hub.add("me/open", {"README.md": b"x"})
    run = push("--private", to="me/open")
    assert run.status == 3 and "me/open is there already, and public" in run.err


def test_what_another_model_left_is_removed(push, model_hub):
    old = {"tokenizer.json": b"{}", "model-00001-of-00001.safetensors": b"x", "notes.txt": b"n"}
    model_hub.add("me/tiny", {**old, "model.safetensors.index.json": b"{}", ".gitattributes": b""})
    run = push()
    assert run.status == 0, run.err
    assert sorted(model_hub.files("me/tiny")) == sorted([".gitattributes", "notes.txt", *SENT])
    assert "removed" in run.out


def test_a_converted_folder_as_it_is(push, bertkit, model_hub, trained, vocab):
    bertkit("convert", trained.run, "--output", "out", "--vocab", vocab)
    made = {path.name: path.read_bytes() for path in Path("out").iterdir() if path.is_file()}
    run = bertkit("push", "out", "--to", "me/tiny")
    assert run.status == 0, run.err
    sent = model_hub.files("me/tiny")
    assert sent == {".gitattributes": sent[".gitattributes"]} | {n: made[n] for n in SENT}
    run = push(place="out")
    assert run.status == 2 and "out is converted already" in run.err


def test_an_unfinished_run_is_refused_unless_told(push, model_hub, trained):
    run = push(place=trained.run / "step-0000030")
    assert run.status == 3 and "is not finished: it stands at step 30" in run.err
    assert "--unfinished" in run.err and model_hub.asked == []
    assert push("--unfinished", place=trained.run / "step-0000030").status == 0


@pytest.mark.parametrize(
    ("to", "token", "status", "message"),
    [
        ("tiny", TOKEN, 2, "'tiny' is no name of a model on the hub"),
        ("me/tiny", "", 3, "to write to me/tiny you must be logged in"),
        ("me/tiny", OTHER_TOKEN, 3, "your token may not write me/tiny: you have no right"),
        ("me/tiny", "hf_wrong", 3, "does not know your token"),
        ("others/tiny", TOKEN, 3, "You don't have the rights to create a model under others"),
        ("me/tiny@" + "a" * 40, TOKEN, 2, "is a commit"),
    ],
)
def test_what_is_wrong_in_one_line(to, token, status, message, push, model_hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", token)
    run = push(to=to)
    assert run.status == status, run.err
    (line,) = [line for line in run.err.splitlines() if line.startswith("Error")]
    assert message in line


def test_somebody_elses_commit_in_between(push, model_hub, monkeypatch):
    from bertkit.tasks import push as work

    assert push().status == 0
    original = work.upload

    def late(*given):
        model_hub.add("me/tiny", {"README.md": b"theirs"})
        return original(*given)

    monkeypatch.setattr(work, "upload", late)
    run = push("--license", "mit")
    assert run.status == 3 and "has had another commit in the meantime" in run.err
    assert model_hub.files("me/tiny") == {"README.md": b"theirs"}


def test_a_checkpoint_of_another_program(push, model_hub, tmp_path):
    shape = BertConfig(
        vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=32,
    )  # fmt: skip
    save_pretrained(BertForPreTraining(shape), tmp_path / "theirs")
    assert push(place=tmp_path / "theirs").status == 0
    card = model_hub.files("me/tiny")["README.md"].decode()
    front = yaml.safe_load(card.split("---")[1])
    assert front["license"] == "unknown" and "model-index" not in front and "language" not in front
