"""Inputs that somebody made to harm: files elsewhere stay, time and memory are bounded."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from soak.campaign import Campaign, Outcome
from soak.children import run_words
from soak.trees import remove

_EXTRACT = "extract -i {} -o out --workers 1"
_INSPECT = "inspect {}"
_PICK = "pick-eval -i {} -o out --count 5"
_CONFIG = "pretrain --config {} --input rec --vocab vocab.txt --output out --max-steps 1"
Make = Callable[[Path], None]


def _text(name: str, text: str | bytes) -> Make:
    def make(case: Path) -> None:
        (case / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    return make


def _laughs() -> str:
    rest = (f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12))
    return "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x, x]", *rest])


def _manifest(outputs: dict, state: str = "complete") -> Make:
    def make(case: Path) -> None:
        values = {
            "command": "split",
            "config": {},
            "inputs": [],
            "outputs": outputs,
            "stats": {},
            "state": state,
            "versions": {},
        }
        (case / "out").mkdir()
        text = json.dumps(values).replace("CASE", str(case))
        (case / "out" / "manifest.json").write_text(text)

    return make


def _tar(*members: tarfile.TarInfo) -> Make:
    def make(case: Path) -> None:
        with tarfile.open(case / "a.tar", "w") as archive:
            for member in members:
                archive.addfile(member, io.BytesIO(b"x" * member.size) if member.isreg() else None)

    return make


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size = kind, link, size
    return entry


def _bomb(case: Path) -> None:
    with gzip.open(case / "a.txt.gz", "wb") as stream:
        for _ in range(1000):
            stream.write(bytes(1 << 20))


def _zip_bomb(case: Path) -> None:
    with (
        zipfile.ZipFile(case / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.txt", "w", force_zip64=True) as stream,
    ):
        for _ in range(1000):
            stream.write(bytes(1 << 20))


def _hdf5(make_dataset: Callable) -> Make:
    def make(case: Path) -> None:
        import h5py
        import numpy as np

        with h5py.File(case / "a.hdf5", "w") as file:
            for name, width in (("input_ids", 16), ("input_mask", 16), ("segment_ids", 16),
                                ("masked_lm_positions", 3), ("masked_lm_ids", 3),
                                ("next_sentence_labels", 0)):  # fmt: skip
                if name == "input_ids":
                    make_dataset(h5py, file)
                else:
                    shape = (len(file["input_ids"]), width) if width else (len(file["input_ids"]),)
                    if shape[0] > 1000:
                        file.create_dataset(name, shape, "i4", chunks=True, compression="gzip")
                    else:
                        file[name] = np.zeros(shape, "i4")

    return make


def _external(h5py, file) -> None:
    file.create_dataset("input_ids", (6, 16), "i4", external=[("/etc/passwd", 0, 384)])


def _absurd(h5py, file) -> None:
    file.create_dataset("input_ids", (2**40, 16), "i4", chunks=(1, 16), compression="gzip")


class _Touches:
    def __reduce__(self):
        return Path.touch, (Path("owned"),)


def _both(*makers: Make) -> Make:
    def make(case: Path) -> None:
        for maker in makers:
            maker(case)

    return make


def _run(case: Path) -> None:
    shutil.copytree(case / "run0", case / "run")


def _pickle(name: str) -> Make:
    def make(case: Path) -> None:
        (case / name).parent.mkdir(parents=True, exist_ok=True)
        (case / name).write_bytes(pickle.dumps({"model": _Touches()}, protocol=2))

    return make


def _xml(body: str) -> str:
    title = f"<title-group><article-title>{body}</article-title></title-group>"
    front = f"<front><article-meta>{title}</article-meta></front>"
    return f"<?xml version='1.0'?><article>{front}</article>"


_ENTITIES = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
_LAUGHING = (
    f'<?xml version="1.0"?><!DOCTYPE article [<!ENTITY a0 "lol">{_ENTITIES}]>'
    "<article><front>&a11;</front></article>"
)
_AGAIN = "split -i docs -o out --valid 0.2 --overwrite"
SET: list[tuple[str, str, Make]] = [
    ("YAML aliases", _CONFIG.format("a.yaml"), _text("a.yaml", _laughs())),
    ("YAML depth", _CONFIG.format("a.yaml"), _text("a.yaml", "a: " + "[" * 5000)),
    (
        "YAML code",
        _CONFIG.format("a.yaml"),
        _text("a.yaml", "a: !!python/object/apply:os.mkdir [owned]"),
    ),
    ("JSON depth", _CONFIG.format("a.json"), _text("a.json", "[" * 100_000)),
    ("manifest ../", _AGAIN, _manifest({"../canary": {"bytes": 6}})),
    ("manifest absolute", _AGAIN, _manifest({"CASE/canary": {"bytes": 6}})),
    ("manifest of a folder", _AGAIN, _manifest({"..": {"bytes": 6}})),
    (
        "manifest, unfinished",
        "split -i docs -o out --valid 0.2",
        _manifest({"../canary": {}}, "incomplete"),
    ),
    (
        "tar ../",
        _EXTRACT.format("a.tar"),
        _tar(_member("../owned", size=9), _member("/tmp/owned", size=9)),
    ),
    (
        "tar links",
        _EXTRACT.format("a.tar"),
        _tar(
            _member("a", tarfile.SYMTYPE, "/etc/passwd"),
            _member("b", tarfile.FIFOTYPE),
            _member("c", tarfile.CHRTYPE),
        ),
    ),
    ("gzip bomb", _EXTRACT.format("a.txt.gz"), _bomb),
    ("zip bomb", _EXTRACT.format("a.zip"), _zip_bomb),
    ("a sign 100,000 times", _EXTRACT.format("a.txt"), _text("a.txt", "=" * 100_000 + " end.\n")),
    (
        "signs mixed",
        _EXTRACT.format("a.txt"),
        _text("a.txt", "=-" * 50_000 + "*.!?" * 20_000 + " end.\n"),
    ),
    ("a word of 3,000,000", _EXTRACT.format("a.txt"), _text("a.txt", "a" * 3_000_000 + " end.\n")),
    (
        "XML depth",
        _EXTRACT.format("a.nxml"),
        _text("a.nxml", _xml("<sub>" * 50_000 + "x" + "</sub>" * 50_000)),
    ),
    ("XML entities", _EXTRACT.format("a.nxml"), _text("a.nxml", _LAUGHING)),
    ("HDF5 external storage", _INSPECT.format("a.hdf5"), _hdf5(_external)),
    ("HDF5 absurd shape", _PICK.format("a.hdf5"), _hdf5(_absurd)),
    ("HDF5 absurd shape, inspect", _INSPECT.format("a.hdf5"), _hdf5(_absurd)),
    (
        "pickle .bin",
        "convert m -o out",
        _both(_pickle("m/pytorch_model.bin"), _text("m/config.json", "{}")),
    ),
    (
        "pickle .pt",
        "convert m -o out",
        _both(_pickle("m/ckpt_1.pt"), _text("m/bert_config.json", "{}")),
    ),
    (
        "metrics of strings",
        "report run -o out.html",
        _both(_run, _text("run/metrics.jsonl", '{"kind":"train","step":"<script>","loss":[1]}\n')),
    ),
    (
        "metrics depth",
        "report run -o out.html",
        _both(_run, _text("run/metrics.jsonl", "[" * 100_000 + "\n")),
    ),
]


def run(campaign: Campaign, names: str = "") -> None:
    """All of the set."""
    for name, line, make in SET:
        if name.startswith(tuple(names.split(","))):
            campaign.group(
                "hostile", name, lambda n=name, w=line, m=make: _one(campaign, n, w.split(), m)
            )


_FIXTURES = (("rec", "rec"), ("vocab.txt", "vocab.txt"), ("docs", "docs"), ("run0", "run"))


def _one(campaign: Campaign, name: str, words: list[str], make: Make) -> Outcome:
    outcome = Outcome()
    import torch  # noqa: F401 - loaded once for all forks

    case = campaign.place("case")
    for link, source in _FIXTURES:
        (case / link).symlink_to(campaign.fixtures / source)
    (case / "canary").write_text("canary")
    make(case)
    result = run_words(words, case, campaign.scratch / "log")
    problems = [result.fault] if result.fault else []
    if result.status not in (0, 1, 2, 3):
        problems.append(f"status {result.status}: {result.text.strip()[-200:]!r}")
    if result.status and not result.one_error:
        problems.append(f"not one error: {result.text.strip()[-200:]!r}")
    if (case / "canary").read_text() != "canary":
        problems.append("a file elsewhere was changed")
    if any(case.rglob("owned")) or Path("/tmp/owned").exists():
        problems.append("code or a path of the input was followed")
    if "root:x:" in result.text or "876247098" in result.text:
        problems.append("another file was read")
    outcome.note([f"{name}: {text}" for text in problems], f"status {result.status}")
    outcome.counts["MB"] = result.megabytes
    remove(case)
    return outcome
