"""Every treatment of text against transformers' tokenizers, and the kernels against ours."""

from __future__ import annotations

import json
import lzma
import random
import unicodedata

import pytest
from transformers import BertTokenizer
from transformers.models.bert.tokenization_bert_legacy import BasicTokenizer

from bertkit.errors import ConfigError
from bertkit.tokenization.corpus_tokens import StreamTokenizer
from bertkit.tokenization.normalisation import CASED, UNCASED, Normalisation
from bertkit.tokenization.sentence_files import read_documents
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS, UNK, Vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer
from bertkit.tokenization.wordpiece_variants import make_tokenizer, treatment_of

TREATMENTS = [
    UNCASED,
    CASED,
    Normalisation(strip_accents=False),
    Normalisation(do_lower_case=False, strip_accents=True),
    Normalisation(strip_accents=False, tokenize_chinese_chars=False),
    Normalisation(do_lower_case=False, tokenize_chinese_chars=False),
]
LANGUAGES = ("tr", "vi", "de", "zh", "el", "hi")


@pytest.fixture(scope="module", params=[1, pytest.param(12, marks=pytest.mark.slow)])
def samples(request, shared):
    """Real sentences in eight languages, and random text of all of Unicode."""
    place, many = shared / "data" / "multilingual", request.param
    lines = ["İstanbul IŞIK ığdır", "Đường phố HÀ NỘI", "Straße GRÜẞE", "ガミ がぎ 豈更車 﨑"]
    for language in LANGUAGES:
        blob = lzma.decompress((place / "xquad" / f"xquad.{language}.json.xz").read_bytes())
        articles = json.loads(blob)["data"]
        contexts = [item["context"] for article in articles for item in article["paragraphs"]]
        lines += contexts[: 10 * many]
    for name in ("ja_gsd_dev.sentences.txt", "ko_gsd_dev.sentences.txt"):
        lines += (place / name).read_text(encoding="utf-8").split("\n")[: 40 * many]
    return [" ".join(line.split()) for line in lines if line.strip()] + random_lines(300 * many)


def random_lines(count: int) -> list[str]:
    """Text of assigned characters, half of it of letters with many marks."""
    draw = random.Random(7)
    known = [
        chr(code)
        for code in range(0x20, 0x30000)
        if unicodedata.category(chr(code)) not in ("Cn", "Co", "Cs", "Cc")
    ]
    marked = [c for c in known if c.isalpha() and unicodedata.decomposition(c)] + list("aeiİıIß ́̈.")
    return ["".join(draw.choices(known if number % 2 else marked, k=30)) for number in range(count)]


@pytest.fixture(scope="module")
def vocab(samples):
    """Every character that can come out, whole and continuing: tokens show all that was done."""
    characters: set[str] = set()
    for line in samples:
        for text in (line, line.lower(), "".join(c.lower() for c in line)):
            characters.update(text, unicodedata.normalize("NFD", text))
            characters.update(unicodedata.normalize("NFC", text))
    characters = {c for c in characters if not c.isspace()}
    tokens = [*SPECIAL_TOKENS, *sorted(characters), *(f"##{c}" for c in sorted(characters))]
    return Vocab(tokens, {token: number for number, token in enumerate(tokens)}, "")


@pytest.fixture(scope="module")
def unlike(vocab, samples):
    """Characters on which Google's tokenizer and the package differ as BERT's text is treated.

    The package has older tables of Unicode, and its range of CJK begins late; a final sigma has
    a lower case of its own in Python.
    """
    found = {"Σ"}
    for treatment in (UNCASED, CASED):
        google, package = (make_tokenizer(name, vocab, treatment) for name in ("google", "hf"))
        for character in set("".join(samples)):
            text = f"a{character}a"
            if google.tokenize(text) != package.tokenize(text):
                found.add(character)
    return found


def ident(treatment: Normalisation) -> str:
    return treatment.text().replace(" ", "-")


@pytest.mark.parametrize("treatment", TREATMENTS, ids=ident)
def test_the_words_are_those_of_the_original_python_tokenizer(treatment, vocab, samples):
    lower, strip, cjk = treatment.as_dict().values()
    original = BasicTokenizer(lower, tokenize_chinese_chars=cjk, strip_accents=strip)
    ours = WordPieceTokenizer(vocab, treatment)
    for line in samples:
        # The original composes characters first, as neither Google's nor the package do.
        text = unicodedata.normalize("NFC", line)
        assert ours.basic_tokenize(text) == original.tokenize(text)


@pytest.mark.parametrize("treatment", TREATMENTS, ids=ident)
def test_the_tokens_are_those_of_transformers(treatment, vocab, samples, unlike):
    lower, strip, cjk = treatment.as_dict().values()
    theirs = BertTokenizer(
        vocab.ids, lower, strip_accents=strip, tokenize_chinese_chars=cjk, model_max_length=512
    )
    ours, package = (make_tokenizer(name, vocab, treatment) for name in ("google", "hf"))
    compared = 0
    for line in samples:
        wanted = theirs.tokenize(line)
        assert package.tokenize(line) == wanted
        if UNK in wanted or unlike.intersection(line):
            continue
        assert ours.tokenize(line) == wanted
        compared += 1
    assert compared > 0.8 * len(samples)


@pytest.mark.parametrize("treatment", TREATMENTS, ids=ident)
def test_the_kernels_make_the_tokens_of_the_readable_tokenizer(treatment, vocab, samples, tmp_path):
    path = tmp_path / "text"
    path.write_text("\n".join(samples), encoding="utf-8")
    tokenizer = WordPieceTokenizer(vocab, treatment)
    ((*sentences,),) = read_documents([path], tokenizer)
    found = StreamTokenizer(vocab, treatment).tokenize_files([path])
    assert found.sentence_count == len(sentences) > 400
    wanted = [vocab.ids[token] for sentence in sentences for token in sentence]
    assert found.tokens.tolist() == wanted


def test_accents_are_kept_where_they_are_asked_for(vocab):
    turkish = WordPieceTokenizer(vocab, Normalisation(strip_accents=False))
    assert turkish.basic_tokenize("Yaşama ÇAĞRI, Hà Nội") == ["yaşama", "çağri", ",", "hà", "nội"]
    assert WordPieceTokenizer(vocab).basic_tokenize("Yaşama") == ["yasama"]
    together = Normalisation(tokenize_chinese_chars=False)
    assert WordPieceTokenizer(vocab, together).basic_tokenize("中国人 A") == ["中国人", "a"]


@pytest.mark.parametrize("name", ["nvidia", "cerebras"])
def test_programs_with_one_switch_refuse_more(name, vocab):
    for treatment in (UNCASED, CASED):
        make_tokenizer(name, vocab, treatment)
    for treatment in (Normalisation(strip_accents=False), Normalisation(True, None, False)):
        with pytest.raises(ConfigError, match=f"{name}'s tokenizer cannot make text lower case"):
            make_tokenizer(name, vocab, treatment)


def test_cerebras_tokenizer_strips_the_accents_of_cased_text(vocab):
    treatment = treatment_of("cerebras", CASED)
    assert treatment.strips_accents
    assert make_tokenizer("cerebras", vocab, CASED).basic_tokenize("É") == ["E"]
    assert make_tokenizer("cerebras", vocab, treatment).basic_tokenize("É") == ["E"]
    assert treatment_of("google", CASED) == CASED
