"""Questions of the command line or another program, answered at once."""

from __future__ import annotations

import shutil

import pytest
import torch

from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.backends.torch.cuda import CudaAdapter
from bertkit.backends.torch.options import CudaOptions
from bertkit.errors import ConfigError, DataError
from bertkit.model.checkpoints.convert import ConvertOptions, convert
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForQuestionAnswering
from bertkit.tasks.squad.config import PredictConfig, SquadConfig, settings_of_run
from bertkit.tasks.squad.finetune import finetune
from bertkit.tasks.squad.predict import one_question, predict, read_question_lines
from tasks.squad.world import PEOPLE, SIZES


@pytest.fixture
def config(tmp_path, vocab_file):
    """Of a span model with random weights."""
    torch.manual_seed(1)
    shape = BertConfig(vocab_size=len(vocab_file.read_text().split()), **SIZES)
    save_pretrained(BertForQuestionAnswering(shape), tmp_path / "spans")
    shutil.copy(vocab_file, tmp_path / "spans" / "vocab.txt")
    return PredictConfig(
        init_checkpoint=str(tmp_path / "spans"), max_seq_length=48, max_query_length=12,
        doc_stride=16,
    )  # fmt: skip


def test_every_question_gets_an_answer_out_of_its_passage(config):
    questions = [one_question(text, PEOPLE["context"]) for text in ("Who?", "When?")]
    questions[1].id = "2"
    result = predict(config, questions, CpuAdapter())
    assert result.checkpoint == config.init_checkpoint
    assert [answer["id"] for answer in result.answers] == ["1", "2"]
    for answer in result.answers:
        assert answer["answer"] in PEOPLE["context"]
        assert answer["probability"] == answer["nbest"][0]["probability"]
        assert 0 < answer["probability"] <= 1 and "null_odds" not in answer


def test_the_batch_size_decides_no_answer(config):
    from dataclasses import replace

    questions = [one_question("Who wrote a poem?", PEOPLE["context"])]
    found = [
        predict(replace(config, predict_batch_size=size), questions, CpuAdapter()).answers
        for size in ("1", "8", "auto")
    ]
    assert found[0][0]["answer"] == found[1][0]["answer"] == found[2][0]["answer"]


def test_what_a_machine_cannot_do_is_refused_first(config):
    from dataclasses import replace

    with pytest.raises(ConfigError, match="--precision fp16 does not work on cpu"):
        predict(replace(config, precision="fp16"), [], CpuAdapter())
    fused = replace(config, precision="bf16", layout="padded", cuda=CudaOptions(fused=True))
    with pytest.raises(ConfigError, match=r"cuda\.fused has no kernels for the masks"):
        predict(fused, [], CudaAdapter())


def test_lines_become_questions():
    lines = [
        '{"question": "Who?", "passage": "Anna wrote."}',
        "",
        '{"id": 7, "question": "When?", "context": "In 1844."}',
    ]
    first, second = read_question_lines(lines, "here")
    assert (first.id, first.text, first.passage.text) == ("1", "Who?", "Anna wrote.")
    assert (second.id, second.passage.text) == ("7", "In 1844.")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("{", "here:1: not JSON"),
        ("[]", "here:1: not an object"),
        ('{"question": "Who?"}', "'passage' is missing"),
        ("", "holds no question"),
    ],
)
def test_lines_of_another_form_are_named(line, text):
    with pytest.raises(DataError, match=text):
        read_question_lines([line], "here")


def test_an_id_occurs_once():
    line = '{"id": "a", "question": "Who?", "passage": "Anna."}'
    with pytest.raises(DataError, match="here:2: the id 'a' has occurred before"):
        read_question_lines([line, line], "here")


def test_blank_questions_and_passages_are_answered_as_those_of_files(config, caplog):
    lines = [
        '{"id": "a", "question": " ", "passage": "Anna wrote a poem."}',
        '{"id": "b", "question": "Who wrote?", "passage": "\\u200b "}',
    ]
    blank, nowhere = predict(config, read_question_lines(lines, "here"), CpuAdapter()).answers
    assert blank["answer"] in "Anna wrote a poem." and blank["answer"]
    assert (nowhere["answer"], nowhere["probability"]) == ("", 1.0)
    assert "1 of 2 questions are blank (the first is a)" in caplog.text
    assert "1 of 2 questions have an empty passage" in caplog.text
    alone = predict(config, [one_question("Who?", "")], CpuAdapter()).answers
    assert [answer["answer"] for answer in alone] == [""]


@pytest.mark.parametrize("form", ["hf", "nvidia", "tf1"])
def test_a_converted_model_answers_with_the_settings_of_its_run(settings, tmp_path, form):
    """In every form that holds its head; also where it is converted back."""
    changed = {"max_steps": 1, "max_answer_length": 7, "predict_file": None}
    run = finetune(SquadConfig(**settings | changed), CpuAdapter())
    wanted = {"max_seq_length": 48, "doc_stride": 16, "max_query_length": 12}
    wanted |= {"max_answer_length": 7, "version_2_with_negative": False}
    convert(run.output, str(tmp_path / "model"), ConvertOptions(to=form))
    convert(str(tmp_path / "model"), str(tmp_path / "back"), ConvertOptions())
    for place in ("model", "back"):
        (layer,) = settings_of_run(str(tmp_path / place))
        assert wanted.items() <= layer.values.items()
