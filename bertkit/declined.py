"""Says in one sentence what bertkit declines: other accelerators, writing to remote places."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from bertkit.errors import UsageError

# Name as people give it to --backend → whose devices they are, and the backend that drives them.
_ACCELERATORS = {
    "tpu": ("Google's TPUs", ""),
    "xla": ("Google's TPUs", ""),
    "mps": ("Apple's GPUs", "accel"),
    "metal": ("Apple's GPUs", "accel"),
    "xpu": ("Intel's GPUs", "accel"),
    "oneapi": ("Intel's GPUs", "accel"),
    "rocm": ("AMD's GPUs", "cuda"),
    "hip": ("AMD's GPUs", "cuda"),
    "npu": ("Huawei's NPUs", "accel"),
    "ascend": ("Huawei's NPUs", "accel"),
    "neuron": ("AWS Trainium", "accel"),
    "trainium": ("AWS Trainium", "accel"),
    "inferentia": ("AWS Inferentia", ""),
}
# How the build of PyTorch that is needed has a device.
_WAYS = {
    "accel": "with a PyTorch that has them as its accelerator",
    "cuda": "with a ROCm build of PyTorch, which calls them cuda",
}
_TPU_FLAG = re.compile(r"--(?:(?:no-)?use-tpu|tpu(?:-\w+)*|num-tpu-cores|gcp-project)")
# Commands whose --output may be a URL.
_REMOTE_OUTPUT = ("extract", "split")


def accelerator(name: str) -> str:
    """The sentence that declines an accelerator, or names its backend; empty for any other name."""
    devices, backend = _ACCELERATORS.get(name.lower(), ("", ""))
    if backend:
        return f"{devices} are driven by --backend {backend}, {_WAYS[backend]}"
    if not devices:
        return ""
    return (
        f"bertkit does not run on {devices}; it runs on NVIDIA's and AMD's GPUs (cuda), Intel Gaudi"
        " (hpu), Graphcore's IPUs (ipu), Cerebras systems (cs), processors (cpu), and what else"
        " PyTorch has as its accelerator (accel)"
    )


def require_supported(command: str, words: Sequence[str]) -> None:
    """Refuse flags that ask a command for what it declines.

    Args:
        command: of bertkit.
        words: its arguments.

    Raises:
        UsageError: they ask for a TPU, or for an output where the command cannot write.
    """
    output = ""
    for word, following in itertools.zip_longest(words, words[1:], fillvalue=""):
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if _TPU_FLAG.fullmatch(name.replace("_", "-")):
            raise UsageError(f"{accelerator('tpu')}; leave out {name}")
        if name in ("--output", "-o"):
            output = value if equals else following
    if "://" in output and command not in _REMOTE_OUTPUT:
        raise UsageError(remote_output(output, command))


def remote_output(place: str, command: str = "") -> str:
    """What is wrong with a URL as the place to write."""
    who = f"bertkit {command}" if command else "a run"
    return f"--output {place}: {who} writes to a local disk only; copy the folder there afterwards"
