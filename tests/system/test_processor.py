"""What systems say of their processors; the texts are those of real ones, cut short."""

from __future__ import annotations

import platform

import pytest

from bertkit.system.processor import features, is_amd

ZEN_4 = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model name\t: AMD EPYC
flags\t\t: fpu sse4a avx512f avx512_bf16 avx512_vnni fsrm
bugs\t\t: sysret_ss_attrs null_seg

processor\t: 1
vendor_id\t: AuthenticAMD
"""
EMERALD_RAPIDS = """\
processor\t: 0
vendor_id\t: GenuineIntel
model name\t: INTEL(R) XEON(R) PLATINUM 8581C
flags\t\t: fpu avx512f avx512_bf16 amx_bf16 amx_tile amx_int8
"""
CORTEX_A55 = """\
processor       : 0
BogoMIPS        : 26.00
Features        : fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp asimddp
CPU implementer : 0x41
"""


@pytest.fixture
def cpuinfo(tmp_path):
    def write(text):
        path = tmp_path / "cpuinfo"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("text", "amd", "known"),
    [(ZEN_4, True, "avx512_bf16"), (EMERALD_RAPIDS, False, "amx_tile"), (CORTEX_A55, False, "fp")],
)
def test_linux_lists_the_maker_and_the_instructions(cpuinfo, monkeypatch, text, amd, known):
    monkeypatch.setattr(platform, "processor", lambda: "")
    path = cpuinfo(text)
    assert is_amd(path) == amd
    assert known in features(path)
    assert "bf16" not in features(path)


@pytest.mark.parametrize(
    ("told", "amd"),
    [
        ("AMD64 Family 25 Model 97 Stepping 2, AuthenticAMD", True),
        ("Intel64 Family 6 Model 143 Stepping 8, GenuineIntel", False),
        ("arm", False),
    ],
)
def test_elsewhere_python_may_know_the_maker(tmp_path, monkeypatch, told, amd):
    monkeypatch.setattr(platform, "processor", lambda: told)
    assert is_amd(tmp_path / "none") == amd
    assert features(tmp_path / "none") == frozenset()
