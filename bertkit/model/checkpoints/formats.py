"""Every checkpoint form that bertkit reads: one table, one way in.

`load_weights` and `load_config` are what every command with a checkpoint uses; a folder
of `transformers` goes straight to `hf.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from bertkit import log
from bertkit.errors import ConfigError, DataError
from bertkit.files import open_binary
from bertkit.model.checkpoints import cerebras, graphcore, hf, nvidia
from bertkit.model.checkpoints.contents import WORDS, Reading, infer_config
from bertkit.model.checkpoints.tensorflow import tf1, tf2
from bertkit.model.checkpoints.tensorflow.bundle import Bundle
from bertkit.model.checkpoints.vocabulary_padding import fitted, is_rounding
from bertkit.model.config import NAME, BertConfig

VOCAB = "vocab.txt"
_INDEX = ".index"
_DATA = re.compile(r"(.+)\.data-\d{5}-of-\d{5}")
_GOOGLE_CONFIG = "bert_config.json"
# Checkpoints in a run of bertkit's, and of transformers' Trainer.
_RUN = re.compile(r"(?:step|checkpoint)-(\d+)")


@dataclass(frozen=True)
class Form:
    """A checkpoint format.

    Attributes:
        name: as in reports.
        title: for people.
        find: a path the user gave → the file, folder or prefix to read; None = not this one.
        read: sorts the tensors there; the flag asks for optimizer moments.
    """

    name: str
    title: str
    find: Callable[[Path], Path | None]
    read: Callable[[Path, bool], Reading]


def _find_hf(path: Path) -> Path | None:
    if path.is_file():
        return path if path.suffix in (".safetensors", ".bin") else None
    if _has_weights(path) or not path.is_dir():
        return path if path.is_dir() else None
    numbered = ((_RUN.fullmatch(entry.name), entry) for entry in path.iterdir())
    steps = [(int(match[1]), entry) for match, entry in numbered if match and _has_weights(entry)]
    return max(steps)[1] if steps else None


def _has_weights(folder: Path) -> bool:
    names = (hf.WEIGHTS, hf.PICKLED)
    files = [*names, *(f"{name}.index.json" for name in names)]
    return any((folder / name).is_file() for name in files)


def _find_graphcore(path: Path) -> Path | None:
    if path.is_dir() and not (path / graphcore.STATE).is_file():
        path = _newest(path, graphcore.NAME) or path
    return path if path.is_dir() and (path / graphcore.STATE).is_file() else None


def _find_bundle(path: Path) -> Path | None:
    """The prefix of a TensorFlow checkpoint: given itself, by its files, or by its folder."""
    if path.is_dir():
        return _in_folder(path)
    data = _DATA.fullmatch(path.name)
    if data:
        path = path.with_name(data[1])
    elif path.suffix == _INDEX:
        path = path.with_suffix("")
    return path if path.with_name(path.name + _INDEX).is_file() else None


def _in_folder(folder: Path) -> Path | None:
    note = folder / "checkpoint"
    if note.is_file():
        with open_binary(note) as stream:
            text = stream.read(1 << 16).decode("utf-8", "replace")
        named = re.search(r'^model_checkpoint_path: "([^"]+)"', text, re.MULTILINE)
        # The note may hold the path of another machine; only the name counts.
        if named and (folder / (Path(named[1]).name + _INDEX)).is_file():
            return folder / Path(named[1]).name
    found = sorted(folder.glob(f"*{_INDEX}"))
    if len(found) > 1:
        raise DataError(
            f"{folder} holds {len(found)} TensorFlow checkpoints:"
            f" {', '.join(path.stem for path in found[:5])}",
            f"name one, for example {found[-1].with_suffix('')}",
        )
    return found[0].with_suffix("") if found else None


def _find_nvidia(path: Path) -> Path | None:
    if path.is_dir():
        return _newest(path, nvidia.NAME)
    return path if path.is_file() and path.suffix in (".pt", ".pth") else None


def _find_cerebras(path: Path) -> Path | None:
    if path.is_dir():
        return _newest(path, cerebras.NAME)
    if not path.is_file():
        return None
    with open_binary(path) as stream:
        signature = stream.read(len(cerebras.SIGNATURE))
    return path if signature == cerebras.SIGNATURE or path.suffix == ".mdl" else None


def _newest(folder: Path, pattern: re.Pattern[str]) -> Path | None:
    """The entry of the highest number among those of a name pattern."""
    numbered = [
        (int(match[1]), path)
        for path in folder.iterdir()
        if (match := pattern.fullmatch(path.name))
    ]
    return max(numbered)[1] if numbered else None


def _read_bundle(prefix: Path, moments: bool) -> Reading:
    bundle = Bundle(prefix)
    read_names = tf2.read if tf2.GRAPH in bundle else tf1.read
    return read_names(bundle, moments)


# In the order of trial: a folder of transformers is the common case.
FORMS = (
    Form("graphcore", "Graphcore step folder", _find_graphcore, graphcore.read),
    Form("hf", "Hugging Face transformers", _find_hf, hf.read),
    Form("tf", "TensorFlow checkpoint", _find_bundle, _read_bundle),
    Form("nvidia", "NVIDIA or Habana ckpt_N.pt", _find_nvidia, nvidia.read),
    Form("cerebras", "Cerebras .mdl", _find_cerebras, cerebras.read),
)


def detect(path: str | Path) -> tuple[Form, Path] | None:
    """(format, file or folder or prefix) of a checkpoint, or None.

    Args:
        path: a folder, a file of any form, or the prefix of a TensorFlow checkpoint.

    Raises:
        DataError: a folder of several TensorFlow checkpoints and no word on which.
    """
    for form in FORMS:
        place = form.find(Path(path))
        if place is not None:
            return form, place
    return None


def read(path: str | Path, moments: bool = False) -> Reading:
    """Read a checkpoint of any form.

    Args:
        path: as for `detect`.
        moments: also take the optimizer's moments.

    Raises:
        DataError: none there, damaged, or without moments where they were asked for.
        MissingDependencyError: the format needs a package that is not installed.
    """
    found = detect(path)
    if found is None:
        raise DataError(
            f"no checkpoint at {path}",
            f"bertkit reads: {'; '.join(form.title for form in FORMS)}",
        )
    form, place = found
    return form.read(place, moments)


def load_weights(path: str | Path, vocab_size: int | None = None) -> dict[str, Tensor]:
    """The weights of a checkpoint of any form under bertkit's names, on the CPU.

    Args:
        path: as for `detect`.
        vocab_size: of the model they are for; where it differs only by the padding to a
            multiple of 8 or 64, rows are added or cut off.

    Raises:
        DataError: none there, damaged, or with tensors that nobody knows.
    """
    plain = _find_hf(Path(path))
    if plain is not None:
        weights = hf.load_weights(plain)
    else:
        reading = read(path)
        if not reading.weights:
            raise DataError(f"{path}: not a BERT checkpoint: none of its tensors has a BERT name")
        if reading.unknown:
            some = ", ".join(reading.unknown[:3])
            raise DataError(
                f"{reading.place}: {len(reading.unknown)} tensors have no place in BERT: {some}",
                "see `bertkit convert INPUT --check`, and convert it with --allow-unexpected",
            )
        weights = reading.weights
    return weights if vocab_size is None else fitted(weights, vocab_size)


def load_config(path: str | Path) -> BertConfig:
    """The shape of a checkpoint of any form.

    Raises:
        DataError, ConfigError: there is none, as for `config_of`.
    """
    if (Path(path) / NAME).is_file():
        return BertConfig.from_file(path)
    return config_of(read(path))


def config_of(reading: Reading, given: str | Path | None = None) -> BertConfig:
    """The shape of what was read: the given file, the one beside it, or its tensors' shapes.

    The vocabulary size is that of the tensors, where the file's differs by rounding only.

    Raises:
        ConfigError: the number of heads is nowhere to be found, or the file is of another
            vocabulary.
    """
    place = Path(given) if given else _config_file(reading.folder)
    if place is None and not reading.heads:
        raise ConfigError(
            f"{reading.place}: no configuration beside it, and tensors do not tell how many"
            " attention heads there are",
            f"put its {_GOOGLE_CONFIG} beside it, or give `bertkit convert --model-config FILE`",
        )
    if place is None:
        log.logger.warning(
            "%s: no configuration beside it: sizes are those of its tensors, gelu and"
            " dropout 0.1 are assumed", reading.place,
        )  # fmt: skip
        return infer_config(reading.weights, reading.heads, reading.place)
    config = BertConfig.from_file(place)
    words = reading.weights.get(WORDS)
    rows = config.vocab_size if words is None else words.shape[0]
    if not (is_rounding(rows, config.vocab_size) or is_rounding(config.vocab_size, rows)):
        raise ConfigError(
            f"{place}: vocab_size {config.vocab_size:,}, but the word embedding of"
            f" {reading.place} has {rows:,} rows",
            "give the configuration the checkpoint was made with",
        )
    return replace(config, vocab_size=rows)


def _config_file(folder: Path) -> Path | None:
    for name in (NAME, _GOOGLE_CONFIG):
        if (folder / name).is_file():
            return folder / name
    others = sorted(folder.glob(f"*{_GOOGLE_CONFIG}"))
    return others[0] if len(others) == 1 else None


def vocab_beside(path: str | Path) -> Path:
    """Where the vocabulary of a checkpoint lies, if it has one."""
    found = detect(path)
    place = found[1] if found else Path(path)
    return (place if place.is_dir() else place.parent) / VOCAB
