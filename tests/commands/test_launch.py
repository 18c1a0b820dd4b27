"""The words of a launched command are read as that command reads them."""

from __future__ import annotations

import click
import pytest
import yaml
from launch.planned import TRAIN, settings_of

from bertkit.backends.sections import options_of
from bertkit.errors import UsageError

FILES = ("--input", "x", "--output", "y")


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        (("--max_seq_length", "64"), "records.max_seq_length", 64),
        (("--msl", "64"), "records.max_seq_length", 64),
        (("--max-seq-length=64",), "records.max_seq_length", 64),
        (("--cased",), "records.do_lower_case", False),
        (("--do-lower-case",), "records.do_lower_case", True),
        (("--no-nsp",), "nsp", False),
        (("--nsp",), "nsp", True),
        (("--gbs", "64"), "global_batch_size", 64),
        (("--lr=1e-3",), "learning_rate", 1e-3),
        (("--eval-input", "a", "b", "--seed", "3"), "eval_input", ["a", "b"]),
        (("--eval_input", "a", "--eval-input", "b"), "eval_input", ["a", "b"]),
        (("--set", "hpu.mode=eager"), "hpu.mode", "eager"),
        (("--set=ipu.layers_per_ipu=[1, 2]",), "ipu.layers_per_ipu", [1, 2]),
        (("--compile",), "cuda.compile", True),
        (("-q", "--preset", "large-phase1"), "global_batch_size", 65536),
        (("--seed", "1", "--set", "seed=2"), "seed", 2),
    ],
)
def test_every_spelling_gives_the_setting(words, key, value):
    found = settings_of("pretrain", *FILES, *words)
    for name in key.split("."):
        found = getattr(found, name)
    assert found == value


def test_words_give_the_settings_of_pretrain(tmp_path):
    (tmp_path / "c.yaml").write_text("seed: 7\nmodel: {num_hidden_layers: 2}\n")
    config = settings_of(
        "pretrain", "--config", str(tmp_path / "c.yaml"), "--input", "a", "b", "--output=o",
        "--no-nsp", "--gbs", "64", "--set", "hpu.mode=eager",
    )  # fmt: skip
    assert (config.input, config.output, config.nsp) == (["a", "b"], "o", False)
    assert (config.seed, config.model.num_hidden_layers, config.hpu.mode) == (7, 2, "eager")
    assert config.global_batch_size == 64


def test_other_commands_give_their_sections_alone(tmp_path):
    """A question file that is missing here may be there where the command will run."""
    (tmp_path / "c.yaml").write_text("ipu: {replicas: 4}\nseed: 7\n")
    words = ("finetune-squad", "--config", str(tmp_path / "c.yaml"), "--compile")
    found = settings_of(*words, "--backend", "ipu")
    assert (found.backend, options_of(found, "ipu").replicas) == ("ipu", 4)
    assert options_of(found, "cuda").compile
    records = ("make-records", "--input", "a", "--output", "b", "--vocab", "c")
    assert settings_of(*records) is None and settings_of() is None


def test_what_the_command_would_refuse_is_refused():
    with pytest.raises(click.UsageError, match="No such option"):
        settings_of("pretrain", *FILES, "--bakend", "cuda")
    with pytest.raises(click.UsageError, match=r"No such option.*--mls"):
        settings_of("make-records", "--input", "a", "--output", "b", "--vocab", "c", "--mls", "8")
    with pytest.raises(click.UsageError, match="No such option"):
        settings_of("eval", "--input", "a", "--checkpoint", "b", "--bakend", "cuda")
    with pytest.raises(click.UsageError, match=r"(?i)no such command.*pretrian"):
        settings_of("pretrian", *FILES)
    with pytest.raises(click.UsageError, match="is not one of"):
        settings_of("finetune-squad", "--precision", "int8")
    with pytest.raises(UsageError, match="unknown setting"):
        settings_of("pretrain", *FILES, "--set", "hpu.modes=eager")


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_is_left_to_the_machine_that_runs_the_command(bertkit, word):
    done = bertkit("launch", "torchrun", "--backend", "cuda", "--devices", 2, "--", *TRAIN, word)
    assert done.status == 0, done.err
    assert done.out.startswith("torchrun") and f" {word}" in done.out


def test_usage_of_the_launched_command_is_named(bertkit):
    words = ("finetune-squad", "--output", "o", "--train-file")
    done = bertkit("launch", "mpirun", "--backend", "hpu", "--devices", 2, "--", *words)
    assert done.status == 2
    assert "Usage: bertkit finetune-squad" in done.err and "requires an argument" in done.err


def test_the_environment_here_is_not_that_of_the_job(monkeypatch):
    monkeypatch.setenv("BERTKIT_PRETRAIN_SEED", "99")
    assert settings_of("pretrain", *FILES).seed == 12345


def test_a_script_that_somebody_changed_is_replaced_only_when_asked(bertkit, tmp_path):
    script = tmp_path / "job.sbatch"
    words = ("launch", "slurm", "--backend", "cuda", "--output", script)
    assert bertkit(*words, "--", *TRAIN).status == 0
    written = script.read_text()
    assert bertkit(*words, "--", *TRAIN).status == 0, "the same text is no loss"
    script.write_text(written + "# ours\n")
    kept = bertkit(*words, "--", *TRAIN)
    assert kept.status == 3 and f"{script} is there already" in kept.err
    assert script.read_text().endswith("# ours\n")
    assert bertkit(*words, "--overwrite", "--", *TRAIN).status == 0
    assert script.read_text() == written


def test_command_writes_the_checked_document(bertkit, tmp_path):
    place = tmp_path / "job.yaml"
    run = bertkit("launch", "kubernetes", "--backend", "hpu", "--devices", 8, "--image", "i:1",
                  "--output", place, "--json", "--", *TRAIN)  # fmt: skip
    assert run.status == 0, run.err
    assert f"Next: bertkit launch check {place}\n" in run.err
    script = tmp_path / "job.sbatch"
    told = bertkit("launch", "slurm", "--backend", "cuda", "--output", script, "--", *TRAIN)
    assert told.out == f"{script}\n" and script.is_file()
    assert yaml.safe_load(place.read_text())["kind"] == "MPIJob" and run.result["kind"]
    assert bertkit("launch", "check", place).out.strip() == f"{place}: fits"
    bad = bertkit("launch", "kubernetes", "--backend", "hpu", "--devices", 8, "--", *TRAIN)
    assert bad.status == 2 and "--image" in bad.err
