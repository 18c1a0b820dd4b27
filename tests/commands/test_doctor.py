"""`bertkit doctor`: the same facts as text and as JSON."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata

from bertkit import __version__


def test_versions_are_those_of_this_machine(bertkit):
    found = bertkit("doctor", "--json").result
    assert (found["bertkit"], found["python"]) == (__version__, platform.python_version())
    assert found["cores"] == len(os.sched_getaffinity(0)) or sys.platform != "linux"
    for name in ("click", "numpy", "torch"):
        assert found["packages"][name]["version"] == metadata.version(name).split()[0] or (
            name == "torch"  # whose version has a build tag that metadata may lack
        )


def test_the_text_has_every_backend_and_package(bertkit):
    found = bertkit("doctor", "--json").result
    run = bertkit("doctor")
    assert run.status == 0
    rows = {words[0]: words[1] for line in run.out.splitlines() if len(words := line.split()) > 1}
    for backend in found["backends"]:
        assert rows[backend["name"]] == ("ready" if backend["present"] else "missing")
    for name, package in found["packages"].items():
        assert rows[name] == (package["version"] or "missing")
    assert "Next: bertkit download --list" in run.err


def test_quiet_leaves_the_result_alone(bertkit):
    run = bertkit("doctor", "--quiet")
    assert run.err == "" and "backend" in run.out
