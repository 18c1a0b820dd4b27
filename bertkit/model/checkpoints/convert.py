"""Converts a checkpoint of any format into another, or checks that it is complete."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.configuration.config import as_dict
from bertkit.errors import ConfigError, UsageError
from bertkit.hub.sources import name_of, source_of
from bertkit.manifests import manifest
from bertkit.model.checkpoints import formats, loading
from bertkit.model.checkpoints.card.model_card import facts_beside, model_card
from bertkit.model.checkpoints.completeness import (
    Completeness,
    architecture_of,
    compare_with_model,
    require_complete_checkpoint,
)
from bertkit.model.checkpoints.contents import (
    CheckpointContents,
    CheckpointToWrite,
    TensorRecord,
    infer_config,
)
from bertkit.model.checkpoints.held import held, tell_what_stays_behind
from bertkit.model.checkpoints.model_class import ModelClass, model_class
from bertkit.model.checkpoints.tokenizer import facts_with, treatment_settings
from bertkit.model.checkpoints.vocabulary_padding import require_safe_cut, resize, rounded
from bertkit.model.config import BertConfig, read_config
from bertkit.model.parameter_names import WORD_EMBEDDINGS
from bertkit.storage.files import atomic_write, sha256_of
from bertkit.tokenization import tokenizer_files
from bertkit.tokenization.tokenizer_facts import NOT_RECORDED, TokenizerFacts
from bertkit.tokenization.vocabulary import VOCAB, find_vocab, load_vocab, vocabulary_bytes


@dataclass(frozen=True)
class ConvertOptions:
    """How to convert.

    Attributes:
        to: name of the format to write, such as `hf`, `nvidia` or `tf1`.
        model_config: file with the shape, where none lies beside the checkpoint.
        vocab: vocabulary file, where none lies beside it.
        do_lower_case, strip_accents, tokenize_chinese_chars: the treatment of text; None: as
            the checkpoint or vocabulary records.
        allow_other_vocab: the vocabulary may be another one than the checkpoint's.
        keep_optimizer: also take the optimizer's moments.
        vocab_size: rows of the word embedding; 0 keeps them.
        pad_vocab: round the rows up to a multiple of this; 0: as the written format wants.
        allow_missing: patterns of our names that may be absent.
        allow_unexpected: patterns of names that may be left out: in the file, or ours where the
            written format has no place for them.
        backends: names of sections of a run's settings that matter on one backend alone; the
            model card lists those of the run's own.
        license_name: of the weights.
        data_license: of the training text.
        languages: of the training text, codes of ISO 639.
    """

    to: str = "hf"
    model_config: str | None = None
    vocab: str | None = None
    do_lower_case: bool | None = None
    strip_accents: bool | None = None
    tokenize_chinese_chars: bool | None = None
    allow_other_vocab: bool = False
    keep_optimizer: bool = False
    vocab_size: int = 0
    pad_vocab: int = 0
    allow_missing: Sequence[str] = ()
    allow_unexpected: Sequence[str] = ()
    backends: Sequence[str] = ()
    license_name: str = ""
    data_license: str = ""
    languages: Sequence[str] = ()


@dataclass(frozen=True)
class ConvertReport:
    """What `check` or `convert` found and did.

    Attributes:
        form: name of the format that was read.
        architecture: class of transformers.
        output: folder written; empty when only checked.
        step: of the checkpoint; None if it does not say.
        vocab_size: rows of the word embedding written.
        rows: every tensor of the checkpoint, and what became of it.
        missing: parameters that no tensor gave a value.
        seconds: of work.
        checkpoint: what was read; of a run, which of its checkpoints.
    """

    form: str
    architecture: str
    output: str
    step: int | None
    vocab_size: int
    rows: list[TensorRecord] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    seconds: float = 0.0
    checkpoint: str = ""

    def text(self, every: bool) -> str:
        """A line for people, below a table of every tensor where wanted."""
        taken = sum(bool(row.target) for row in self.rows)
        line = (
            f"{self.form} → {self.architecture}: {taken} of {len(self.rows)} tensors taken"
            f" from {self.checkpoint}"
        )
        if self.missing:
            line += f", {len(self.missing)} missing"
        if not every:
            return f"{line}, in {self.output}"
        rows = [
            (
                row.name,
                " × ".join(map(str, row.shape)) or "scalar",
                row.target or f"left out: {row.reason or 'unknown'}",
            )
            for row in self.rows
        ]
        rows += [("-", "-", f"missing: {name}") for name in self.missing]
        return log.table(("tensor", "shape", "where it went"), rows) + f"\n{line}"


def check(source: str, options: ConvertOptions) -> tuple[ConvertReport, Completeness]:
    """Account for every tensor of a checkpoint; writes nothing and judges nothing.

    Raises:
        DataError: no checkpoint, or a damaged one.
        ConfigError: a configuration of another model.
    """
    start = time.perf_counter()
    contents = loading.read(source, options.keep_optimizer)
    config = _config_for_check(contents, options.model_config)
    found = compare_with_model(contents, config, _model_class(contents, options))
    return _report(contents, found, "", start), found


def _config_for_check(contents: CheckpointContents, given: str | None) -> BertConfig:
    """The configuration; without one, sizes from the shapes, as no name depends on the heads."""
    if not contents.weights:
        return BertConfig()
    # `check` must also work where no configuration lies beside the checkpoint.
    if not given and not contents.heads and loading.config_beside(contents.path) is None:
        return infer_config(contents.weights, heads=1, path=contents.path)
    return loading.config_of(contents, given)


def _model_class(contents: CheckpointContents, options: ConvertOptions) -> ModelClass:
    """The class that the configuration names, or that the tensors make."""
    given = options.model_config
    place = Path(given) if given else loading.config_beside(contents.path)
    values = read_config(place) if place else {}
    guess = architecture_of(contents.weights)
    return model_class(values, contents.weights, guess, place or contents.path)


def convert(
    source: str, output: str, options: ConvertOptions, overwrite: bool = False
) -> ConvertReport:
    """Read a checkpoint of any format and write it in another.

    Args:
        source: folder, file or prefix.
        output: folder to write; the same call on a finished one does nothing.
        options: how.
        overwrite: replace what another run left there.

    Raises:
        DataError: no checkpoint, a damaged one, another vocabulary than the checkpoint's, or
            the folder belongs to another run.
        ConfigError: tensors are missing or surplus, the shape is not known, the class cannot
            be written, or a flag contradicts what is recorded of the text.
        UsageError: `to` is not written.
    """
    start = time.perf_counter()
    formats.require_target(options.to)
    # Read, and refuse what is incomplete, before anything is written.
    contents = loading.read(source, options.keep_optimizer)
    config = loading.config_of(contents, options.model_config)
    kind = _model_class(contents, options)
    found = compare_with_model(contents, config, kind)
    require_complete_checkpoint(found, source, options.allow_missing, options.allow_unexpected)
    vocab, tokenizer = _vocab(contents, config, options)
    # Add or cut rows of the word embedding as asked.
    contents, config = _resized(contents, config, options, vocab)
    contents, kind = held(contents, kind, options.to, options.allow_unexpected)
    folder = Path(output)
    # Writing into the source folder would mix two checkpoints.
    if folder.resolve() == contents.folder.resolve():
        raise UsageError("--output is the folder of the checkpoint itself")
    # A finished folder of the same conversion is left as it is.
    planned = _manifest(contents, config, options, vocab)
    planned.config |= treatment_settings(tokenizer)
    planned.tokenizer = tokenizer.as_dict()
    with manifest.working_folder(folder, planned, overwrite) as entry:
        if not entry.complete:
            checkpoint = _checkpoint(contents, config, kind, options, tokenizer)
            _write(folder, entry, checkpoint, options.to, vocab)
            entry.state = "complete"
            entry.write(folder)
    return _report(contents, found, output, start, rows=config.vocab_size)


def _report(
    contents: CheckpointContents,
    found: Completeness,
    output: str,
    start: float,
    rows: int | None = None,
) -> ConvertReport:
    words = contents.weights.get(WORD_EMBEDDINGS)
    if rows is None:
        rows = 0 if words is None else words.shape[0]
    return ConvertReport(
        form=contents.format,
        architecture=found.architecture,
        output=output,
        step=contents.step,
        vocab_size=rows,
        rows=contents.tensors,
        missing=found.missing,
        seconds=time.perf_counter() - start,
        checkpoint=name_of(contents.path),
    )


def _vocab(
    contents: CheckpointContents, config: BertConfig, options: ConvertOptions
) -> tuple[bytes | None, TokenizerFacts]:
    """The bytes of the vocabulary and what is known about it; (None, nothing) without one."""
    path = find_vocab(options.vocab) if options.vocab else loading.vocab_beside(contents.path)
    if path is None:
        log.logger.warning(
            "there is no vocabulary in %s: without --vocab, the output has no tokenizer",
            contents.folder,
        )
        return None, NOT_RECORDED
    facts = facts_with(
        contents.path,
        load_vocab(path, "last"),
        vars(options),
        positions=config.max_position_embeddings,
        allow_other=options.allow_other_vocab,
    )
    return vocabulary_bytes(path), facts


def _token_count(vocab: bytes | None) -> int:
    return 0 if vocab is None else vocab.count(b"\n") + (not vocab.endswith(b"\n"))


def _resized(
    contents: CheckpointContents, config: BertConfig, options: ConvertOptions, vocab: bytes | None
) -> tuple[CheckpointContents, BertConfig]:
    """Rows added to or cut from the vocabulary, in weights and moments."""
    if WORD_EMBEDDINGS not in contents.weights:
        return contents, config
    rows = options.vocab_size or contents.weights[WORD_EMBEDDINGS].shape[0]
    # Round up as asked, or as the written format wants.
    rows = rounded(rows, options.pad_vocab or formats.get(options.to).vocab_multiple)
    tokens, have = _token_count(vocab), contents.weights[WORD_EMBEDDINGS].shape[0]
    # Rows that are added are padding: they must not become those of tokens.
    if tokens > min(rows, have):
        raise ConfigError(
            f"the vocabulary has {tokens:,} tokens, the word embedding {min(rows, have):,} rows",
            "give the vocabulary that the checkpoint was made with",
        )
    # Never cut off rows that belong to tokens.
    require_safe_cut(contents.weights, rows, tokens)
    moments = contents.moments
    if moments:
        # Moments have the shape of their weights; resize each kind like a set of weights.
        kinds = {kind for values in moments.values() for kind in values}
        resized = {
            kind: resize({n: v[kind] for n, v in moments.items() if kind in v}, rows, bias=0.0)
            for kind in kinds
        }
        moments = {n: {k: resized[k][n] for k in v} for n, v in moments.items()}
    weights = resize(contents.weights, rows)
    return replace(contents, weights=weights, moments=moments), replace(config, vocab_size=rows)


def _manifest(
    contents: CheckpointContents, config: BertConfig, options: ConvertOptions, vocab: bytes | None
) -> manifest.Manifest:
    settings: dict[str, Any] = {
        "to": options.to,
        "form": contents.format,
        "model": as_dict(config),
        "tokens": _token_count(vocab),
        "keep_optimizer": options.keep_optimizer,
        "license": options.license_name,
        "data_license": options.data_license,
    }
    if options.languages:
        settings["languages"] = list(options.languages)
    inputs = manifest.describe_inputs(_weight_files(contents))
    return manifest.Manifest("convert", settings, inputs)


def _weight_files(contents: CheckpointContents) -> list[str]:
    """The files that hold the weights."""
    path = contents.path
    if path.is_file():
        return [str(path)]
    if path.is_dir():
        # The optimizer state counts as input only where it is converted.
        state = (".pt",) if contents.moments else ()
        endings = (".safetensors", ".bin", ".index.json", "config.json", *state)
        found = [entry for entry in path.iterdir() if entry.name.endswith(endings)]
    else:  # the prefix of a TensorFlow checkpoint
        parts = (f"{path.name}.data-", f"{path.name}.index")
        found = [entry for entry in path.parent.iterdir() if entry.name.startswith(parts)]
    return sorted(map(str, found))


def _checkpoint(
    contents: CheckpointContents,
    config: BertConfig,
    kind: ModelClass,
    options: ConvertOptions,
    tokenizer: TokenizerFacts,
) -> CheckpointToWrite:
    """Everything that a format's writer needs, with the text of the model card."""
    facts = facts_beside(contents.folder, options.backends)
    if facts.step is None:
        facts.step = contents.step
    tell_what_stays_behind(contents.path, kind, facts.settings)
    shown = source.exact if (source := source_of(contents.path)) else contents.path.name
    card = model_card(
        name=f"{kind.name} of {shown}",
        architecture=kind.name,
        config=config,
        source=f"{shown} ({contents.format})",
        facts=facts,
        license_name=options.license_name,
        data_license=options.data_license,
        languages=options.languages,
        has_vocab=tokenizer.names_vocabulary,
    )
    return CheckpointToWrite(
        weights={name: value.contiguous() for name, value in contents.weights.items()},
        moments=contents.moments,
        step=contents.step,
        config=config,
        architecture=kind.name,
        has_vocab=tokenizer.names_vocabulary,
        tokenizer=tokenizer,
        card=card,
        other_keys=kind.other_keys,
        settings=facts.settings,
    )


def _write(
    folder: Path,
    entry: manifest.Manifest,
    checkpoint: CheckpointToWrite,
    to: str,
    vocab: bytes | None,
) -> None:
    """Write the checkpoint and its vocabulary, and list their files in the manifest."""
    # Files of a run that this one replaces, which are not its own: every new one is another.
    old = {path: path.stat().st_ino for path in folder.iterdir() if path.name in entry.replaces}
    formats.get(to).load().write(folder, checkpoint)
    if vocab is not None:
        with atomic_write(folder / VOCAB) as stream:
            stream.write(vocab)
        if (folder / tokenizer_files.CONFIG).is_file():
            tokenizer_files.write_tokenizer(folder, checkpoint.tokenizer)
    # List what the format's writer made, whatever the names are.
    for path in sorted(folder.iterdir()):
        known = path.name == manifest.NAME or path.name.startswith(".")
        if path.is_file() and not known and path.stat().st_ino != old.get(path):
            size, digest = path.stat().st_size, sha256_of(path)
            entry.outputs[path.name] = {"bytes": size, "sha256": digest}
    entry.stats = {"tensors": len(checkpoint.weights), "architecture": checkpoint.architecture}
