"""Where things are cached, and that one process at a time makes them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bertkit.storage.shared_cache import cache_folder, is_writable_folder, one_process_at_a_time


def test_the_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "bertkit"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home/.cache/bertkit"


@pytest.mark.skipif(sys.platform == "win32", reason="looks for homes elsewhere")
def test_a_user_without_a_home_has_a_cache_that_keeps_nothing(monkeypatch):
    import pwd

    def unknown(number):
        raise KeyError(number)

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    folder = cache_folder() / "anything"
    with pytest.raises(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    with one_process_at_a_time(folder):  # goes on all the same
        assert not folder.exists() and not is_writable_folder(folder)


def test_a_folder_without_write_permission_takes_nothing_even_from_root(tmp_path):
    place = tmp_path / "folder"
    assert not is_writable_folder(place)
    place.mkdir()
    assert is_writable_folder(place)
    place.chmod(0o555)
    assert not is_writable_folder(place)
    place.chmod(0o755)


def test_processes_take_turns(tmp_path):
    program = (
        "import sys; from pathlib import Path\n"
        "from bertkit.storage.shared_cache import one_process_at_a_time\n"
        "with one_process_at_a_time(Path(sys.argv[1])): print('mine', flush=True)\n"
    )
    with one_process_at_a_time(tmp_path):
        words = [sys.executable, "-c", program, str(tmp_path)]
        other = subprocess.Popen(words, stdout=subprocess.PIPE)
        try:
            other.wait(0.5)
        except subprocess.TimeoutExpired:
            pass
        else:
            raise AssertionError("it did not wait")
    assert other.communicate()[0] == b"mine\n"


def test_without_a_place_for_the_lock_all_go_on(tmp_path):
    (tmp_path / "file").write_text("")
    with one_process_at_a_time(Path(tmp_path / "file/none")):
        pass
