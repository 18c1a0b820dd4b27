"""The table of record styles, and a style of another package that is added to it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bertkit.records import styles
from bertkit.records.config import RecordsConfig
from bertkit.records.files.formats import FORMATS, JSONL
from bertkit.records.files.open import open_records
from bertkit.records.styles.google import GoogleStyle
from bertkit.records.terms import OBJECTIVES, SHARDS

VOCAB = "bertkit-uncased-8k"


class LastFirst:
    """A plan from its last record to its first; all that a writer asks of a plan."""

    def __init__(self, plan):
        self._plan = plan

    def __len__(self):
        return len(self._plan)

    def batch(self, indices):
        return self._plan.batch(len(self) - 1 - np.asarray(indices))


class BackwardsStyle(GoogleStyle):
    """A style as another package would write it."""

    name = "backwards"
    help = "google's, the last record first"
    default_format = JSONL
    in_memory = False

    def plans(self, inputs, config, reader):
        for plan in super().plans(inputs, config, reader):
            yield LastFirst(plan)

    def suffix(self, config):
        return f".backwards.{config.file_format}"

    def problems(self, config):
        return ["--style backwards has no seed 13"] if config.seed == 13 else []

    def write_beside(self, folder, config):
        facts = {"records": folder.records, "files": folder.text_files}
        (folder.path / "note.json").write_text(json.dumps(facts))


@pytest.fixture
def texts(tmp_path):
    for name in ("one", "two"):
        lines = (f"The {name} ship {n} went to sea.\nIt saw {n} whales.\n" for n in range(20))
        (tmp_path / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
    return ["-i", tmp_path / "one.txt", "-i", tmp_path / "two.txt"]


@pytest.fixture
def backwards():
    with styles.register(BackwardsStyle()):
        yield


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["jsonl", "tfrecord", "hdf5"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_registered_style_is_made_by_the_command_and_read_back(
    bertkit, backwards, texts, tmp_path, kind, workers
):
    words = ("make-records", *texts, "--vocab", VOCAB, "--msl", "32", "--workers", workers)
    out, google = tmp_path / "out", tmp_path / "google"
    kind_words = [] if kind == "jsonl" else ["--format", kind]
    run = bertkit(*words, "-o", out, "--style", "backwards", *kind_words, "--json")
    assert run.status == 0, run.err
    assert bertkit(*words, "-o", google).status == 0
    for name in ("one", "two"):
        stem = f"{name}_training" if kind == "hdf5" else name
        made = open_records(out / f"{stem}.backwards.{kind}")
        plain = open_records(google / f"{name}.tfrecord")
        expected = plain.batch(range(len(plain))[::-1])
        for feature, values in made.batch(range(len(made))).items():
            np.testing.assert_array_equal(values, expected[feature], err_msg=feature)
    note = json.loads((out / "note.json").read_text())
    assert note == {"records": run.result["records"], "files": 2}


def test_a_registered_style_has_its_rules_and_its_help(bertkit, backwards, texts, tmp_path):
    words = ("make-records", *texts, "-o", tmp_path / "out", "--vocab", VOCAB)
    run = bertkit(*words, "--style", "backwards", "--seed", "13")
    assert "has no seed 13" in run.err
    run = bertkit(*words, "--style", "backwards", "--objective", "unmasked")
    assert "--objective" in run.err and "needs --style cerebras" in run.err
    assert "backwards (google's, the last record first)." in styles.help_text()


def test_a_style_goes_with_its_context_and_a_name_is_taken_once(bertkit, texts, tmp_path):
    with styles.register(BackwardsStyle()):
        assert [style.name for style in styles.registered()] == ["backwards"]
        with pytest.raises(ValueError, match="'backwards' already"):
            styles.register(BackwardsStyle())
        styles.register_missing([BackwardsStyle(), styles.GOOGLE])
        assert styles.CHOICES.count("backwards") == 1
    assert styles.registered() == ()
    run = bertkit(
        "make-records", *texts, "-o", tmp_path / "out", "--vocab", VOCAB, "--style", "backwards"
    )
    assert run.status == 2
    assert "'google', 'mlperf', 'cerebras', 'nvidia', 'hf'" in run.err


def test_every_style_of_the_table_tells_what_is_asked_of_it():
    fields = RecordsConfig.__dataclass_fields__
    for style in styles.TABLE:
        assert styles.style_named(style.name) is style
        assert style.default_format in FORMATS
        assert style.default_shards in SHARDS
        assert set(style.objectives) <= set(OBJECTIVES)
        assert style.duplicate_lines in ("first", "last", "")
        assert style.own_settings <= set(fields)
        assert type(style).__doc__
    with pytest.raises(KeyError):
        styles.style_named("nobody")
