"""Every class of transformers, written by transformers, gives the same logits and losses here."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import bertkit
from bertkit.errors import ConfigError
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.sentence_head import BertForSentenceExtraction

transformers = pytest.importorskip("transformers")

WIDTH = 12


def batch(padding_first: bool = False) -> dict[str, torch.Tensor]:
    """Three sequences of other lengths."""
    random = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 211, (3, WIDTH), generator=random)
    mask = torch.arange(WIDTH)[None, :] < torch.tensor([[WIDTH], [7], [4]])
    kinds = (torch.arange(WIDTH)[None, :] > 2).long().expand(3, -1) * mask
    if padding_first:
        mask = mask.flip(1)
    return {"input_ids": ids * mask, "attention_mask": mask.long(), "token_type_ids": kinds}


def written(small, tmp_path, name, **more):
    """A checkpoint by transformers of one of its classes, and the model."""
    torch.manual_seed(0)
    shape = transformers.BertConfig(**{**small.to_dict(), **more}, attn_implementation="eager")
    theirs = getattr(transformers, name)(shape).eval()
    theirs.save_pretrained(tmp_path / "model")
    return theirs, bertkit.load_model(tmp_path / "model")


def close(ours, theirs, mask=None) -> None:
    """Equal, where there is a token."""
    if mask is not None:
        ours, theirs = ours[mask.bool()], theirs[mask.bool()]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


CASES = [
    # class, further settings, (our output, theirs, per token), labels
    (
        "BertForPreTraining",
        {},
        [
            ("logits", "prediction_logits", True),
            ("next_sentence_logits", "seq_relationship_logits", False),
        ],
        {"labels": "tokens", "next_sentence_label": torch.tensor([0, 1, 1])},
    ),
    ("BertForMaskedLM", {}, [("logits", "logits", True)], {"labels": "tokens"}),
    ("BertForNextSentencePrediction", {}, [("next_sentence_logits", "logits", False)], {}),
    (
        "BertForSequenceClassification",
        {"num_labels": 3},
        [("logits", "logits", False)],
        {"labels": torch.tensor([0, 2, 1])},
    ),
    (
        "BertForSequenceClassification",
        {"num_labels": 1},
        [("logits", "logits", False)],
        {"labels": torch.tensor([0.5, 2.0, -1.0])},
    ),
    (
        "BertForSequenceClassification",
        {"num_labels": 2, "problem_type": "multi_label_classification"},
        [("logits", "logits", False)],
        {"labels": torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])},
    ),
    (
        "BertForTokenClassification",
        {"num_labels": 5},
        [("logits", "logits", True)],
        {"labels": "classes"},
    ),
    (
        "BertForQuestionAnswering",
        {},
        [("start_logits", "start_logits", True), ("end_logits", "end_logits", True)],
        {"start_positions": torch.tensor([1, 2, 3]), "end_positions": torch.tensor([4, 2, 3])},
    ),
    (
        "BertModel",
        {},
        [
            ("last_hidden_state", "last_hidden_state", True),
            ("pooler_output", "pooler_output", False),
        ],
        {},
    ),
]


@pytest.mark.parametrize("padding_first", [False, True])
@pytest.mark.parametrize(("name", "more", "outputs", "labels"), CASES)
def test_a_model_of_transformers_gives_the_same(
    small, tmp_path, name, more, outputs, labels, padding_first
):
    theirs, ours = written(small, tmp_path, name, **more)
    assert ours.architecture == name
    assert not ours.training
    inputs = batch(padding_first)
    mask = inputs["attention_mask"]
    with torch.no_grad():
        found, wanted = ours(**inputs), theirs(**inputs)
    for own, other, per_token in outputs:
        close(getattr(found, own), getattr(wanted, other), mask if per_token else None)
    if not labels:
        return
    given = dict(labels)
    if isinstance(given.get("labels"), str):
        most = 211 if given["labels"] == "tokens" else 5
        values = torch.randint(0, most, mask.shape, generator=torch.Generator().manual_seed(2))
        given["labels"] = torch.where(mask.bool() & (values % 3 > 0), values, -100)
    if "start_positions" in given:
        # Padding takes no probability here, as Google's graph intends; theirs gives it some.
        inputs = {key: value[:1] for key, value in inputs.items()}
        given = {key: value[:1] for key, value in given.items()}
    close(ours(**inputs, **given).loss, theirs(**inputs, **given).loss)


def test_weights_have_the_names_of_transformers(small, tmp_path):
    theirs, ours = written(small, tmp_path, "BertForPreTraining")
    state = ours.state_dict()
    assert state.keys() <= theirs.state_dict().keys()
    again = bertkit.new_model(small, seed=9)
    again.load_state_dict(state)
    with torch.no_grad():
        close(again.eval()(**batch()).logits, ours(**batch()).logits)


@pytest.mark.parametrize(
    ("name", "more"), [(name, more) for name, more, *_ in CASES if name != "BertModel"]
)
def test_what_is_saved_is_read_by_transformers_again(small, tmp_path, name, more):
    theirs, ours = written(small, tmp_path, name, **more)
    ours.save(tmp_path / "saved")
    again, report = getattr(transformers, name).from_pretrained(
        tmp_path / "saved", output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert again.config.problem_type == theirs.config.problem_type
    with torch.no_grad():
        found, wanted = again.eval()(**batch()), theirs(**batch())
    for one, other in zip(found.to_tuple(), wanted.to_tuple(), strict=True):
        close(one, other)


def test_scores_of_sentences(small, tmp_path):
    network = BertForSentenceExtraction(replace(small), facts={"note": 7})
    save_pretrained(network, tmp_path / "model")
    ours = bertkit.load_model(tmp_path / "model")
    inputs = batch()
    assert ours(**inputs).logits.shape == (3, WIDTH)
    labels = torch.full((3, WIDTH), -100)
    labels[0, 0], labels[0, 4], labels[1, 0] = 1, 0, 1
    scores = ours(**inputs).logits[labels >= 0]
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(
        scores, labels[labels >= 0].float()
    )
    close(ours(**inputs, labels=labels).loss, wanted)
    ours.save(tmp_path / "saved")
    again = bertkit.load_model(tmp_path / "saved")
    close(again(**inputs).logits, ours(**inputs).logits)


def test_a_head_that_the_checkpoint_lacks_gives_nothing(small, tmp_path):
    _, ours = written(small, tmp_path, "BertForMaskedLM")
    assert ours(**batch()).next_sentence_logits is None
    with pytest.raises(bertkit.UsageError, match="no use for next_sentence_label"):
        ours(**batch(), labels=batch()["input_ids"], next_sentence_label=torch.zeros(3).long())


def test_new_weights_are_those_that_pretrain_draws(small):
    from bertkit.model.heads import BertForPreTraining

    before = torch.random.get_rng_state()
    ours = bertkit.new_model(small, seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(3)
    for name, value in BertForPreTraining(small).state_dict().items():
        assert torch.equal(value, ours.state_dict()[name])


def test_other_models_are_refused(tmp_path):
    shape = transformers.RobertaConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
    )
    transformers.RobertaModel(shape).save_pretrained(tmp_path / "model")
    with pytest.raises(ConfigError, match="RoBERTa"):
        bertkit.load_model(tmp_path / "model")
