"""Fixtures that every test may use."""

from __future__ import annotations

import json
import os
import signal
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings

# Test processes share the cores, and sums that must agree to the bit are not divided by threads:
# torch has one thread in every test and in every process that a test starts.
os.environ["OMP_NUM_THREADS"] = "1"

# Triton is imported with the first library that asks for it, transformers among them, and reads
# then whether its kernels are interpreted: tests/model/fused runs them so without a GPU.
if not any(Path("/dev").glob("nvidia[0-9]*")):
    os.environ.setdefault("TRITON_INTERPRET", "1")

# No test asks the model hub on the internet: a name that is no path here fails at once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["COLUMNS"] = "400"  # paths of tests are long: rows stay lines

# A shell's background jobs ignore SIGINT, and those of nohup SIGHUP: what bertkit finds ignored
# stays so, in every process that tests send these signals to.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A busy machine is no failure: nothing that hypothesis runs is timed.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and goldens beside the repository.

    Where it is absent the test is skipped with the reason; in CI that is a failure.
    """
    if not SHARED.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI needs the reference data folder {SHARED}")
        pytest.skip(f"no reference data at {SHARED}: this comparison did not run")
    return SHARED


@pytest.fixture
def openwebtext(shared, tmp_path) -> Path:
    """The miniature of OpenWebText, its archives of archives unpacked."""
    with tarfile.open(shared / "data/owt/mini/openwebtext.tar.xz") as outer:
        outer.extractall(tmp_path, filter="data")
    for packed in sorted((tmp_path / "openwebtext").glob("*.xz")):
        with tarfile.open(packed) as inner:
            inner.extractall(packed.with_suffix(""), filter="data")
    return tmp_path / "openwebtext"


@pytest.fixture
def bertkit(capsys):
    """Run a command in this process: `bertkit("split", ...)` → status, out, err, result.

    What it says to do is checked: the `Next:` line runs, and a hint names flags that there are.
    """
    from spoken_lines import check_spoken

    from bertkit.cli import main
    from bertkit.log import logger

    def run(*words: object) -> SimpleNamespace:
        logger.handlers.clear()  # as in a new process: no -q of an earlier command
        capsys.readouterr()
        status = main([str(word) for word in words])
        captured = capsys.readouterr()
        check_spoken(captured.err, [str(word) for word in words])
        lines = captured.out.strip().splitlines()
        result = json.loads(lines[-1]) if "--json" in words and status == 0 and lines else None
        return SimpleNamespace(status=status, out=captured.out, err=captured.err, result=result)

    return run


@pytest.fixture
def model_hub(monkeypatch, tmp_path):
    """A model hub on loopback that huggingface_hub's client talks to, with an empty cache."""
    from hub.server import Hub
    from huggingface_hub import constants, file_download, utils

    from bertkit.hub import fetch, names, sources

    server = Hub()
    cache = tmp_path / "hub-cache"
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    for module in (constants, file_download):  # older releases have a copy of it there
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    server.cache = cache

    def forget() -> None:
        """What a new process does not know."""
        fetch._fetched.clear()
        fetch._commits.clear()
        sources._noted.clear()
        names._said.clear()

    def offline() -> None:
        """As with HF_HUB_OFFLINE=1."""
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        reset_sessions()

    # Older releases decide it once for their connections.
    reset_sessions = getattr(utils, "reset_sessions", lambda: None)
    server.new_process, server.offline = forget, offline
    forget()
    yield server
    forget()
    reset_sessions()
    server.close()


@pytest.fixture(scope="session")
def tensorflow_python() -> str:
    """A Python that has TensorFlow, in an environment of its own.

    TensorFlow and the `tfrecord` package cannot share a process, so tests talk to it in
    another one. `make test-slow` builds the environment where TensorFlow has a build.
    """
    python = os.environ.get("BERTKIT_TENSORFLOW_PYTHON")
    if not python:
        pytest.skip("BERTKIT_TENSORFLOW_PYTHON names no Python with TensorFlow")
    return python


@pytest.fixture(autouse=True, scope="session")
def own_index_cache(tmp_path_factory):
    """Indexes of files in read-only folders stay out of the user's cache, in this process."""
    place = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bertkit.records.files.record_index.cache_folder", lambda: place)
        patch.setattr("bertkit.records.files.compressed_file.cache_folder", lambda: place)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Names that are not UTF-8 stand in logs; reports go from process to process as UTF-8."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report
