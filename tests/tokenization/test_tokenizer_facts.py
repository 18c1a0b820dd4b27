"""Facts of vocabularies: digests, comparisons, and what decides the treatment of text."""

from __future__ import annotations

import logging

import pytest

from bertkit.errors import ConfigError, DataError
from bertkit.manifests.manifest import Manifest
from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.tokenizer_facts import (
    TokenizerFacts,
    from_dict,
    merged,
    of_records,
    of_run,
    of_vocab,
    require_fitting,
    require_same,
    same_vocabulary,
    settled,
)
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS, load_vocab, save_vocab
from bertkit.tokenization.word_length import USUAL

WORDS = ["the", "king", "##s"]
CASED, UNCASED = Normalisation(do_lower_case=False), Normalisation()


@pytest.fixture
def vocab(tmp_path):
    save_vocab(tmp_path / "v.txt", [*SPECIAL_TOKENS, *WORDS])
    return load_vocab(tmp_path / "v.txt")


def other_order(vocab, tmp_path):
    save_vocab(tmp_path / "o.txt", [*SPECIAL_TOKENS, *WORDS[::-1]])
    return load_vocab(tmp_path / "o.txt")


def test_line_ends_do_not_make_another_vocabulary(vocab, tmp_path):
    text = (tmp_path / "v.txt").read_bytes().replace(b"\n", b"\r\n").rstrip(b"\r\n")
    (tmp_path / "crlf.txt").write_bytes(text)
    same = load_vocab(tmp_path / "crlf.txt")
    assert vocab.tokens_sha256 == vocab.sha256
    assert same.sha256 != vocab.sha256
    assert same.tokens_sha256 == vocab.tokens_sha256
    assert same_vocabulary(of_vocab(vocab), of_vocab(same))


def test_the_same_number_of_tokens_is_not_the_same_vocabulary(vocab, tmp_path):
    first, second = of_vocab(vocab), of_vocab(other_order(vocab, tmp_path))
    assert first.vocab_size == second.vocab_size
    assert same_vocabulary(first, second) is False
    with pytest.raises(DataError, match=r"v.txt has vocabulary \w{12} \(8 tokens\), .*o.txt has v"):
        require_same(first, second, "")


def test_older_artefacts_know_the_digest_of_the_file_alone(vocab, tmp_path):
    old = TokenizerFacts(vocab_sha256=vocab.sha256, vocab_size=8)
    assert same_vocabulary(old, of_vocab(vocab))
    assert same_vocabulary(of_vocab(other_order(vocab, tmp_path)), old) is False
    assert same_vocabulary(TokenizerFacts(vocab_size=8), of_vocab(vocab)) is None


def test_another_treatment_of_text_is_refused_unless_it_is_meant(vocab, caplog):
    model, text = of_vocab(vocab, CASED), of_vocab(vocab, UNCASED)
    with pytest.raises(DataError, match=r"cased, accents kept; .*lower case") as caught:
        require_fitting(model, text)
    assert "--allow-other-vocab" in caught.value.hint
    with caplog.at_level(logging.WARNING, "bertkit"):
        require_fitting(model, text, allow_other=True)
    assert "--allow-other-vocab is given" in caplog.text
    require_fitting(model, of_vocab(vocab))  # not recorded


def test_facts_go_through_json(vocab):
    facts = TokenizerFacts("a", "b", 8, Normalisation(True, False, False), 512)
    assert from_dict(facts.as_dict(), "x") == facts
    assert from_dict({}, "x") == TokenizerFacts()
    assert TokenizerFacts().as_dict() == {}
    assert from_dict({"model_max_length": 1e30}, "x").model_max_length is None


def test_manifests_of_0_1_0_are_read():
    config = {"do_lower_case": False, "vocab_sha256": "abc", "vocab_size": 7, "seed": 1}
    old = of_records(Manifest("make-records", config), "data/train")
    assert old == TokenizerFacts("abc", "", 7, CASED, USUAL)
    assert old.source == "data/train"


def test_states_of_0_1_0_tell_a_casing_only_where_it_is_true():
    config = {"records": {"do_lower_case": True}, "input": ["r"], "text": []}
    assert of_run({"config": config}, "s").normalisation is None
    config |= {"text": ["t.txt"]}
    assert of_run({"config": config}, "s").normalisation == UNCASED
    assert of_run({"config": {"do_lower_case": False}}, "s").normalisation == CASED
    assert of_run({"tokenizer": {"do_lower_case": False}}, "s").normalisation == CASED


def test_files_that_contradict_each_other_are_refused(vocab):
    parts = [TokenizerFacts(normalisation=CASED, source="a"), of_vocab(vocab)]
    whole = merged(parts, "folder")
    assert (whole.normalisation, whole.vocab_size, whole.source) == (CASED, 8, "folder")
    parts.append(TokenizerFacts(normalisation=UNCASED, source="b"))
    with pytest.raises(DataError, match=r"a is of text that is cased, accents kept; b: lower case"):
        merged(parts, "folder")


def test_a_flag_that_contradicts_is_refused_and_one_that_agrees_is_not(vocab):
    facts = of_vocab(vocab, CASED)
    assert settled(facts, vocab, {"do_lower_case": False}) == CASED
    assert settled(facts, vocab, {"strip_accents": False}) == CASED
    for flag, name, value in [
        ("--do-lower-case", "do_lower_case", True),
        ("--strip-accents", "strip_accents", True),
        ("--no-tokenize-chinese-chars", "tokenize_chinese_chars", False),
    ]:
        with pytest.raises(ConfigError, match=f"{flag} contradicts .*v.txt: cased, accents kept"):
            settled(facts, vocab, {name: value})


def test_where_nothing_is_recorded_tokens_decide_and_one_line_says_so(tmp_path, caplog):
    save_vocab(tmp_path / "v.txt", [*SPECIAL_TOKENS, "The", "é"])
    cased = load_vocab(tmp_path / "v.txt")
    with caplog.at_level(logging.INFO, "bertkit"):
        assert settled(of_vocab(cased), cased, {}) == CASED
        assert len(caplog.records) == 1
        assert "v.txt does not record its casing; assumed from its tokens: cased" in caplog.text
        # A flag needs no guess, and nothing is said.
        assert settled(of_vocab(cased), cased, {"do_lower_case": True}) == UNCASED
        assert len(caplog.records) == 1
    wanted = Normalisation(False, True)
    assert settled(of_vocab(cased), cased, {"strip_accents": True}) == wanted
    assert settled(of_vocab(cased), None, {}) == UNCASED
