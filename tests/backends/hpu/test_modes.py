"""The mode of a Gaudi stack by its release, its environment and the settings."""

from __future__ import annotations

import sys

import pytest

from backends.hpu import gaudi
from bertkit.backends.hpu import modes
from bertkit.backends.hpu.adapter import HpuAdapter
from bertkit.backends.hpu.options import HpuOptions
from bertkit.errors import ConfigError


# Release → mode where nothing is said, value of the variable for eager mode, autograd compiled in
# compile mode: lazy was the default until 1.20, "2" was eager until 1.13, and run_pretraining.py
# of 1.23 turns compiled autograd on.
@pytest.mark.parametrize(
    ("release", "mode", "eager", "autograd"),
    [
        ((1, 11), "lazy", "2", False),
        ((1, 13), "lazy", "2", False),
        ((1, 19), "lazy", "0", False),
        ((1, 21), "compile", "0", False),
        ((1, 23), "compile", "0", True),
        (None, "lazy", "0", False),
    ],
)
def test_a_release_decides(release, mode, eager, autograd):
    assert modes.decided(HpuOptions(), release, {}).mode == mode
    assert modes.variable_of("eager", release) == eager
    assert modes.variable_of("lazy", release) == "1"
    assert modes.variable_of("compile", release) == "0"
    compiled = modes.decided(HpuOptions(mode="compile"), release, {})
    assert compiled.compiled_autograd is autograd


@pytest.mark.parametrize(
    ("options", "value", "mode"),
    [
        ({}, "1", "lazy"),
        ({}, "0", "compile"),
        ({}, "2", "eager"),
        ({"graphs": True}, "0", "lazy"),
        ({"compiled_autograd": True}, "1", "compile"),
        ({"mode": "eager"}, "1", "eager"),
    ],
)
def test_settings_come_before_the_environment(options, value, mode):
    found = modes.decided(HpuOptions(**options), (1, 19), {"PT_HPU_LAZY_MODE": value})
    assert found.mode == mode


def test_zero_was_no_mode_before_1_14():
    assert modes.decided(HpuOptions(), (1, 11), {"PT_HPU_LAZY_MODE": "0"}).mode == "lazy"


@pytest.mark.parametrize(
    ("text", "release"), [("1.23.0.695", (1, 23)), ("1.9", (1, 9)), ("", None), ("x", None)]
)
def test_the_release_is_that_of_the_package(monkeypatch, text, release):
    monkeypatch.setattr(modes, "version", lambda: text)
    assert modes.release() == release


@pytest.mark.parametrize(
    ("release", "refused"), [((1, 23), ["lazy"]), ((1, 19), ["eager", "compile"])]
)
def test_a_package_that_torch_has_loaded_is_in_its_default_mode(monkeypatch, release, refused):
    """torch imports the package before bertkit can set the variable."""
    monkeypatch.setattr(modes, "release", lambda: release)
    monkeypatch.setitem(sys.modules, "habana_frameworks.torch", object())
    monkeypatch.delenv("PT_HPU_LAZY_MODE", raising=False)
    from bertkit.backends.hpu import adapter

    for mode in ("auto", "lazy", "eager", "compile"):
        monkeypatch.delenv("PT_HPU_LAZY_MODE", raising=False)
        options = modes.decided(HpuOptions(mode=mode), release)
        if mode in refused:
            with pytest.raises(ConfigError, match=r"its default, [01]"):
                adapter.set_environment(options)
        else:
            adapter.set_environment(options)


def test_an_old_stack_gets_the_old_value(monkeypatch):
    import os

    with gaudi.machine():
        monkeypatch.setattr(modes, "version", lambda: "1.11.0.587")
        adapter = HpuAdapter()
        adapter.start(HpuOptions(mode="eager"))
        assert os.environ["PT_HPU_LAZY_MODE"] == "2"
        assert "1.11.0.587" in adapter.probe().reason


def test_a_launcher_sets_the_variable(monkeypatch):
    assert modes.variables(None) == {"PT_HPU_LAZY_MODE": "0"}
    assert modes.variables(HpuOptions(mode="lazy")) == {"PT_HPU_LAZY_MODE": "1"}
    monkeypatch.setattr(modes, "version", lambda: "1.11.0")
    assert modes.variables(None) == {"PT_HPU_LAZY_MODE": "1"}
    assert modes.variables(HpuOptions(mode="eager")) == {"PT_HPU_LAZY_MODE": "2"}
