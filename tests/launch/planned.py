"""A launched command as the `launch` command plans it, for the tests of this folder."""

from __future__ import annotations

from typing import Any

import yaml

from bertkit.cli import main_group
from bertkit.commands.launch import read_settings
from bertkit.launch.launch import plan

TRAIN = (
    "pretrain", "--preset", "large-phase1", "--input", "/data/128", "--output", "/out",
    "--global-batch-size", "65536", "--micro-batch-size", "64", "--lr", "0.006",
    "--max-steps", "7038",
)  # fmt: skip


def settings_of(*words: str) -> Any:
    """What a bertkit command line sets, by the command's own parser."""
    return read_settings(main_group.make_context("bertkit", ["launch"]), words)


def planned(kind: str, words: tuple[str, ...], **given: Any) -> str:
    """The text that starts a command."""
    return plan(kind, words, settings=settings_of(*words), **given)


def kubernetes(words=TRAIN, **changes):
    given = {"backend": "hpu", "devices": 8, "image": "registry/bertkit:1", "mount": ("/d:/data",)}
    return yaml.safe_load(planned("kubernetes", words, **{**given, **changes}))


def as_kubernetes_reads(text, **variables):
    """Arguments as a container gets them: third_party/forked/golang/expansion of Kubernetes."""
    out, place = "", 0
    while place < len(text):
        rest = text[place:]
        end = rest.find(")")
        if rest.startswith("$$"):
            out, place = out + "$", place + 2
        elif rest.startswith("$(") and end > 0:
            name = rest[2:end]
            out, place = out + variables.get(name, f"$({name})"), place + end + 1
        else:
            out, place = out + rest[0], place + 1
    return out
