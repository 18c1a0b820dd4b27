"""Holds what must agree about tokens between artefacts, and compares it before anything is written.

Records, runs, checkpoints and vocabularies carry these facts (tokenizer_files.py reads them),
so that no command needs a default of its own for the casing of a vocabulary, and tokens of
one vocabulary never meet a model of another.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bertkit import log
from bertkit.errors import ConfigError, DataError
from bertkit.manifests.manifest import Manifest
from bertkit.tokenization import word_length
from bertkit.tokenization.normalisation import FLAGS, Normalisation, from_settings, guessed
from bertkit.tokenization.vocabulary import Vocab
from bertkit.tokenization.wordpiece_variants import treatment_of

ALLOW_FLAG = "--allow-other-vocab"
_SHORT = 12  # characters of a digest in messages
_UNLIMITED = 1 << 30  # transformers writes 1e30 where no length is known


@dataclass(frozen=True)
class TokenizerFacts:
    """What an artefact records about its tokens; an empty value is "not recorded".

    Attributes:
        vocab_sha256: of the bytes of the vocabulary file.
        tokens_sha256: of the tokens in the order of their ids, one per line. Equals
            `vocab_sha256` for a file that `train-vocab` wrote; other line ends do not change it.
        vocab_size: tokens.
        normalisation: how text is treated; None where nothing says so.
        word_length: letters of the longest word that is not [UNK]; 0 (`word_length.USUAL`): the
            limit that the program has of its own; None where nothing says so.
        model_max_length: positions of the model; None if unknown.
        source: where this was read, for messages.
    """

    vocab_sha256: str = ""
    tokens_sha256: str = ""
    vocab_size: int = 0
    normalisation: Normalisation | None = None
    word_length: int | None = None
    model_max_length: int | None = None
    source: str = dataclasses.field(default="", compare=False)

    @property
    def names_vocabulary(self) -> bool:
        """Whether the vocabulary is recorded, by digest."""
        return bool(self.vocab_sha256 or self.tokens_sha256)

    def vocabulary(self) -> str:
        """The vocabulary for messages: digest and size."""
        digest = (self.tokens_sha256 or self.vocab_sha256)[:_SHORT]
        return f"vocabulary {digest} ({self.vocab_size:,} tokens)"

    def rows(self) -> list[tuple[str, str]]:
        """(what, value) of what is recorded, for people."""
        rows = [("tokens", self.vocabulary())] if self.names_vocabulary else []
        rows += [("text", self.normalisation.text())] if self.normalisation else []
        return rows + (
            [("words", word_length.in_words(self.word_length))] if self.word_length else []
        )

    def as_dict(self) -> dict[str, Any]:
        """What is recorded, for JSON; `from_dict` reads it."""
        values: dict[str, Any] = {
            "vocab_sha256": self.vocab_sha256,
            "tokens_sha256": self.tokens_sha256,
            "vocab_size": self.vocab_size,
            word_length.NAME: self.word_length,
            "model_max_length": self.model_max_length,
        }
        kept = {name: value for name, value in values.items() if value}
        return kept | (self.normalisation.as_dict() if self.normalisation else {})


NOT_RECORDED = TokenizerFacts()


def from_dict(values: Mapping[str, Any], source: str) -> TokenizerFacts:
    """The facts in a mapping that `TokenizerFacts.as_dict` made, or a part of it.

    Raises:
        ConfigError: a value of the wrong type.
    """
    size, length = values.get("vocab_size") or 0, values.get("model_max_length")
    if not isinstance(size, int):
        raise ConfigError(f"{source}: vocab_size {size!r} is not a number of tokens")
    known = isinstance(length, int | float) and 0 < length < _UNLIMITED
    return TokenizerFacts(
        vocab_sha256=str(values.get("vocab_sha256") or ""),
        tokens_sha256=str(values.get("tokens_sha256") or ""),
        vocab_size=size,
        normalisation=from_settings(values, source),
        word_length=word_length.from_settings(values, source),
        model_max_length=int(length) if known and length else None,
        source=source,
    )


def of_vocab(
    vocab: Vocab, normalisation: Normalisation | None = None, longest: int | None = None
) -> TokenizerFacts:
    """The facts of a loaded vocabulary, with treatment of text and `word_length` if known."""
    return TokenizerFacts(
        vocab_sha256=vocab.sha256,
        tokens_sha256=vocab.tokens_sha256,
        vocab_size=len(vocab),
        normalisation=normalisation,
        word_length=longest,
        source=vocab.path or "the vocabulary",
    )


def of_records(manifest: Manifest, folder: object) -> TokenizerFacts:
    """What the manifest of `make-records` or `pick-eval` records.

    Raises:
        ConfigError: a value of the wrong type.
    """
    if manifest.tokenizer:
        return _of_tokens(from_dict(manifest.tokenizer, str(folder)))
    # bertkit 0.1.0 has the same among its settings.
    config = manifest.config
    facts = from_dict(config, str(folder))
    if facts.normalisation:
        name = str(config.get("tokenizer") or config.get("style"))
        facts = replace(facts, normalisation=treatment_of(name, facts.normalisation))
    return _of_tokens(facts)


def _of_tokens(facts: TokenizerFacts) -> TokenizerFacts:
    """The facts of tokens that were made: with no word length of their own, it was the usual."""
    if facts.normalisation is None or facts.word_length is not None:
        return facts
    return replace(facts, word_length=word_length.USUAL)


def of_run(state: Mapping[str, Any], source: str) -> TokenizerFacts:
    """What `state.json` of a run's checkpoint records.

    States of bertkit 0.1.0 tell the treatment of text only where the run made its tokens
    itself: from `--text`, or from SQuAD's questions.

    Raises:
        ConfigError: a value of the wrong type.
    """
    recorded = state.get("tokenizer")
    if isinstance(recorded, Mapping) and recorded:
        return _of_tokens(from_dict(recorded, source))
    config = state.get("config")
    if not isinstance(config, Mapping):
        return TokenizerFacts(source=source)
    records = config.get("records")
    if config.get("text") and isinstance(records, Mapping):
        config = records
    return _of_tokens(TokenizerFacts(normalisation=from_settings(config, source), source=source))


def merged(parts: Sequence[TokenizerFacts], source: str) -> TokenizerFacts:
    """What several files of one artefact record together.

    Raises:
        DataError, ConfigError: two of them contradict each other.
    """
    whole = TokenizerFacts(source=source)
    for position, part in enumerate(parts):
        for before in parts[:position]:
            require_same(before, part, "the files of one folder must agree; mend or remove one")
        missing = {
            item.name: getattr(part, item.name)
            for item in dataclasses.fields(TokenizerFacts)
            if item.name != "source"
            and not getattr(whole, item.name)
            and getattr(part, item.name) is not None
        }
        whole = replace(whole, **missing)
    return whole


def same_vocabulary(first: TokenizerFacts, second: TokenizerFacts) -> bool | None:
    """Whether two artefacts number the same tokens alike; None where one does not say."""
    if not (first.names_vocabulary and second.names_vocabulary):
        return None
    if first.tokens_sha256 and second.tokens_sha256:
        return first.tokens_sha256 == second.tokens_sha256
    # Older artefacts know the file's digest only; a plain file's is that of its tokens.
    ours = {first.vocab_sha256, first.tokens_sha256} - {""}
    return bool(ours & {second.vocab_sha256, second.tokens_sha256})


def require_same(first: TokenizerFacts, second: TokenizerFacts, hint: str) -> None:
    """Refuse two artefacts of different vocabularies, or whose text was treated differently.

    What one of them does not record cannot be compared, and passes.

    Raises:
        DataError: they differ; names both.
    """
    if same_vocabulary(first, second) is False:
        raise DataError(
            f"{first.source} has {first.vocabulary()}, {second.source} has {second.vocabulary()}",
            hint,
        )
    ours, theirs = first.normalisation, second.normalisation
    if ours and theirs and not ours.same_as(theirs):
        raise DataError(
            f"{first.source} is of text that is {ours.text()}; {second.source}: {theirs.text()}",
            hint,
        )
    if word_length.differ(first.word_length, second.word_length):
        lengths = [word_length.in_words(part.word_length or 0) for part in (first, second)]
        raise DataError(
            f"{first.source} has words of {lengths[0]}; {second.source}: {lengths[1]}",
            f"{hint}; `bertkit make-records {word_length.FLAG} N` sets the limit",
        )


def require_fitting(
    model: TokenizerFacts, tokens: TokenizerFacts, *, allow_other: bool = False
) -> None:
    """Refuse tokens that were not made for a model.

    Args:
        model: of the checkpoint.
        tokens: of records, of a vocabulary, of questions.
        allow_other: the user says that it is meant (ALLOW_FLAG); then it is logged.

    Raises:
        DataError: another vocabulary or treatment of text; names both.
    """
    hint = f"take those that belong together; {ALLOW_FLAG}, if the difference is on purpose"
    try:
        require_same(model, tokens, hint)
    except DataError as error:
        if not allow_other:
            raise
        log.logger.warning("%s; %s is given", error.message, ALLOW_FLAG)


def settled(
    facts: TokenizerFacts, vocab: Vocab | None, given: Mapping[str, bool | None]
) -> Normalisation:
    """The treatment of text: what is recorded, else the flags, else what the tokens point to.

    Args:
        facts: of the artefact that decides.
        vocab: to guess from where nothing is recorded, which is said in one line; None: then
            the default of BertTokenizer is taken.
        given: setting → value of the user's flag; absent or None where there is none.

    Raises:
        ConfigError: a flag contradicts what is recorded.
    """
    flags = {name: given[name] for name in FLAGS if given.get(name) is not None}
    recorded = facts.normalisation
    if recorded is not None:
        _require_agreeing(recorded, flags, facts.source)
        return recorded.usual()
    guess = guessed(vocab.tokens) if vocab else Normalisation()
    if flags.get("do_lower_case", guess.do_lower_case) != guess.do_lower_case:
        guess = Normalisation()  # whoever contradicts the tokens' case knows their accents, too
    chosen = Normalisation(**{**guess.as_dict(), **flags}).usual()
    if vocab and "do_lower_case" not in flags:
        _say_once(facts.source, chosen)
    return chosen


def settled_word_length(facts: TokenizerFacts, given: Mapping[str, Any]) -> int | None:
    """Letters of the longest word that is not [UNK]; None: the limit of each program's own.

    Args:
        facts: of the artefact that decides.
        given: setting → value of the user's flag; absent or None where there is none.

    Raises:
        ConfigError: the flag contradicts what is recorded.
    """
    return word_length.settled(facts.word_length, given.get(word_length.NAME), facts.source)


@functools.lru_cache(maxsize=256)
def _say_once(source: str, chosen: Normalisation) -> None:
    """Tell what was assumed, in one line and one time."""
    level = logging.INFO if chosen == Normalisation() else logging.WARNING
    text = "%s does not record its casing; assumed from its tokens: %s"
    log.logger.log(level, text, source, chosen.text())


def _require_agreeing(
    recorded: Normalisation, flags: Mapping[str, bool | None], source: str
) -> None:
    effect = recorded.effective()
    for name, value in flags.items():
        if effect[name] != value:
            raise ConfigError(
                f"{FLAGS[name][0 if value else 1]} contradicts {source}: {recorded.text()}",
                "leave the flag out: it is a property of the vocabulary",
            )
