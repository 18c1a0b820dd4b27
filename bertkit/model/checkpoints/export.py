"""Write what was read as a folder of transformers or as NVIDIA's checkpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bertkit import log, manifest
from bertkit.config import as_dict
from bertkit.errors import ConfigError, UsageError
from bertkit.files import atomic_write, open_binary, sha256_of, write_text
from bertkit.model.checkpoints import formats, nvidia
from bertkit.model.checkpoints.audit import Audit, audit, require_whole
from bertkit.model.checkpoints.contents import WORDS, Reading, Row, infer_config
from bertkit.model.checkpoints.hf import WEIGHTS
from bertkit.model.checkpoints.model_card import card, facts_beside
from bertkit.model.checkpoints.run_state import OPTIMIZER
from bertkit.model.checkpoints.vocabulary_padding import require_safe_cut, resize, rounded
from bertkit.model.config import BertConfig

_SPECIAL = {
    "pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}  # fmt: skip


@dataclass(frozen=True)
class Wishes:
    """How to convert.

    Attributes:
        to: `hf` or `nvidia`.
        model_config: file with the shape, where none lies beside the checkpoint.
        vocab: vocabulary file, where none lies beside it.
        lower_case: the tokenizer lower-cases.
        keep_optimizer: also take the optimizer's moments.
        vocab_size: rows of the word embedding; 0 keeps them.
        pad_vocab: round the rows up to a multiple of this; 0: as the target's programs do
            (8 for nvidia).
        allow_missing: patterns of our names that may be absent.
        allow_unexpected: patterns of names in the file that may be left out.
        license_name: of the weights.
        data_license: of the training text.
        backends: names of sections of a run's settings that matter on one backend alone; the
            model card lists those of the run's own.
    """

    to: str = "hf"
    model_config: str | None = None
    vocab: str | None = None
    lower_case: bool = True
    keep_optimizer: bool = False
    vocab_size: int = 0
    pad_vocab: int = 0
    allow_missing: Sequence[str] = ()
    allow_unexpected: Sequence[str] = ()
    license_name: str = ""
    data_license: str = ""
    backends: Sequence[str] = ()


@dataclass(frozen=True)
class Converted:
    """How it went.

    Attributes:
        form: the format that was read.
        architecture: class of transformers.
        output: folder written; empty when only checked.
        step: of the checkpoint; None if it does not say.
        vocab_size: rows of the word embedding written.
        rows: every tensor of the checkpoint.
        missing: parameters that nothing gave a value.
        seconds: of work.
    """

    form: str
    architecture: str
    output: str
    step: int | None
    vocab_size: int
    rows: list[Row] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def text(self, every: bool) -> str:
        """A line for people, below a table of every tensor where wanted."""
        taken = sum(bool(row.target) for row in self.rows)
        line = f"{self.form} → {self.architecture}: {taken} of {len(self.rows)} tensors taken"
        if self.missing:
            line += f", {len(self.missing)} missing"
        if not every:
            return f"{line}, in {self.output}"
        rows = [
            (row.name, " × ".join(map(str, row.shape)) or "scalar",
             row.target or f"left out: {row.reason or 'unknown'}")
            for row in self.rows
        ]  # fmt: skip
        rows += [("-", "-", f"missing: {name}") for name in self.missing]
        return log.table(("tensor", "shape", "where it went"), rows) + f"\n{line}"


def check(source: str, wishes: Wishes) -> tuple[Converted, Audit]:
    """Account for every tensor of a checkpoint; writes nothing and judges nothing.

    Raises:
        DataError: no checkpoint, or a damaged one.
        ConfigError: a configuration of another model.
    """
    begin = time.perf_counter()
    reading = formats.read(source, wishes.keep_optimizer)
    found = audit(reading, _config_for_check(reading, wishes.model_config))
    return _result(reading, found, "", begin), found


def _config_for_check(reading: Reading, given: str | None) -> BertConfig:
    """The configuration; where there is none, sizes from the shapes: heads decide no name."""
    if not reading.weights:
        return BertConfig()
    try:
        return formats.config_of(reading, given)
    except ConfigError:
        if given or reading.heads:
            raise
        return infer_config(reading.weights, 1, reading.place)


def convert(source: str, output: str, wishes: Wishes, overwrite: bool = False) -> Converted:
    """Read a checkpoint of any form and write it in another.

    Args:
        source: folder, file or prefix.
        output: folder to write; the same call on a finished one does nothing.
        wishes: how.
        overwrite: replace what another run left there.

    Raises:
        DataError: no checkpoint, a damaged one, or the folder belongs to another run.
        ConfigError: tensors are missing or surplus, or the shape is not known.
    """
    begin = time.perf_counter()
    reading = formats.read(source, wishes.keep_optimizer)
    config = formats.config_of(reading, wishes.model_config)
    found = audit(reading, config)
    require_whole(found, source, wishes.allow_missing, wishes.allow_unexpected)
    vocab = _vocab(reading, wishes)
    reading, config = _resized(reading, config, wishes, vocab)
    place = Path(output)
    if place.resolve() == reading.folder.resolve():
        raise UsageError("--output is the folder of the checkpoint itself")
    entry = manifest.begin(place, _plan(reading, config, wishes, vocab), overwrite)
    if not entry.complete:
        _write(place, entry, reading, config, found, wishes, vocab)
        entry.state = "complete"
        entry.write(place)
    return _result(reading, found, output, begin, config.vocab_size)


def _result(
    reading: Reading, found: Audit, output: str, begin: float, rows: int | None = None
) -> Converted:
    words = reading.weights.get(WORDS)
    have = 0 if words is None else words.shape[0]
    seconds = time.perf_counter() - begin
    return Converted(
        reading.form, found.architecture, output, reading.step, have if rows is None else rows,
        reading.rows, found.missing, seconds,
    )  # fmt: skip


def _vocab(reading: Reading, wishes: Wishes) -> bytes | None:
    beside = reading.folder / formats.VOCAB
    path = wishes.vocab or (str(beside) if beside.is_file() else None)
    if path is None:
        log.logger.warning("there is no %s: without --vocab, the folder has no tokenizer", beside)
        return None
    with open_binary(path) as stream:
        return stream.read()


def _tokens(vocab: bytes | None) -> int:
    return 0 if vocab is None else vocab.count(b"\n") + (not vocab.endswith(b"\n"))


def _resized(
    reading: Reading, config: BertConfig, wishes: Wishes, vocab: bytes | None
) -> tuple[Reading, BertConfig]:
    """Rows added to or cut from the vocabulary, in weights and moments."""
    if WORDS not in reading.weights:
        return reading, config
    have = reading.weights[WORDS].shape[0]
    rows = wishes.vocab_size or have
    rows = rounded(rows, wishes.pad_vocab or (8 if wishes.to == "nvidia" else 1))
    tokens = _tokens(vocab)
    if tokens > rows:
        raise ConfigError(
            f"the vocabulary has {tokens:,} tokens, the word embedding {rows:,} rows",
            "give the vocabulary that the checkpoint was made with",
        )
    require_safe_cut(reading.weights, rows, tokens)
    moments = reading.moments
    if moments:
        kinds = {kind for values in moments.values() for kind in values}
        turned = {
            kind: resize({n: v[kind] for n, v in moments.items() if kind in v}, rows, 0.0)
            for kind in kinds
        }
        moments = {n: {k: turned[k][n] for k in v} for n, v in moments.items()}
    weights = resize(reading.weights, rows)
    return replace(reading, weights=weights, moments=moments), replace(config, vocab_size=rows)


def _plan(
    reading: Reading, config: BertConfig, wishes: Wishes, vocab: bytes | None
) -> manifest.Manifest:
    settings: dict[str, Any] = {
        "to": wishes.to, "form": reading.form, "model": as_dict(config),
        "lower_case": wishes.lower_case, "tokens": _tokens(vocab),
        "keep_optimizer": wishes.keep_optimizer, "license": wishes.license_name,
        "data_license": wishes.data_license,
    }  # fmt: skip
    files = _files_of(reading)
    return manifest.Manifest("convert", settings, manifest.describe_inputs(files))


def _files_of(reading: Reading) -> list[str]:
    """The files that hold the weights."""
    place = reading.place
    if place.is_file():
        return [str(place)]
    if place.is_dir():
        state = (".pt",) if reading.moments else ()
        kinds = (".safetensors", ".bin", ".index.json", "config.json", *state)
        found = [path for path in place.iterdir() if path.name.endswith(kinds)]
    else:
        found = [
            path
            for path in place.parent.iterdir()
            if path.name.startswith((f"{place.name}.data-", f"{place.name}.index"))
        ]
    return sorted(map(str, found))


def _write(
    place: Path, entry: manifest.Manifest, reading: Reading, config: BertConfig, found: Audit,
    wishes: Wishes, vocab: bytes | None,
) -> None:  # fmt: skip
    weights = {name: value.contiguous() for name, value in reading.weights.items()}
    if wishes.to == "nvidia":
        step = reading.step or 0
        nvidia.write(place / f"ckpt_{step}.pt", weights, reading.moments, step)
        config.to_file(place / "bert_config.json", found.architecture)
    else:
        _write_hf(place, weights, reading, config, found.architecture, wishes, vocab)
    if vocab is not None:
        with atomic_write(place / formats.VOCAB) as stream:
            stream.write(vocab)
    for path in sorted(place.iterdir()):
        if path.is_file() and path.name != manifest.NAME and not path.name.startswith("."):
            size, digest = path.stat().st_size, sha256_of(path)
            entry.outputs[path.name] = {"bytes": size, "sha256": digest}
    entry.stats = {"tensors": len(weights), "architecture": found.architecture}


def _write_hf(
    place: Path, weights: Mapping[str, Tensor], reading: Reading, config: BertConfig,
    architecture: str, wishes: Wishes, vocab: bytes | None,
) -> None:  # fmt: skip
    from safetensors.torch import save_file

    with atomic_write(place / WEIGHTS) as stream:
        save_file(dict(weights), stream.name, metadata={"format": "pt"})
    config.to_file(place, architecture)
    if reading.moments:
        step = torch.tensor(float(reading.step or 0))
        moments = {name: {"step": step, **values} for name, values in reading.moments.items()}
        with atomic_write(place / OPTIMIZER) as stream:
            torch.save({"optimizer": moments, "scaler": {}}, stream)
    if vocab is not None:
        tokenizer = {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": wishes.lower_case,
            "model_max_length": config.max_position_embeddings,
            **_SPECIAL,
        }
        write_text(place / "tokenizer_config.json", json.dumps(tokenizer, indent=2) + "\n")
        write_text(place / "special_tokens_map.json", json.dumps(_SPECIAL, indent=2) + "\n")
    facts = facts_beside(reading.folder, wishes.backends)
    if facts.step is None:
        facts.step = reading.step
    text = card(
        place.name, architecture, config, f"{reading.place.name} ({reading.form})", facts,
        wishes.license_name, wishes.data_license,
    )  # fmt: skip
    write_text(place / "README.md", text)
