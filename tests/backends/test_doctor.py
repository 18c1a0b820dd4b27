import configparser
import re
from pathlib import Path

import pytest

from bertkit.backends import doctor


def test_installed_packages_and_backends_are_found():
    import torch

    found = doctor.examine()
    # A build for CUDA adds its release to the version of the package: 2.13.0+cu130.
    assert torch.__version__.startswith(found["packages"]["torch"]["version"])
    states = {entry["name"]: entry["present"] for entry in found["backends"]}
    assert states["cpu"] is True
    assert states["cuda"] is torch.cuda.is_available()
    assert found["problems"] == []
    assert found["disk_free_bytes"] > 0


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", {"surely-not-installed": "", "nor-this": "plot"})
    found = doctor.examine()
    assert found["problems"] == [
        "surely-not-installed is missing: pip install 'surely-not-installed'"
    ]
    assert found["packages"]["nor-this"]["install"] == "pip install 'bertkit[plot]'"
    assert "pip install 'bertkit[plot]'" in doctor.describe(found)


def test_a_missing_backend_says_why(bertkit):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU: the backend is not missing")
    run = bertkit("doctor")
    assert run.status == 0
    line = next(line for line in run.out.splitlines() if line.startswith("cuda"))
    assert "missing" in line
    assert "CUDA" in line


def test_data_that_packages_need_are_told(monkeypatch, tmp_path):
    nltk = pytest.importorskip("nltk")
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    found = doctor.examine()
    assert found["data"]["punkt_tab (NLTK)"]["present"] is False
    text = doctor.describe(found)
    assert "python -m nltk.downloader punkt_tab" in text
    assert "en_core_web_sm (spaCy)" in found["data"]
    monkeypatch.setattr(doctor, "_has_punkt", lambda: True)
    assert doctor.examine()["data"]["punkt_tab (NLTK)"]["present"] is True


def test_every_extra_for_users_is_reported():
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[2] / "setup.cfg", encoding="utf-8")
    extras = setup["options.extras_require"]
    wanted: dict[str, set[str]] = {}
    for extra in set(extras) - {"bench", "dev", "docs"}:
        for line in extras[extra].split():
            wanted.setdefault(re.split(r"[<>=\[]", line)[0], set()).add(extra)
    told = {name: extra for name, extra in doctor.PACKAGES.items() if extra}
    assert told.keys() == wanted.keys()
    assert all(told[name] in extras for name, extras in wanted.items())


def test_at_80_columns_commands_and_names_stay_whole(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    found = doctor.examine()
    lines = doctor.describe(found).splitlines()
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert all(name in text for name in found["packages"])
    commands = [entry["install"] for entry in found["data"].values() if not entry["present"]]
    for entry in found["backends"]:
        if not entry["present"]:
            commands += re.findall(r": (pip install \S+)", entry["hint"])
    assert commands and all(command in text for command in commands)
