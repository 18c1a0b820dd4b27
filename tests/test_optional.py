"""Optional packages: the module where it is installed, a clear error where it is not."""

from __future__ import annotations

import importlib
import sys

import pytest

from bertkit import optional
from bertkit.errors import MissingDependencyError
from bertkit.optional import require, spared


def test_an_installed_module_is_returned():
    import xml.dom.minidom

    assert require("xml.dom.minidom", "reading XML") is xml.dom.minidom


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "xml.dom.minidom", None)
    with pytest.raises(MissingDependencyError) as caught:
        require("xml.dom.minidom", "reading XML", extra="xml")
    assert caught.value.message == "the package xml is not installed, needed for reading XML"
    assert caught.value.hint == "pip install 'bertkit[xml]'"
    assert caught.value.exit_code == 4
    assert isinstance(caught.value.__cause__, ImportError)


def test_a_package_that_no_extra_brings_has_its_own_hint():
    with pytest.raises(MissingDependencyError) as caught:
        require("no_such_package_anywhere", "nothing", hint="pip install it yourself")
    assert caught.value.hint == "pip install it yourself"


def test_a_process_of_bertkits_own_spares_packages_that_another_would_import(monkeypatch):
    import colorsys

    with spared("antigravity", "colorsys"):
        assert "antigravity" not in sys.modules, "a program that uses bertkit keeps all packages"
    monkeypatch.setattr(optional, "_alone", True)
    with spared("antigravity", "colorsys"):
        with pytest.raises(ImportError):
            importlib.import_module("antigravity")
        assert importlib.import_module("colorsys") is colorsys, "imported before"
    assert "antigravity" not in sys.modules
