"""A small folder with a checkpoint and SQuAD's files, to carry to a machine without network.

Weights are rounded to float16, which fine-tuning starts from as well, and their high and low
bytes lie apart: so xz finds more in them (MiniLM-L6: 38 MB of 91). Used by gpu_squad.py.
"""

from __future__ import annotations

import json
import lzma
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

WEIGHTS = "model.safetensors"
NEEDED = ("config.json", "vocab.txt")
SMALL = (*NEEDED, "tokenizer_config.json", "special_tokens_map.json")
TRAIN, PREDICT = "train.json", "predict.json"
STRONG = 6 | lzma.PRESET_EXTREME  # a higher one gains nothing on weights


def pack(checkpoint: Path, train: Path, predict: Path, output: Path) -> dict[str, Any]:
    """Make the folder.

    Args:
        checkpoint: a folder with model.safetensors, config.json and vocab.txt.
        train: questions to train on, SQuAD's JSON, also under xz.
        predict: questions to answer, the same.
        output: a new folder.

    Returns:
        bytes of the folder, and the largest difference of a weight.

    Raises:
        SystemExit: a file is missing, or weights are none that float16 can hold.
    """
    checkpoint_files(checkpoint)
    output.mkdir(parents=True, exist_ok=False)
    texts = {train: output / f"{TRAIN}.xz", predict: output / f"{PREDICT}.xz"}
    with ThreadPoolExecutor(3) as pool:
        weights = pool.submit(_pack_weights, checkpoint / WEIGHTS, output / "weights.xz")
        for done in [pool.submit(_pack_text, *paths) for paths in texts.items()]:
            done.result()
        difference = weights.result()
    for name in SMALL:
        if (checkpoint / name).is_file():
            shutil.copyfile(checkpoint / name, output / name)
    size = sum(path.stat().st_size for path in output.iterdir())
    return {"bytes": size, "largest difference of a weight": difference}


def unpack(packed: Path, output: Path) -> dict[str, Path]:
    """Write what was packed into a folder.

    Returns:
        Places of `checkpoint`, `train` and `predict`.
    """
    checkpoint = output / "checkpoint"
    checkpoint.mkdir(parents=True, exist_ok=True)
    places = {"checkpoint": checkpoint, "train": output / TRAIN, "predict": output / PREDICT}
    with ThreadPoolExecutor(3) as pool:  # xz and copies leave Python's lock alone
        jobs = [
            pool.submit(unpack_text, packed / f"{place.name}.xz", place)
            for place in (places["train"], places["predict"])
        ]
        jobs.append(pool.submit(_unpack_weights, packed / "weights.xz", checkpoint / WEIGHTS))
        for done in jobs:
            done.result()
    for name in SMALL:
        if (packed / name).is_file():
            shutil.copyfile(packed / name, checkpoint / name)
    return places


def checkpoint_files(checkpoint: Path) -> None:
    """Ends the program with one line if a checkpoint lacks a file."""
    missing = [name for name in (*NEEDED, WEIGHTS) if not (checkpoint / name).is_file()]
    if missing:
        raise SystemExit(f"--init-checkpoint {checkpoint}: no {', '.join(missing)} in this folder")


def unpack_text(source: Path, output: Path) -> None:
    """Write a file whose name ends in .xz as it was before."""
    with lzma.open(source) as file, open(output, "wb") as out:
        shutil.copyfileobj(file, out)


def _pack_text(source: Path, output: Path) -> None:
    if source.suffix == ".xz":
        shutil.copyfile(source, output)
        return
    with open(source, "rb") as file, lzma.open(output, "wb", preset=STRONG) as out:
        shutil.copyfileobj(file, out)


def _pack_weights(source: Path, output: Path) -> float:
    """Float16 with bytes apart; tensors of whole numbers are left out (positions, 0 to 511)."""
    import numpy as np
    import torch
    from safetensors.torch import load_file

    kept = {name: value for name, value in load_file(source).items() if value.is_floating_point()}
    largest, halves = 0.0, []
    for name, value in kept.items():
        half = value.to(torch.float16)
        if not bool(half.isfinite().all()):
            raise SystemExit(f"{source}: {name} has numbers that float16 cannot hold")
        if half.numel():
            largest = max(largest, float((half.float() - value.float()).abs().max()))
        halves.append(half.flatten().numpy())
    names = json.dumps([[name, list(value.shape)] for name, value in kept.items()]).encode()
    planes = np.concatenate(halves).view(np.uint8).reshape(-1, 2).T
    body = len(names).to_bytes(4, "little") + names + planes.tobytes()
    output.write_bytes(lzma.compress(body, preset=STRONG))
    return largest


def _unpack_weights(source: Path, output: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    raw = lzma.decompress(source.read_bytes())
    size = int.from_bytes(raw[:4], "little")
    planes = np.frombuffer(raw, np.uint8, offset=4 + size).reshape(2, -1)
    flat = np.ascontiguousarray(planes.T).view(np.float16).ravel()
    tensors, at = {}, 0
    for name, shape in json.loads(raw[4 : 4 + size]):
        count = int(np.prod(shape, dtype=np.int64))
        tensors[name] = flat[at : at + count].astype(np.float32).reshape(shape)
        at += count
    save_file(tensors, output, metadata={"format": "pt"})
