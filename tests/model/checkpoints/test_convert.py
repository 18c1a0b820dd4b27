"""Converted folders work in transformers as they are, and nothing is lost on the way."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from bertkit.errors import ConfigError, DataError
from bertkit.manifests import manifest
from bertkit.model.checkpoints import convert, loading
from bertkit.model.checkpoints.convert import ConvertOptions
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining, BertForQuestionAnswering
from bertkit.model.parameter_names import WORD_EMBEDDINGS
from bertkit.train.checkpoints import checkpoint
from bertkit.train.checkpoints.run_state import RunState
from model.checkpoints.common import poptorch_state

TOKENS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "cat",
    "sat",
    "on",
    "mat",
    "##s",
    ".",
]


TINY = {
    "vocab_size": 12,
    "hidden_size": 4,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "max_position_embeddings": 8,
}


@pytest.fixture
def vocab(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("".join(f"{token}\n" for token in TOKENS), encoding="utf-8")
    return path


@pytest.fixture
def tiny(small) -> BertConfig:
    small.vocab_size = len(TOKENS)
    return small


def test_fill_mask_works_on_the_folder(tmp_path, tiny, vocab):
    model = BertForPreTraining(tiny)
    save_pretrained(model, tmp_path / "in")
    convert.convert(str(tmp_path / "in"), str(tmp_path / "out"), ConvertOptions(vocab=str(vocab)))
    pipe = transformers.pipeline("fill-mask", str(tmp_path / "out"))
    assert pipe.tokenizer.tokenize("The CATS sat.") == ["the", "cat", "##s", "sat", "."]
    answers = pipe("the [MASK] sat on the mat .", top_k=3)
    theirs = transformers.BertForPreTraining.from_pretrained(tmp_path / "out").eval()
    ids = [2, 5, 4, 7, 8, 5, 9, 11, 3]
    with torch.no_grad():
        logits = theirs(torch.tensor([ids])).prediction_logits[0, 2]
    best = logits.softmax(-1).topk(3)
    assert [answer["token"] for answer in answers] == best.indices.tolist()
    scores = [answer["score"] for answer in answers]
    assert scores == pytest.approx(best.values.tolist(), rel=1e-5)


def test_question_answering_works_on_the_folder(tmp_path, tiny, vocab):
    save_pretrained(BertForQuestionAnswering(tiny), tmp_path / "in")
    convert.convert(str(tmp_path / "in"), str(tmp_path / "out"), ConvertOptions(vocab=str(vocab)))
    question, context = "the cat on the mat", "the cat sat on the mat ."
    if int(transformers.__version__.split(".")[0]) < 5:  # the pipeline left with version 5
        pipe = transformers.pipeline("question-answering", str(tmp_path / "out"))
        assert pipe(question=question, context=context)["answer"] in context
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    model, info = transformers.AutoModelForQuestionAnswering.from_pretrained(
        tmp_path / "out", output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    encoded = tokenizer(question, context, return_tensors="pt")
    assert encoded["input_ids"].tolist() == [[2, 5, 6, 8, 5, 9, 3, 5, 6, 7, 8, 5, 9, 11, 3]]
    assert encoded["token_type_ids"].sum() == 8
    with torch.no_grad():
        assert torch.isfinite(model(**encoded).start_logits).all()
    card = transformers.BertConfig.from_pretrained(tmp_path / "out")
    assert card.architectures == ["BertForQuestionAnswering"]


def test_a_tensorflow_checkpoint_becomes_a_folder_that_transformers_loads_whole(tmp_path, shared):
    source = shared / "data" / "checkpoints" / "keras_bert_tiny_tf1"
    result = convert.convert(
        str(source), str(tmp_path / "out"), ConvertOptions(keep_optimizer=True)
    )
    model, info = transformers.BertForPreTraining.from_pretrained(
        tmp_path / "out", output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    weights = loading.read(source).weights
    values = dict(model.named_parameters())
    assert all(torch.equal(values[name], value) for name, value in weights.items())
    assert len(weights) == len(values) == 46
    assert (result.form, result.step, result.vocab_size) == ("tf1", 20, 15)
    moments = torch.load(tmp_path / "out" / "optimizer.pt", weights_only=True)["optimizer"]
    assert moments.keys() == weights.keys()
    assert (tmp_path / "out" / "vocab.txt").read_bytes() == (source / "vocab.txt").read_bytes()


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
def test_round_trips_are_exact_in_every_bit(tmp_path, small, vocab, kind):
    weights = {n: v.to(kind) for n, v in BertForPreTraining(small).state_dict().items()}
    place = tmp_path / "in"
    place.mkdir()
    save_file(weights, place / "model.safetensors")
    small.to_file(place / "config.json")
    convert.convert(str(place), str(tmp_path / "nv"), ConvertOptions(to="nvidia"))
    assert loading.read(tmp_path / "nv").weights[WORD_EMBEDDINGS].shape[0] == 216
    back = ConvertOptions(vocab_size=211)
    convert.convert(str(tmp_path / "nv"), str(tmp_path / "out"), back)
    returned = load_file(tmp_path / "out" / "model.safetensors")
    assert returned.keys() == weights.keys()
    for name, value in weights.items():
        assert returned[name].dtype == kind
        assert torch.equal(returned[name], value)
    assert BertConfig.from_file(tmp_path / "out") == small


def test_every_tensor_is_accounted_for(shared):
    source = str(shared / "data" / "checkpoints" / "keras_bert_tiny_tf1")
    result, found = convert.check(source, ConvertOptions())
    assert (found.missing, found.unexpected, found.misshapen) == ([], [], [])
    text = result.text(True)
    assert text.count("left out: optimizer slot") == 92
    assert "bert/pooler/dense/kernel " in text
    assert "bert.pooler.dense.weight" in text
    assert "46 of 139 tensors taken" in text


def test_missing_and_surplus_tensors_are_errors_unless_allowed(tmp_path, small):
    weights = dict(BertForPreTraining(small).state_dict())
    del weights["bert.pooler.dense.bias"]
    weights["strange.weight"] = torch.ones(2)
    place, out = tmp_path / "in", str(tmp_path / "out")
    place.mkdir()
    save_file(weights, place / "model.safetensors")
    small.to_file(place / "config.json")
    with pytest.raises(ConfigError, match=r"1 tensors of BertForPreTraining are missing: bert\.p"):
        convert.convert(str(place), out, ConvertOptions())
    with pytest.raises(ConfigError, match=r"have no place: strange\.weight") as caught:
        convert.convert(str(place), out, ConvertOptions(allow_missing=["bert.pooler.*"]))
    assert "--allow-unexpected" in caught.value.hint
    options = ConvertOptions(allow_missing=["bert.pooler.*"], allow_unexpected=["strange.*"])
    result = convert.convert(str(place), out, options)
    assert result.missing == ["bert.pooler.dense.bias"]
    assert "strange.weight" not in load_file(tmp_path / "out" / "model.safetensors")


def test_a_configuration_of_another_model_is_refused(tmp_path, small):
    save_pretrained(BertForPreTraining(small), tmp_path / "in")
    for change, message in (
        ({"num_hidden_layers": 1}, r"tensors have no place: bert\.encoder\.layer\.1"),
        ({"num_hidden_layers": 3}, r"16 tensors .* are missing: bert\.encoder\.layer\.2"),
        ({"intermediate_size": 64}, r"intermediate.* is \[96, 48\], the .* says \[64, 48\]"),
        ({"vocab_size": 300}, "vocab_size 300, but the word embedding .* has 211 rows"),
    ):
        BertConfig(**{**vars(small), **change}).to_file(tmp_path / "in")
        with pytest.raises(ConfigError, match=message):
            convert.convert(str(tmp_path / "in"), str(tmp_path / "out"), ConvertOptions())
    assert not (tmp_path / "out").exists()


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*vars(BertConfig()), "model_type", "is_decoder"]),
        st.one_of(st.integers(-5, 1 << 70), st.floats(), st.text(max_size=3), st.none()),
        max_size=3,
    )
)
def test_any_configuration_is_refused_or_answered(tmp_path_factory, changes):
    place = tmp_path_factory.mktemp("fuzz")
    config = BertConfig(**TINY)
    save_pretrained(BertForPreTraining(config), place)
    whole = {**json.loads((place / "config.json").read_text()), **changes}
    (place / "config.json").write_text(json.dumps(whole))
    try:
        _, found = convert.check(str(place), ConvertOptions())
    except (ConfigError, DataError) as error:
        assert error.message
    else:
        assert found.architecture == "BertForPreTraining"


def test_rows_that_tokens_have_are_not_cut_off(tmp_path, tiny, vocab):
    save_pretrained(BertForPreTraining(tiny), tmp_path / "in")
    source, out = str(tmp_path / "in"), str(tmp_path / "out")
    with pytest.raises(ConfigError, match="12 tokens, the word embedding 8 rows"):
        convert.convert(source, out, ConvertOptions(vocab=str(vocab), vocab_size=8))
    with pytest.raises(ConfigError, match="12 rows of the word embedding cannot be cut to 5"):
        convert.convert(source, out, ConvertOptions(vocab_size=5))
    result = convert.convert(source, out, ConvertOptions(vocab=str(vocab), pad_vocab=64))
    assert result.vocab_size == 64
    assert transformers.pipeline("fill-mask", out)("the [MASK] .")[0]["token"] < 12


def test_the_card_tells_data_settings_numbers_and_licence(tmp_path, tiny, vocab):
    records = tmp_path / "records"
    records.mkdir()
    made = manifest.Manifest("make-records", {}, [{"path": "a/train.txt", "sha256": "ab" * 32}])
    made.stats, made.state = {"records": 1234}, "complete"
    made.write(records)
    state = RunState(
        step=7,
        position=56,
        epoch=0.5,
        seed=1,
        data_fingerprint="f" * 64,
        config={
            "learning_rate": 0.001,
            "input": [str(records)],
            "backend": "hpu",
            "hpu": {"mode": "lazy"},
            "ipu": {"replicas": 1},
        },
        metrics={"eval": {"mlm_accuracy": 0.4321}},
    )
    step = checkpoint.save(
        tmp_path / "run",
        model=BertForPreTraining(tiny),
        stepper_state={},
        state=state,
        vocab=vocab.read_bytes(),
    )
    options = ConvertOptions(
        license_name="apache-2.0", data_license="CC BY-SA 4.0", backends=("hpu", "ipu")
    )
    convert.convert(str(step), str(tmp_path / "my-bert"), options)
    text = (tmp_path / "my-bert" / "README.md").read_text(encoding="utf-8")
    assert text.startswith('---\nlibrary_name: "transformers"\npipeline_tag: "fill-mask"\n')
    for part in (
        'license: "apache-2.0"',
        f" of {step.name}",
        "at step 7",
        "| learning_rate | 0.001 |",
        "| eval.mlm_accuracy | 0.4321 |",
        "| records | 1234 |",
        "train.txt (sha256 abababab",
        "CC BY-SA 4.0",
        "f" * 64,
        "| hpu.mode | lazy |",
    ):
        assert part in text, part
    assert "ipu.replicas" not in text, "settings of a machine that was not used"
    assert str(tmp_path) not in text.replace(str([str(records)]), "")


def test_again_is_nothing_to_do_and_another_run_is_refused(tmp_path, tiny, vocab):
    save_pretrained(BertForPreTraining(tiny), tmp_path / "in")
    arguments = str(tmp_path / "in"), str(tmp_path / "out")
    convert.convert(*arguments, ConvertOptions(vocab=str(vocab)))
    card = tmp_path / "out" / "README.md"
    card.write_text("mine")
    convert.convert(*arguments, ConvertOptions(vocab=str(vocab)))
    assert card.read_text() == "mine"
    with pytest.raises(DataError, match="made by another run: lower_case true, now false"):
        convert.convert(*arguments, ConvertOptions(vocab=str(vocab), do_lower_case=False))
    convert.convert(
        *arguments, ConvertOptions(vocab=str(vocab), do_lower_case=False), overwrite=True
    )
    tokenizer = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert tokenizer["do_lower_case"] is False
    shutil.copytree(tmp_path / "in", tmp_path / "other")
    with pytest.raises(Exception, match="the folder of the checkpoint itself"):
        convert.convert(str(tmp_path / "in"), str(tmp_path / "in"), ConvertOptions())


def test_moments_are_converted_too(bertkit, mdl_with_moments, step_folder, tmp_path):
    model, write = step_folder
    contents = loading.read(mdl_with_moments)
    contents.heads = 2
    loading.config_of(contents).to_file(tmp_path / "sizes.json")
    for source, more in (
        (write(poptorch_state(model)), ()),
        (mdl_with_moments, ("--model-config", tmp_path / "sizes.json")),
    ):
        words = ("convert", source, "--keep-optimizer", *more)
        checked = bertkit(*words, "--check")
        assert checked.status == 0, checked.err
        assert "(exp_avg_sq)" in checked.out
        place = tmp_path / f"nvidia-{source.stem}"
        done = bertkit(*words, "--to", "nvidia", "--pad-vocab", 1, "--output", place)
        assert done.status == 0, done.err
        again, before = (loading.read(path, moments=True).moments for path in (place, source))
        assert again.keys() == before.keys()
        for name, values in before.items():
            for what, tensor in values.items():
                assert torch.equal(again[name][what], tensor), (name, what)
