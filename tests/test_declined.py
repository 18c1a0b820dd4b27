"""What bertkit declines is declined in one sentence, wherever it is asked for."""

from __future__ import annotations

import pytest

from bertkit.backends import registry
from bertkit.cli import main
from bertkit.configuration.config import Layer, resolve
from bertkit.declined import accelerator, require_supported
from bertkit.errors import ConfigError, UsageError
from bertkit.tasks.pretraining.config import PretrainConfig

TPU = "bertkit does not run on Google's TPUs; it runs on NVIDIA's and AMD's GPUs (cuda)"
FILES = ["--input", "x", "--output", "y"]


@pytest.mark.parametrize(
    "words",
    [
        ["pretrain", *FILES, "--backend", "tpu"],
        ["pretrain", *FILES, "--use_tpu=True"],
        ["pretrain", *FILES, "--use-tpu"],
        ["pretrain", *FILES, "--tpu_name", "t"],
        ["pretrain", *FILES, "--set", "backend=tpu"],
        ["finetune-squad", "--backend=TPU"],
        ["finetune-squad", "--num_tpu_cores=8"],
        ["eval", "--input", "x", "--checkpoint", "y", "--backend", "tpu"],
        ["predict", "--backend", "tpu"],
        ["launch", "torchrun", "--backend", "tpu", "--", "pretrain", *FILES],
        ["launch", "torchrun", "--backend", "cpu", "--", "pretrain", *FILES, "--use_tpu"],
    ],
)
def test_tpus(words, capsys):
    assert main(words) == 2
    assert TPU in " ".join(capsys.readouterr().err.split())


def test_a_config_file_that_asks_for_one_is_refused():
    with pytest.raises(ConfigError, match="does not run on Google's TPUs"):
        resolve(PretrainConfig, [Layer("c.yaml", {"backend": "tpu", "input": "x", "output": "y"})])


@pytest.mark.parametrize(
    ("name", "backend"),
    [("mps", "accel"), ("ROCm", "cuda"), ("xpu", "accel"), ("npu", "accel"), ("trainium", "accel")],
)
def test_other_accelerators_are_driven_by_a_backend_of_another_name(name, backend):
    assert f"are driven by --backend {backend}, with a" in accelerator(name)
    with pytest.raises(UsageError, match=f"no backend '{name}': .* --backend {backend}, with a"):
        registry.row(name)


def test_what_is_no_accelerator_is_told_as_before(capsys):
    assert accelerator("gpus") == ""
    assert main(["pretrain", *FILES, "--backend", "gpus"]) == 2
    assert "'gpus' is not one of 'auto'" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("command", ["make-records", "train-vocab", "pretrain", "pick-eval"])
def test_remote_outputs_are_refused_where_files_are_written_here(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in (["--output", "gs://b/o"], ["-o", "s3://b/o"], ["--output=gs://b/o"]):
        with pytest.raises(UsageError, match=f"bertkit {command} writes to a local disk only"):
            require_supported(command, words)
    require_supported("split", ["--output", "gs://b/o"])
    require_supported("launch", ["--", "--output", "gs://b/o"])
    with pytest.raises(ConfigError, match="writes to a local disk only"):
        resolve(PretrainConfig, [Layer("c", {"input": "x", "output": "gs://b/o"})])
    assert list(tmp_path.iterdir()) == []
