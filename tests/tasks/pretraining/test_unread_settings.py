"""Settings of records in runs on record files, which are made already."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from bertkit.backends import registry
from bertkit.configuration.config import ASSIGNMENT, COMMAND_LINE, as_dict
from bertkit.errors import ConfigError, StoppedError
from bertkit.model.checkpoints.checksums import FILES
from bertkit.model.checkpoints.run_state import STATE, read_state, write_state
from bertkit.records.config import RecordsConfig
from bertkit.tasks.pretraining.prepare import prepare
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.train.checkpoints.run_state import load_state
from bertkit.train.run_files import CONFIG

CPU = registry.get("cpu")
OF_THE_TEXT = {"do_lower_case", "strip_accents", "tokenize_chinese_chars", "word_length"}


def test_a_run_keeps_what_it_reads_alone(settings):
    config = settings(max_steps=2, json_summary=None)
    result = pretrain(config, CPU)
    for kept in (
        yaml.safe_load((Path(config.output) / CONFIG).read_text()),
        load_state(result.checkpoint).config,
    ):
        assert set(kept["records"]) == OF_THE_TEXT
        assert set(as_dict(config)) == set(kept) and kept["model"] == as_dict(config.model)


def older(folder: Path, records: RecordsConfig) -> None:
    """Make of a checkpoint what earlier versions wrote: with all settings of records."""
    values = read_state(folder)
    values["config"]["records"] = as_dict(records)
    (folder / STATE).unlink()
    write_state(folder, {k: v for k, v in values.items() if k not in (FILES, "checksum")})


@pytest.mark.parametrize("length", [128, 512])  # the default; or one that somebody gave
def test_runs_of_earlier_versions_go_on(settings, tmp_path, length):
    config = settings(max_steps=6)
    whole = pretrain(replace(config, output=str(tmp_path / "whole")), CPU)
    with pytest.raises(StoppedError):
        pretrain(replace(config, steps_this_run=3), CPU)
    folder = Path(config.output) / "step-0000003"
    older(folder, RecordsConfig(max_seq_length=length))
    assert load_state(folder).config["records"]["max_seq_length"] == length
    done = pretrain(config, CPU)
    one, two = (load_file(Path(r.checkpoint) / "model.safetensors") for r in (whole, done))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert set(yaml.safe_load((Path(config.output) / CONFIG).read_text())["records"]) == OF_THE_TEXT


@pytest.mark.parametrize("origin", [COMMAND_LINE, ASSIGNMENT])
def test_lengths_that_are_not_those_of_the_records_are_refused(settings, origin):
    """They did nothing."""
    for name, wanted, has in (("max_seq_length", 512, 24), ("max_predictions_per_seq", 80, 4)):
        origins = {f"records.{name}": origin}
        config = settings(records=RecordsConfig(**{name: wanted}))
        said = f"--{name.replace('_', '-')} is {wanted}, the records have {has}"
        with pytest.raises(ConfigError, match=re.escape(said)) as caught:
            prepare(config, CPU, origins)
        assert "make-records" in caught.value.hint
        prepare(config, CPU, {f"records.{name}": "preset some"})  # nobody asked for it
        prepare(settings(records=RecordsConfig(**{name: has})), CPU, origins)


def test_other_settings_of_records_that_do_nothing_are_told(settings, caplog):
    origins = {"records.dupe_factor": COMMAND_LINE, "records.do_lower_case": COMMAND_LINE}
    prepare(settings(records=RecordsConfig(dupe_factor=3, do_lower_case=True)), CPU, origins)
    (text,) = [text for text in caplog.messages if "does nothing here" in text]
    assert text == "records.dupe_factor=3 does nothing here: the records are made already"
