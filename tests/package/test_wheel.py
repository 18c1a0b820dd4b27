"""The archives that are published: what they hold, and the wheel at work outside the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = """
import sys
from setuptools import build_meta
place = sys.argv[1]  # building changes sys.argv
build_meta.build_sdist(place)
build_meta.build_wheel(place)
"""
pytestmark = pytest.mark.slow


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is no checkout: what belongs to the archives is not known")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def archives(tmp_path_factory) -> Path:
    """A folder with the source archive and the wheel of the tracked files."""
    folder = tmp_path_factory.mktemp("build")
    for name in tracked():
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / "source" / name)
    subprocess.run(
        [sys.executable, "-c", BUILD, str(folder / "dist")],
        cwd=folder / "source",
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        check=True,
    )
    return folder / "dist"


@pytest.fixture(scope="module")
def installed(archives, tmp_path_factory) -> Path:
    """Folder of the programs of an environment that has the wheel, and our libraries."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    place = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    # Its own packages come first; bertkit is in none of ours where it is installed as editable:
    # those are found by lines of .pth files, which are not read here.
    (Path(place) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (wheel,) = archives.glob("*.whl")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    # Without PYTHONPATH: what stands there would count as installed.
    surroundings = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run([*install, "--no-deps", "--no-index", str(wheel)], env=surroundings, check=True)
    return folder / "bin"


def run(program: list[str], folder: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        program, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"
    return done.stdout


def test_the_source_archive_has_every_tracked_file(archives):
    (path,) = archives.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert set(tracked()) - held == set()
    extra = {name for name in held if "__pycache__" in name or name.endswith(".pyc")}
    assert not extra


def test_the_wheel_has_every_module_and_data_file_and_nothing_else(archives):
    (path,) = archives.glob("*.whl")
    with ZipFile(path) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        facts = Parser().parsestr(archive.read(metadata).decode())
    wanted = {name for name in tracked() if name.startswith("bertkit/")}
    wanted |= {
        f"bertkit_vocab/{name.partition('/')[2]}" for name in tracked() if name.startswith("vocab/")
    }
    assert held == wanted
    links = re.findall(r"\]\(([^)\s]+)\)", facts.get_payload())
    assert links and all(re.match(r"https://|#", link) for link in links)


def test_the_wheel_works_outside_the_repository(installed, tmp_path):
    python, bertkit = str(installed / "python"), str(installed / "bertkit")
    where = run([python, "-c", "import bertkit; print(bertkit.__file__)"], tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)
    top = run([bertkit, "--help"], tmp_path)
    assert top == run([python, "-m", "bertkit", "--help"], tmp_path).replace(
        "python -m bertkit", "bertkit"
    )
    helps = (
        "from bertkit.cli import COMMANDS, main\n"
        "for name in COMMANDS:\n"
        "    assert main([name, '--help']) == 0, name\n"
    )
    assert run([python, "-c", helps], tmp_path).count("Usage: ") > 15
    for words in (
        "download sample --output raw",
        "extract --input raw/text --output docs",
        "split --input docs --output split --valid 0.1 --parts 2",
        "pretrain --preset tiny --dry-run --text split/train --vocab bertkit-uncased-8k"
        " --output run",
    ):
        run([bertkit, *words.split()], tmp_path)
    assert (tmp_path / "split/train").is_dir() and not (tmp_path / "run").exists()
