"""Write the plans in docs/backends.md: what --dry-run says for every preset on every backend.

Run: python docs/backends.py [--check]

The head of the page, up to the line of dashes, is written by hand. The plans are made on
records of the built-in sample; what differs from machine to machine is left out.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from pathlib import Path

import torch

from bertkit import log
from bertkit.backends import registry
from bertkit.backends.torch import compiled, cpu
from bertkit.cli import main as bertkit
from bertkit.tasks.registry import presets_of

PAGE = Path(__file__).with_name("backends.md")
LINE = "\n---\n"
VOCAB = "bertkit-uncased-8k"
# What a machine asks to be told, beyond the preset.
NEEDS = {
    "hpu": "--optimizer nvlamb",
    "ipu": "--precision fp16 --optimizer max_weight_norm --max-grad-norm 0",
    "cs": "--precision bf16 --optimizer adamw",
}
_MACHINE = re.compile(r" \(this machine has [^)]*\)")


def plans() -> str:
    """The generated part of the page."""
    parts = []
    # A machine with a GPU has what compiles for it, and on most processors bf16 does not pay.
    compiled.can_compile = lambda: True
    cpu.bf16_pays = lambda: False
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            _records()
            for preset in presets_of("pretrain"):
                parts.append(f"## {preset}\n")
                for backend in sorted(registry.names(), key="cpu".__ne__):
                    parts += _plan(preset, backend)
        finally:
            os.chdir(before)
    return "\n".join(parts)


def _records() -> None:
    for words in (
        "download sample --output sample",
        "extract --input sample/text --form text --output text",
        f"make-records --input text --vocab {VOCAB} --msl 128 --dupe-factor 1 --output 128",
        f"make-records --input text --vocab {VOCAB} --msl 512 --dupe-factor 1 --output 512",
    ):
        status, text = _run([*words.split(), "-q"])
        if status:
            raise SystemExit(f"{words}: {text}")


def _plan(preset: str, backend: str) -> list[str]:
    """The plan as the preset is; where the machine refuses it, also one that it takes."""
    length = 512 if preset.endswith("phase2") or preset == "mlperf" else 128
    words = [
        *f"pretrain --preset {preset} --backend {backend}".split(),
        *f"--input {length} --vocab {VOCAB} --output run --dry-run --no-mock".split(),
    ]
    if preset == "mlperf":  # it says how often to evaluate, and up to which accuracy
        words += ["--eval-input", str(length)]
    status, text = _run(words)
    parts = [_block(words, text)]
    if status:
        words += NEEDS.get(backend, "").split()
        parts.append(_block(words, _run(words)[1]))
    return parts


def _run(words: list[str]) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        log.setup(0)
        status = bertkit(words)
    lines = out.getvalue().splitlines()
    plan = [line for line in lines if not line.endswith(" default")]
    told = [line for line in err.getvalue().splitlines() if line.startswith(("Error", "Hint"))]
    return status, "\n".join(_MACHINE.sub("", line).rstrip() for line in (*told, *plan))


def _block(words: list[str], text: str) -> str:
    return f"```text\n$ bertkit {' '.join(words)}\n{text}\n```\n"


def main() -> int:
    """Write the page, or say whether it is up to date."""
    os.environ["COLUMNS"] = "100"
    head = PAGE.read_text(encoding="utf-8").partition(LINE)[0]
    text = f"{head}{LINE}\n{plans()}"
    if "--check" in sys.argv[1:]:
        if PAGE.read_text(encoding="utf-8") == text:
            return 0
        sys.stderr.write("docs/backends.md is out of date: run `make docs`\n")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
