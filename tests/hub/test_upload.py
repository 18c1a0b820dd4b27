"""What an upload finds to do, and the one commit that it makes."""

from __future__ import annotations

import pytest

from bertkit.errors import DataError, UsageError
from bertkit.hub.names import HubName, target_name
from bertkit.hub.upload import plan_upload, require_login, upload
from hub.server import TOKEN

NAME = HubName("me/bert")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    place = tmp_path / "model"
    (place / "inner").mkdir(parents=True)
    (place / "config.json").write_text("{}")
    (place / "model.safetensors").write_bytes(b"weights")
    (place / ".hidden").touch()
    return place


def states(plan):
    return {file.name: file.state for file in plan.files}


def test_new_then_the_same_then_changed(model_hub, folder):
    plan = plan_upload(folder, NAME)
    assert not plan.exists and set(states(plan).values()) == {"new"}
    done = upload(folder, plan, "first")
    assert done.made and done.commit == model_hub.repos["me/bert"].refs["main"]
    plan = plan_upload(folder, NAME)
    assert states(plan) == {"config.json": "same", "model.safetensors": "same"}
    assert upload(folder, plan, "again") == type(done)(done.commit, done.address, made=False)
    (folder / "model.safetensors").write_bytes(b"WEIGHTS")
    plan = plan_upload(folder, NAME)
    assert [file.name for file in plan.changes] == ["model.safetensors"]
    upload(folder, plan, "second")
    assert model_hub.files("me/bert")["model.safetensors"] == b"WEIGHTS"


def test_a_folder_of_the_repository(model_hub, folder):
    model_hub.add("me/bert", {"tokenizer.json": b"{}", "small/vocab.txt": b"[PAD]"})
    inside = target_name("hf://me/bert/small")
    plan = plan_upload(folder, inside)
    assert states(plan) == {
        "small/config.json": "new",
        "small/model.safetensors": "new",
        "small/vocab.txt": "removed",
    }
    upload(folder, plan, "inside")
    assert sorted(model_hub.files("me/bert")) == sorted(
        ["tokenizer.json", "small/config.json", "small/model.safetensors"]
    )


def test_a_new_branch_of_the_same_files_is_made(model_hub, folder):
    first = upload(folder, plan_upload(folder, NAME), "first")
    branch = NAME.at("v1")
    done = upload(folder, plan_upload(folder, branch), "branch")
    assert not done.made and done.commit == first.commit
    assert model_hub.repos["me/bert"].refs["v1"] == first.commit


def test_private(model_hub, folder):
    upload(folder, plan_upload(folder, NAME, private=True), "first", private=True)
    assert model_hub.repos["me/bert"].private
    assert plan_upload(folder, NAME, private=True).private
    model_hub.repos["me/bert"].private = False
    with pytest.raises(DataError, match="is there already, and public"):
        plan_upload(folder, NAME, private=True)


def test_who_may_not_write(model_hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(DataError, match="you must be logged in") as found:
        require_login(NAME)
    assert "hf auth login" in found.value.hint
    with pytest.raises(UsageError, match="is a commit"):
        require_login(NAME.at("a" * 40))
    for text in ("bert", "bert-base-uncased", "a/b/c", "hf://datasets", ""):
        with pytest.raises(UsageError, match="is no name of a model on the hub"):
            target_name(text)
