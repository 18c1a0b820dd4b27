"""Loads a checkpoint of any format into a model, with its configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from bertkit import log
from bertkit.errors import ConfigError, DataError, shortened
from bertkit.kinds.misplaced import refuse_misplaced
from bertkit.kinds.recognise import CHECKPOINT
from bertkit.model.checkpoints import formats, hf
from bertkit.model.checkpoints.contents import CheckpointContents, infer_config
from bertkit.model.checkpoints.finite import require_finite
from bertkit.model.checkpoints.purpose import head_of, purpose_of
from bertkit.model.checkpoints.vocabulary_padding import fitted, is_rounding
from bertkit.model.config import NAME, RATES, BertConfig, read_config
from bertkit.model.model_types import require_bert, type_of_config, type_of_tensors
from bertkit.model.parameter_names import ENCODER_PREFIX, WORD_EMBEDDINGS, is_parameter
from bertkit.tokenization.vocabulary import vocab_in

_GOOGLE_CONFIG = "bert_config.json"


@dataclass
class LoadReport:
    """What `load_into` did.

    Attributes:
        loaded: parameters that got the value of a tensor.
        missing: parameters that kept the value they had.
        unexpected: tensors that have no place in the model.
    """

    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)


def read(path: str | Path, moments: bool = False) -> CheckpointContents:
    """Read a checkpoint of any format.

    Args:
        path: as for `formats.detect`.
        moments: also take the optimizer's moments.

    Raises:
        DataError: none there, damaged, or without moments where they were asked for.
        ConfigError: a model that is not BERT; names it.
        MissingDependencyError: the format needs a package that is not installed.
    """
    found = formats.detect(path)
    if found is None:
        refuse_misplaced(path, CHECKPOINT)
        titles = "; ".join(row.title for row in formats.all_formats())
        raise DataError(f"no checkpoint at {path}", f"bertkit reads: {titles}")
    row, place = found
    refuse_other_models(place)
    contents = row.load().read(place, moments)
    require_bert(type_of_tensors(contents.unknown), place)
    return contents


def load_weights(path: str | Path, vocab_size: int | None = None) -> dict[str, Tensor]:
    """The weights of a checkpoint of any format under bertkit's names, on the CPU.

    Args:
        path: as for `formats.detect`.
        vocab_size: of the model they are for; where it differs only by the padding to a
            multiple of 8, 64 or 128, rows are added or cut off.

    Raises:
        DataError: none there, damaged, with tensors that are no parameters of BERT, or with
            values that are not finite.
    """
    # The common case; what transformers leaves out when loading is left out here, too.
    plain = hf.find(Path(path))
    if plain is not None:
        refuse_other_models(plain)
        weights = hf.load_weights(plain)
        require_bert(type_of_tensors(name for name in weights if not is_parameter(name)), plain)
    else:
        contents = read(path)
        if not contents.weights:
            raise DataError(f"{path}: not a BERT checkpoint: none of its tensors has a BERT name")
        if contents.unknown:
            some = ", ".join(contents.unknown[:3])
            raise DataError(
                f"{contents.path}: {len(contents.unknown)} tensors have no place in BERT: {some}",
                "see `bertkit convert INPUT --check`, and convert it with --allow-unexpected",
            )
        weights = contents.weights
    require_finite(weights, path)
    return weights if vocab_size is None else fitted(weights, vocab_size)


def load_own_weights(path: Path, vocab_size: int) -> dict[str, Tensor]:
    """The weights of a run's own checkpoint, of whatever model, under the names it gave them.

    Args:
        path: folder of the checkpoint.
        vocab_size: as for `load_weights`.

    Raises:
        DataError: none there, damaged, or with values that are not finite.
    """
    weights = hf.read_tensors(path)
    require_finite(weights, path)
    return fitted(weights, vocab_size)


def load_config(path: str | Path, given: str | Path | None = None) -> BertConfig:
    """The shape of a checkpoint of any format.

    Args:
        path: as for `formats.detect`.
        given: a file with the shape, where none lies beside the checkpoint.

    Raises:
        DataError, ConfigError: there is none, as for `config_of`; or the two differ.
    """
    beside = config_beside(path)
    if beside and beside.name == NAME and place_of(path).is_dir():
        own = BertConfig.from_file(beside)
        _require_agreeing(own, given, path)
        return own
    return config_of(read(path), given)


def differences(first: BertConfig, second: BertConfig) -> list[str]:
    """The sizes in which two configurations differ, one text each.

    Rates of dropout and the drawing of new weights do not decide whether weights fit, nor does
    the form of GELU, of which checkpoints are used with either.
    """
    texts = []
    for item in fields(BertConfig):
        one, other = getattr(first, item.name), getattr(second, item.name)
        alike = one == other or {one, other} == {"gelu", "gelu_new"}
        if item.name == "vocab_size":
            alike = is_rounding(one, other) or is_rounding(other, one)
        if item.name not in RATES and not alike:
            texts.append(f"{item.name} {one}, given {other}")
    return texts


def _require_agreeing(own: BertConfig, given: str | Path | None, path: object) -> None:
    changes = differences(own, BertConfig.from_file(given)) if given else []
    if changes:
        raise ConfigError(
            f"--model-config {given} is not of {path}: {'; '.join(changes)}",
            "leave it out: the configuration beside the checkpoint is read",
        )


def config_of(contents: CheckpointContents, given: str | Path | None = None) -> BertConfig:
    """The shape of a checkpoint: the file beside it, the given one, or its tensors' shapes.

    The vocabulary size is that of the tensors, where the file's differs by rounding only.

    Raises:
        DataError: there is no encoder.
        ConfigError: the number of heads is nowhere to be found, the file is of another
            vocabulary, or the two files differ.
    """
    if not any(name.startswith(ENCODER_PREFIX) for name in contents.weights):
        others = shortened(contents.unknown or list(contents.weights)) or "nothing"
        raise DataError(
            f"{contents.path} holds no tensor of a BERT encoder, but {others}",
            "is it another kind of model, or does it name its tensors otherwise?",
        )
    beside = config_beside(contents.path)
    place = beside or (Path(given) if given else None)
    if place is None and not contents.heads:
        raise ConfigError(
            f"{contents.path}: no configuration beside it, and tensors do not show how many"
            " attention heads there are",
            f"put its {_GOOGLE_CONFIG} beside it, or give --model-config FILE",
        )
    if place is None:
        log.logger.warning(
            "%s: no configuration beside it: sizes are those of its tensors, gelu and"
            " dropout 0.1 are assumed",
            contents.path,
        )
        return infer_config(contents.weights, contents.heads, contents.path)
    config = BertConfig.from_file(place)
    _require_agreeing(config, given, contents.path)
    words = contents.weights.get(WORD_EMBEDDINGS)
    rows = config.vocab_size if words is None else words.shape[0]
    if not (is_rounding(rows, config.vocab_size) or is_rounding(config.vocab_size, rows)):
        raise ConfigError(
            f"{place}: vocab_size {config.vocab_size:,}, but the word embedding of"
            f" {contents.path} has {rows:,} rows",
            "give the configuration the checkpoint was made with",
        )
    return replace(config, vocab_size=rows)


def refuse_other_models(place: Path) -> None:
    """Refuse what the configuration beside a checkpoint says not to be BERT.

    Raises:
        ConfigError: names the model.
    """
    file = config_beside(place)
    if file is not None:
        require_bert(type_of_config(read_config(file)), place)


def config_beside(path: str | Path) -> Path | None:
    """The configuration of a checkpoint, under any of its names; None without one.

    It lies in the same folder, or Google's in the folder above, as MLPerf has it.
    """
    folder = folder_of(path)
    above = (folder.parent / _GOOGLE_CONFIG,)
    others = sorted(folder.glob(f"*{_GOOGLE_CONFIG}"))
    named = (folder / NAME, folder / _GOOGLE_CONFIG, *(others if len(others) == 1 else ()), *above)
    return next((file for file in named if file.is_file()), None)


def head_dropout_of(path: str | Path) -> float | None:
    """The dropout that a checkpoint's configuration wants before a classifier; None: none said."""
    config = config_beside(path)
    rate = read_config(config).get("classifier_dropout") if config else None
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < 1:
        return None
    return float(rate)


def vocab_beside(path: str | Path) -> Path | None:
    """The vocabulary of a checkpoint: beside it, or beside its configuration; None without one."""
    config = config_beside(path)
    folders = (folder_of(path), *([config.parent] if config else ()))
    return next((found for folder in folders if (found := vocab_in(folder))), None)


def place_of(path: str | Path) -> Path:
    """What is read of a checkpoint or a run: a folder, a file or a prefix."""
    found = formats.detect(path)
    return found[1] if found else Path(path)


def folder_of(path: str | Path) -> Path:
    """The folder that a checkpoint lies in."""
    place = place_of(path)
    return place if place.is_dir() else place.parent


def load_into(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    allow_missing: Sequence[str] = (),
    allow_unexpected: Sequence[str] = (),
    source: str = "the checkpoint",
) -> LoadReport:
    """Copy weights into a model, all or nothing.

    Args:
        model: any module of `bertkit.model`.
        weights: as `load_weights` returns them.
        allow_missing: prefixes of parameters that may keep their value, such as `qa_outputs.`.
        allow_unexpected: prefixes of tensors that may be left out, such as `cls.`.
        source: what to call the weights in messages.

    Raises:
        ConfigError: tensors are missing, surplus or of other shapes; lists them.
    """
    targets = model.state_dict()
    report = LoadReport(
        loaded=[name for name in targets if name in weights],
        missing=[name for name in targets if name not in weights],
        unexpected=[name for name in weights if name not in targets],
    )
    problems = _shape_problems(targets, weights, report.loaded)
    missing = [name for name in report.missing if not name.startswith(tuple(allow_missing))]
    surplus = [name for name in report.unexpected if not name.startswith(tuple(allow_unexpected))]
    if missing:
        problems.append(f"{len(missing)} tensors are missing: {shortened(missing)}")
    if surplus:
        problems.append(f"{len(surplus)} tensors have no place: {shortened(surplus)}")
    if problems:
        purpose = purpose_of(weights)
        if missing and purpose and not any(name.startswith(purpose.prefix) for name in targets):
            raise ConfigError(
                f"{source} is a model {purpose.words}: it has no {head_of(missing)}",
                purpose.hint,
            )
        raise ConfigError(
            f"{source} does not fit the model: {'; '.join(problems)}",
            "give the configuration the checkpoint was made with",
        )
    with torch.no_grad():
        for name in report.loaded:
            targets[name].copy_(weights[name])
    return report


def _shape_problems(
    targets: Mapping[str, Tensor], weights: Mapping[str, Tensor], names: Sequence[str]
) -> list[str]:
    wrong = [name for name in names if targets[name].shape != weights[name].shape]
    problems = []
    if WORD_EMBEDDINGS in wrong:
        theirs, ours = weights[WORD_EMBEDDINGS].shape, targets[WORD_EMBEDDINGS].shape
        problems.append(
            f"its vocabulary has {theirs[0]:,} rows of {theirs[1]}, "
            f"the model's has {ours[0]:,} of {ours[1]}"
        )
    texts = [
        f"{name} is {list(weights[name].shape)}, not {list(targets[name].shape)}"
        for name in wrong
        if name != WORD_EMBEDDINGS
    ]
    if texts:
        problems.append(
            f"{len(texts)} other shapes: {shortened(texts)}" if problems else shortened(texts)
        )
    return problems
