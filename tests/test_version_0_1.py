"""What version 0.1 wrote is read, and its runs go on: docs/upgrading.md says so.

`of_version_0_1` was made by that version's commands, on a processor:

    V="--vocab vocab.txt"; N="--set model."; M="--max-seq-length 48 --max-query-length 12"
    extract --input text --output docs
    train-vocab --input docs --output vocab.txt --size 160
    make-records --input docs $V --msl 32 --dupe-factor 4 --output records
    pick-eval --input records --count 8 --output eval
    pretrain --preset tiny ${N}hidden_size=8 ${N}num_hidden_layers=1 ${N}num_attention_heads=2
        ${N}intermediate_size=16 ${N}max_position_embeddings=48 --input records --eval-input eval
        $V --max-steps 6 --gbs 8 --micro-batch-size 4 --learning-rate 1e-2 --save-every 3
        --keep-last 0 --eval-every 3 --log-every 1 --output run
    finetune-squad --init-checkpoint run $V --train-file squad.json --predict-file squad.json $M
        --doc-stride 16 --gbs 2 --micro-batch-size 2 --epochs 3 --learning-rate 1e-2 --output squad
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bertkit.backends.torch.cpu import CpuAdapter

MADE = Path(__file__).parent / "of_version_0_1"
SHAPE = {
    "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
    "max_position_embeddings": 48,
}  # fmt: skip
TRAINING = [
    "pretrain", "--preset", "tiny", "--input", "records", "--eval-input", "eval", "--vocab",
    "vocab.txt", "--max-steps", 6, "--gbs", 8, "--micro-batch-size", 4, "--learning-rate", "1e-2",
    "--save-every", 3, "--keep-last", 0, "--eval-every", 3, "--log-every", 1, "--output", "run",
    *(word for name, size in SHAPE.items() for word in ("--set", f"model.{name}={size}")),
]  # fmt: skip
TUNING = [
    "finetune-squad", "--init-checkpoint", "run", "--vocab", "vocab.txt", "--train-file",
    "squad.json", "--predict-file", "squad.json", "--max-seq-length", 48, "--max-query-length", 12,
    "--doc-stride", 16, "--gbs", 2, "--micro-batch-size", 2, "--epochs", 3, "--learning-rate",
    "1e-2", "--output", "squad",
]  # fmt: skip


@pytest.fixture(autouse=True)
def old(tmp_path, monkeypatch):
    """A copy of what 0.1 made, as the current folder; the machine has units for bf16."""
    shutil.copytree(MADE, tmp_path / "old")
    monkeypatch.chdir(tmp_path / "old")
    monkeypatch.setattr(CpuAdapter, "best_precision", lambda self, size: "bf16")


def numbers(line):
    """The rows of metrics.jsonl that are evaluations, by step."""
    rows = [json.loads(text) for text in Path(line).read_text().splitlines()]
    return {row["step"]: row for row in rows if row["kind"] == "eval"}


# What softmax takes no notice of: its gradient is round-off, which AdamW blows up.
UNFELT = ("key.bias",)
UNFELT_BY_SPANS = (*UNFELT, "layer.0.output.LayerNorm.bias", "qa_outputs.bias")


def assert_near(found, wanted, unfelt=UNFELT):
    one, other = (load_file(Path(place) / "model.safetensors") for place in (found, wanted))
    assert one.keys() == other.keys()
    for name, value in one.items():
        if not name.endswith(unfelt):
            torch.testing.assert_close(value, other[name], rtol=0, atol=1e-5)


def test_a_run_goes_on_to_the_same_weights(bertkit):
    shutil.rmtree("run/step-0000006")
    done = bertkit(*TRAINING, "--backend", "cpu", "--json")
    assert done.status == 0, done.err
    assert done.result["step"] == 6
    assert "precision fp32, with which this run began" in done.err
    assert_near("run/step-0000006", MADE / "run/step-0000006")
    before, now = numbers(MADE / "run/metrics.jsonl")[6], numbers("run/metrics.jsonl")[6]
    for name in ("mlm_loss", "mlm_accuracy", "nsp_loss", "nsp_accuracy"):
        assert now[name] == pytest.approx(before[name], rel=1e-5)


def test_a_finished_run_is_one(bertkit):
    done = bertkit(*TRAINING, "--backend", "cpu", "--json")
    assert done.status == 0, done.err
    assert done.result["step"] == 6
    for name in ("model.safetensors", "state.json"):
        place = f"run/step-0000006/{name}"
        assert Path(place).read_bytes() == (MADE / place).read_bytes()


def test_other_settings_are_refused_by_name(bertkit):
    done = bertkit(*TRAINING, "--weight-decay", "0.1", "--backend", "cpu")
    assert done.status == 3
    assert "weight_decay 0.01, now 0.1" in done.err


def test_its_settings_are_a_configuration(bertkit):
    done = bertkit("pretrain", "--config", "run/config.yaml", "--output", "again", "--json")
    assert done.status == 0, done.err
    assert_near("again/step-0000006", MADE / "run/step-0000006")


def test_its_checkpoints_are_evaluated_to_the_same_numbers(bertkit):
    done = bertkit(
        "eval", "--checkpoint", "run", "--input", "eval", "--precision", "fp32", "--json"
    )
    assert done.status == 0, done.err
    told = {row["step"]: row for row in done.result["checkpoints"]}
    for step, row in numbers(MADE / "run/metrics.jsonl").items():
        assert told[step]["mlm_loss"] == pytest.approx(row["mlm_loss"], rel=1e-5)


def test_the_same_text_gives_the_same_documents_vocabulary_and_records(bertkit):
    for words in (
        ["extract", "--input", "text", "--output", "new/docs"],
        ["train-vocab", "--input", "docs", "--output", "new/vocab.txt", "--size", "160"],
        ["make-records", "--input", "docs", "--vocab", "vocab.txt", "--msl", "32",
         "--dupe-factor", "4", "--output", "new/records"],
        ["pick-eval", "--input", "records", "--count", "8", "--output", "new/eval"],
    ):  # fmt: skip
        done = bertkit(*words)
        assert done.status == 0, done.err
    for path in [*MADE.glob("docs/*.txt"), *MADE.glob("*/*.tfrecord"), MADE / "vocab.txt"]:
        name = path.relative_to(MADE)
        assert (Path("new") / name).read_bytes() == path.read_bytes(), name
    # They are of one kind: old and new may be mixed.
    done = bertkit("verify", "records", "new/records")
    assert done.status == 0, done.err


def test_a_folder_is_checked_against_its_manifest(bertkit):
    part = Path("records/part-00000-of-00001.tfrecord")
    part.write_bytes(part.read_bytes()[:-100])
    done = bertkit(*TRAINING, "--backend", "cpu")
    assert done.status == 3
    assert part.name in done.err


def test_a_fine_tuned_model_answers_as_it_did(bertkit):
    wanted = json.loads((MADE / "squad/predictions.json").read_text())
    done = bertkit(*TUNING, "--backend", "cpu", "--json")
    assert done.status == 0, done.err
    assert json.loads(Path("squad/predictions.json").read_text()) == wanted
    assert done.result["scores"]["exact_match"] == 50.0
    # A folder with answers alone is known as its own, too.
    shutil.rmtree("squad/step-0000003")
    done = bertkit(*TUNING, "--precision", "fp32", "--backend", "cpu", "--json")
    assert done.status == 0, done.err
    assert_near("squad/step-0000003", MADE / "squad/step-0000003", UNFELT_BY_SPANS)


@pytest.mark.parametrize(
    "words",
    [
        ["inspect", "run"],
        ["inspect", "squad"],
        ["inspect", "records", "--vocab", "vocab.txt"],
        ["inspect", "docs"],
        ["convert", "run", "--output", "hf"],
        ["predict", "--init-checkpoint", "squad", "--question", "When?", "--passage", "In 1820."],
        ["finetune-squad", "--init-checkpoint", "run", "--vocab", "vocab.txt", "--train-file",
         "squad.json", "--max-seq-length", "48", "--max-query-length", "12", "--doc-stride", "16",
         "--gbs", "2", "--max-steps", "1", "--output", "tuned"],
    ],
    ids=lambda words: " ".join(words[:2]),
)  # fmt: skip
def test_every_command_reads_it(words, bertkit):
    done = bertkit(*words)
    assert done.status == 0, done.err
    assert "warning" not in done.err or words[0] != "inspect"
