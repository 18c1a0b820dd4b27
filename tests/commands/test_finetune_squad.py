from __future__ import annotations

import json
import re

import pytest
import torch

from bertkit.configuration.config import load_preset
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining

TEXT = "anna wrote a poem in paris"
VALUE = {
    "data": [
        {
            "title": "Anna",
            "paragraphs": [
                {
                    "context": TEXT,
                    "qas": [
                        {
                            "id": "one",
                            "question": "who wrote",
                            "answers": [{"text": "anna", "answer_start": 0}],
                        }
                    ],
                }
            ],
        }
    ]
}


@pytest.fixture
def place(tmp_path):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "who", *TEXT.split()]
    config = BertConfig(
        vocab_size=len(tokens), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=32,
    )  # fmt: skip
    save_pretrained(BertForPreTraining(config), tmp_path / "encoder")
    (tmp_path / "encoder" / "vocab.txt").write_text("\n".join(tokens) + "\n")
    (tmp_path / "q.json").write_text(json.dumps(VALUE))
    return tmp_path


def words(place, *more):
    return (
        "finetune-squad", "--init-checkpoint", place / "encoder", "--train-file", place / "q.json",
        "--predict-file", place / "q.json", "--output", place / "run", "--msl", 24,
        "--max-query-length", 8, "--doc-stride", 8, "--max-steps", 60, "--gbs", 4, "--lr", "3e-3",
        "--backend", "cpu", *more,
    )  # fmt: skip


def test_trains_answers_and_scores(bertkit, place):
    result = bertkit(*words(place, "--json"))
    assert result.status == 0, result.err
    assert result.result["scores"] == {"exact_match": 100.0, "f1": 100.0}
    assert json.loads((place / "run/predictions.json").read_text()) == {"one": "anna"}
    again = bertkit(*words(place, "--json"))
    assert again.result["step"] == 60
    assert again.result["train"] == result.result["train"]


def test_dry_run_shows_settings_and_writes_nothing(bertkit, place):
    result = bertkit(*words(place, "--dry-run"))
    assert result.status == 0, result.err
    assert "doc_stride" in result.out
    assert "command line" in result.out
    assert "training questions" in result.out
    assert not (place / "run").exists()


@pytest.mark.parametrize(
    ("more", "status", "text"),
    [
        (("--backend", "cuda"), 4, "no backend cuda here"),
        (("--predict-file", "absent.json"), 3, "cannot read absent.json"),
        (("--max-seq-length", "64"), 3, "more than the 32 positions"),
        (("--precision", "fp16"), 3, "--precision fp16 does not work on cpu"),
        (("--layout", "round"), 2, "round"),
    ],
)
def test_bad_input_is_one_line_and_a_status(bertkit, place, more, status, text):
    if more[-1] == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has the device")
    result = bertkit(*words(place, *more))
    assert result.status == status
    assert text in result.err
    assert "Traceback" not in result.err
    assert not (place / "run").exists()


@pytest.mark.parametrize("name", ["squad-base", "squad-large"])
def test_presets_resolve(bertkit, place, name):
    result = bertkit(*words(place, "--preset", name, "--dry-run"))
    assert result.status == 0, result.err
    assert f"preset {name}" in result.out
    assert load_preset(name)["epochs"] == 2


def test_a_machine_that_is_elsewhere_can_be_planned_for(bertkit, place):
    result = bertkit(*words(place, "--backend", "hpu", "--dry-run"))
    assert result.status == 0, result.err
    rows = [line.split() for line in result.out.splitlines()]
    assert ["precision", "fp32", "derived"] in rows and ["layout", "padded", "derived"] in rows
    assert "planning only: backend hpu is not available" in result.err
    refused = bertkit(*words(place, "--backend", "hpu", "--dry-run", "--layout", "unpadded"))
    assert refused.status == 3 and "--layout unpadded does not work on hpu" in refused.err


def test_kernels_that_no_layer_would_use_are_refused_without_a_gpu(bertkit, place):
    asked = words(place, "--backend", "cuda", "--precision", "bf16", "--dry-run", "--set")
    assert bertkit(*asked, "cuda.fp8=true").status == 0
    refused = bertkit(*asked, "cuda.fp8=true", "--layout", "padded")
    assert refused.status == 3 and "cuda.fp8 has no kernels for the masks" in refused.err


def test_a_run_that_only_answers_has_the_lengths_of_the_run_that_trained(bertkit, place):
    assert bertkit(*words(place, "--no-do-predict", "--max-steps", 1)).status == 0
    asked = ("finetune-squad", "--predict-file", place / "q.json", "--backend", "cpu", "--dry-run")
    shown = bertkit(*asked, "--output", place / "run").out
    for name, value in (("max_seq_length", 24), ("doc_stride", 8), ("max_query_length", 8)):
        # Where it came from is a long path, which the table may fold.
        assert re.search(rf"{name} +{value} +{place.anchor}", shown), name
    start = place / "run" / "step-0000001"
    shown = bertkit(
        *asked, "--output", place / "other", "--init-checkpoint", start, "--msl", 30
    ).out
    assert re.search(r"max_seq_length +30 +command line", shown)
    assert re.search(rf"doc_stride +8 +{place.anchor}", shown)
    done = bertkit(*asked[:-1], "--output", place / "run", "--json")
    assert done.status == 0, done.err
    assert done.result["predict_questions"] == 1


JOB = """
export PT_HPU_LAZY_MODE=1
mpirun -n 2 --allow-run-as-root python3 run_squad.py --do_train --bert_model=bert-large-uncased \\
    --config_file=./bert_config.json --use_habana --use_fused_adam --do_lower_case \\
    --output_dir=$PLACE/out --json-summary=$PLACE/log/dllogger.json --train_batch_size=4 \\
    --gradient_accumulation_steps=2 --predict_batch_size=8 --seed=1 --max_seq_length=24 \\
    --max_query_length 8 --doc_stride=8 --max_steps=4 --learning_rate=3e-3 \\
    --num_train_epochs=2 --init_checkpoint=$PLACE/encoder --train_file=$PLACE/q.json \\
    --skip_cache --do_predict --predict_file=$PLACE/q.json --do_eval \\
    --eval_script=evaluate-v1.1.py --log_freq 2
"""


def test_a_job_of_habanas_program_runs_as_it_is(bertkit, place, monkeypatch):
    monkeypatch.setenv("PLACE", str(place))
    (place / "job.sh").write_text(JOB)
    done = bertkit("finetune-squad", "--config", place / "job.sh", "--backend", "cpu", "--json")
    assert done.status == 0, done.err
    assert done.result["step"] == 4 and done.result["output"] == str(place / "out")
    assert "--eval_script ignored" in done.err
    text = (place / "log" / "dllogger.json").read_text().splitlines()
    lines = [json.loads(line.removeprefix("DLLL ")) for line in text]
    facts = {k: v for line in lines if line["step"] == "PARAMETER" for k, v in line["data"].items()}
    # 2 cards x 4; 4 / 2 accumulations
    assert (facts["global_batch_size"], facts["batch_size_per_pu"]) == (8, 2)
    assert (facts["SEED"], facts["train_start"], facts["learning_rate"]) == (1, True, 3e-3)
    assert (facts["training_samples"], facts["eval_features"], facts["checkpoint_step"]) == (
        1,
        1,
        4,
    )
    steps = [(line["step"][1], line["data"]) for line in lines if len(line["step"]) == 2]
    assert [step for step, _ in steps] == [2, 4, 4]
    assert steps[1][1]["step_loss"] == steps[2][1]["final_loss"] == done.result["train"]["loss"]
    whole = {k: v for line in lines if line["step"] == [] for k, v in line["data"].items()}
    assert (whole["exact_match"], whole["F1"]) == (
        done.result["scores"]["exact_match"], done.result["scores"]["f1"],
    )  # fmt: skip
    assert min(whole["e2e_inference_time"], whole["inference_sequences_per_second"]) > 0
    plan = bertkit("finetune-squad", "--config", place / "job.sh", "--backend", "cpu", "--dry-run")
    assert re.search(r"weight_decay +0\.0 +default of run_squad\.py", plan.out)
    assert re.search(r"--warmup_proportion +0\.1 +default of run_squad\.py: warmup", plan.out)


def test_seeds_are_trained_scored_and_summed_up(bertkit, place):
    done = bertkit(*words(place, "--max-steps", 2, "--seeds", 2, "--json"))
    assert done.status == 0, done.err
    cells = done.result["rows"][0]["cells"]
    names = [column["metric"] for column in done.result["columns"]]
    assert names == ["exact_match", "f1"] and cells[1]["seeds"] == [1, 2]
    assert [result["step"] for result in done.result["results"]] == [2, 2]
    again = bertkit(*words(place, "--max-steps", 2, "--seeds", 2))
    assert again.status == 0 and "seed 2 was scored before" in again.err
    assert "deviation" in again.out
    compared = bertkit("compare", place / "run", "--json")
    assert compared.result["rows"][0]["cells"][0]["scores"] == cells[1]["scores"]
    assert compared.result["rows"][0]["encoder_digest"]
    shown = bertkit(*words(place, "--seeds", 2, "--dry-run"))
    assert shown.status == 0 and "seed-1" in shown.out
    assert bertkit(*words(place, "--seeds", 2, "--seed", 3)).status == 2
