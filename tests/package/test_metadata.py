"""What the package says of itself: its page in an index, its requirements, its recipes."""

from __future__ import annotations

import configparser
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from bertkit import __version__

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
LINK = re.compile(r"\]\(([^)\s]+)\)")
# What the index calls a package → what is imported, where these differ.
MODULES = {
    "pyyaml": "yaml",
    "rouge-score": "rouge_score",
    "kubernetes-validate": "kubernetes_validate",
}
# Extras for those who work on bertkit, not with it.
TOOLS = ("dev", "bench", "docs")
# In no `import` of ours: fsspec finds these by the scheme of an address.
BY_SCHEME = {"aiohttp", "s3fs", "gcsfs", "huggingface_hub"}


@pytest.fixture(scope="module")
def setup() -> configparser.ConfigParser:
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg", encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def described() -> str:
    return runpy.run_path(str(ROOT / "setup.py"))["long_description"]()


def test_links_of_the_long_description_lead_to_files_of_this_version(setup, described):
    base = f"{setup['metadata']['url']}/blob/v{__version__}/"
    readme = LINK.findall((ROOT / "README.md").read_text("utf-8"))
    relative = [link for link in readme if not re.match(r"\w+:|#", link)]
    links = LINK.findall(described)
    assert len(links) == len(readme) and len(relative) > 10
    for link in links:
        assert re.match(r"https?://|#", link), link
        if link.startswith(base):
            assert (ROOT / link.removeprefix(base).partition("#")[0]).exists(), link
    assert sum(link.startswith(base) for link in links) == len(relative)


def test_pictures_lead_to_their_bytes(tmp_path, setup):
    for name in ("setup.py", "setup.cfg"):
        (tmp_path / name).write_text((ROOT / name).read_text("utf-8"), encoding="utf-8")
    (tmp_path / "bertkit").mkdir()
    (tmp_path / "bertkit/__init__.py").write_text('__version__ = "9.1"\n')
    (tmp_path / "README.md").write_text("![a](docs/a.png) [b](b.md#c) [d](#d) [e](mailto:e@f)\n")
    url = setup["metadata"]["url"]
    assert runpy.run_path(str(tmp_path / "setup.py"))["long_description"]() == (
        f"![a]({url}/raw/v9.1/docs/a.png) [b]({url}/blob/v9.1/b.md#c) [d](#d) [e](mailto:e@f)\n"
    )


def requirements(setup, extra: str = "") -> list[Requirement]:
    text = setup["options.extras_require"][extra] if extra else setup["options"]["install_requires"]
    return [Requirement(line) for line in text.strip().splitlines()]


def test_the_base_install_brings_nothing_that_bertkit_does_not_import(setup):
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "bertkit").rglob("*.py"))
    extras = [name for name in setup["options.extras_require"] if name not in TOOLS]
    for extra in ("", *extras):
        for wanted in requirements(setup, extra):
            name = MODULES.get(wanted.name, wanted.name)
            if wanted.name not in BY_SCHEME:
                assert re.search(rf"(import|from) {name}\b|[\"']{name}[\"'.]", source), wanted
    base, dev = ({wanted.name for wanted in requirements(setup, extra)} for extra in ("", "dev"))
    assert base & dev <= {"psutil"}  # which only Windows needs


def pinned(python: str) -> dict[str, str]:
    """Package → version in constraints.txt, for the first release of a version of Python."""
    environment = {
        "python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux",
    }  # fmt: skip
    pins: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate(environment):
            assert pin.name.lower() not in pins, line
            pins[pin.name.lower()] = str(pin.specifier).removeprefix("==")
    return pins


@pytest.mark.parametrize("python", PYTHONS)
def test_constraints_have_one_version_of_each_package(setup, python):
    pins = pinned(python)
    for wanted in (need for extra in ("", "dev", "docs") for need in requirements(setup, extra)):
        version = pins.get(wanted.name.lower()) or pins.get(wanted.name.replace("-", "_"))
        assert version, f"{wanted.name} is not pinned for Python {python}"
        assert wanted.specifier.contains(version), (wanted, version)


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
def test_pinned_versions_run_on_every_python(python, tmp_path):
    """pip asks the index: a version that has left an old Python behind cannot be installed."""
    pins = [f"{name}=={version}" for name, version in pinned(python).items()]
    ask = ["install", "--dry-run", "--no-deps", "--ignore-installed", "--quiet"]
    there = ["--python-version", f"{python}.0", "--target", str(tmp_path)]
    process = subprocess.run(
        [sys.executable, "-m", "pip", *ask, *there, *pins], capture_output=True, text=True
    )
    if f"{pins[0]} (from versions: none)" in process.stderr and os.environ.get("CI") != "true":
        pytest.skip("no package index can be reached: whether the versions exist was not asked")
    assert process.returncode == 0, process.stderr


def test_the_same_versions_of_python_are_named_everywhere(setup):
    classifiers = setup["metadata"]["classifiers"]
    assert re.findall(r"Python :: (3\.\d+)", classifiers) == list(PYTHONS)
    assert SpecifierSet(setup["options"]["python_requires"]) == SpecifierSet(f">={PYTHONS[0]}")
    jobs = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text("utf-8"))["jobs"]
    assert jobs["linux"]["strategy"]["matrix"]["python"] == list(PYTHONS)
    assert {"macos-latest", "windows-latest"} == set(
        jobs["other-systems"]["strategy"]["matrix"]["system"]
    )
    for job in jobs.values():
        assert job["steps"] and all({"uses", "run"} & step.keys() for step in job["steps"])


def test_the_recipe_needs_what_the_package_needs(setup):
    recipe = yaml.safe_load((ROOT / "recipe/recipe.yaml").read_text("utf-8"))
    assert recipe["context"] == {"version": __version__, "python_min": PYTHONS[0]}
    run = dict(line.split(" ", 1) for line in recipe["requirements"]["run"])
    assert run.pop("python") == ">=${{ python_min }}"
    run["torch"] = run.pop("pytorch")
    wanted = {need.name: need.specifier for need in requirements(setup)}
    assert {name: SpecifierSet(text) for name, text in run.items()} == wanted
    points = recipe["build"]["python"]["entry_points"]
    assert points == setup["options.entry_points"]["console_scripts"].strip().splitlines()


def test_the_image_is_built_from_files_and_extras_that_exist(setup):
    text = (ROOT / "Dockerfile").read_text("utf-8")
    extras = re.search(r"^ARG EXTRAS=(\S+)", text, re.MULTILINE)[1].split(",")
    # Of all, what has no use in a finished image, and a service that not everybody has.
    known = set(setup["options.extras_require"]) - {*TOOLS, "wandb"}
    assert set(extras) <= known
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        if line.startswith("!"):
            assert (ROOT / line[1:]).exists(), line
    assert re.search(r"^ARG PYTHON=(\S+)", text, re.MULTILINE)[1] in PYTHONS


def test_forms_for_issues_ask_for_something():
    for name in ("fault", "wish"):
        form = yaml.safe_load((ROOT / f".github/ISSUE_TEMPLATE/{name}.yml").read_text("utf-8"))
        assert form["name"] and form["description"]
        assert any(part.get("validations", {}).get("required") for part in form["body"])


def test_this_version_of_python_is_one_of_them():
    assert f"{sys.version_info[0]}.{sys.version_info[1]}" in PYTHONS
