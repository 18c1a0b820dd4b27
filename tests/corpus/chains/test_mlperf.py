from __future__ import annotations

import hashlib
import subprocess

import pytest

from bertkit.corpus.chains import mlperf
from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.extraction.extract import extract
from bertkit.errors import ConfigError, DataError, MissingDependencyError
from bertkit.manifests.manifest import read_manifest

FILES = ("wiki_00", "wiki_01")


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def source(shared, name: str) -> str:
    return (shared / "data/mlperf_sample" / name).read_bytes().decode()


@pytest.mark.parametrize("name", FILES)
def test_every_stage_has_the_bytes_of_the_benchmark(shared, mlperf_sums, punkt_data, name):
    one = mlperf.strip_titles(source(shared, name))
    assert md5(one) == mlperf_sums[f"{name}.1"]
    two = mlperf.strip_markup(one)
    assert md5(two) == mlperf_sums[f"{name}.2"]
    three = mlperf.segment(two, mlperf.punkt_of_2019())
    assert md5(three) == mlperf_sums[f"{name}.3"]


def test_test_set_is_that_of_the_benchmark(shared, mlperf_sums, punkt_data):
    chosen: list[str] = []
    for number, name in enumerate(FILES):
        three = mlperf.clean(source(shared, name), mlperf.punkt_of_2019())
        count = mlperf.quota(number, len(FILES), 6)
        four, articles = mlperf.hold_out(three, count, 12345 + 13 * number)
        assert md5(four) == mlperf_sums[f"{name}.4"]
        chosen += articles
    assert md5("".join(f"{article}\n\n" for article in chosen)) == mlperf_sums["results/eval.txt"]
    hashes = "".join(f"{mlperf.article_md5(article)}\n" for article in chosen)
    assert md5(hashes) == mlperf_sums["results/eval.md5"]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_extract_writes_those_bytes(shared, mlperf_sums, punkt_data, tmp_path, workers):
    pattern = str(shared / "data/mlperf_sample/wiki_0?")
    config = ExtractConfig(chain="mlperf")
    result = extract([pattern], str(tmp_path / "out"), config, workers=workers)
    assert (result.parts, result.documents, result.rejected) == (2, 78, 0)
    for number, name in enumerate(FILES):
        blob = (tmp_path / f"out/part-{number:05d}-of-00002.txt").read_bytes()
        assert hashlib.md5(blob).hexdigest() == mlperf_sums[f"{name}.3"]


def test_file_that_is_not_utf8_is_left_out_and_named(punkt_data, tmp_path):
    (tmp_path / "wiki_00").write_bytes(b'<doc id="1">\nT\n\nGood text.\n</doc>\n')
    (tmp_path / "wiki_01").write_bytes(b'<doc id="2">\nT\n\nBad \xff.\n</doc>\n')
    config = ExtractConfig(chain="mlperf")
    result = extract([str(tmp_path / "wiki_0?")], str(tmp_path / "out"), config, workers=1)
    assert (result.documents, result.rejected) == (1, 1)


def test_a_file_that_is_cut_within_an_article_is_told(punkt_data, tmp_path, caplog):
    """The benchmark's scripts take it as it is; so does this, with the same bytes."""
    path = tmp_path / "wiki_00"
    whole = '<doc id="1">\nT\n\nOne text.\n</doc>\n\n'
    path.write_text(whole)
    extract([str(path)], str(tmp_path / "whole"), ExtractConfig(chain="mlperf"), workers=1)
    assert "cut off" not in caplog.text
    path.write_text(whole + '<doc id="2">\nT\n\nAnother te')
    extract([str(path)], str(tmp_path / "out"), ExtractConfig(chain="mlperf"), workers=1)
    assert f"{path}: cut off: it does not end with </doc>" in caplog.text


def test_a_file_that_the_benchmark_takes_for_binary_is_left_out_and_named(punkt_data, tmp_path):
    """Its grep writes nothing of it, or a word about binary data, by its version."""
    (tmp_path / "wiki_00").write_text('<doc id="1">\nT\0\n\nGood text.\n</doc>\n')
    (tmp_path / "wiki_01").write_text('<doc id="2">\nT\n\nBad \0.\n</doc>\n')
    config = ExtractConfig(chain="mlperf")
    result = extract([str(tmp_path / "wiki_0?")], str(tmp_path / "out"), config, workers=1)
    assert (result.documents, result.rejected) == (1, 1)
    (named,) = read_manifest(tmp_path / "out").outputs["part-00001-of-00002.txt"]["named"]
    assert named.startswith(f"{tmp_path}/wiki_01: holds NUL characters")


# A line per rule and trap; the real sed pipeline is the judge.
HARD = """[[a]] [[b|c]] [[File:x|thumb|a [[b]] c]] [[:file:x]] [[Media:m]] [[Image:i [[j]] k]]
x [[Category:Cats]] y
[one] [two|three] [[q|r|s]] [[[t]]] ]] [[ u
alt=a alt= =alt <chem>H2O</chem> <ins a>b</ins> <, ref z</ref> <includeonly>p</includeonly>
<graph>{a}</graph> <section begin=x /> mid <section end=y/> end /> tail
<meta a\\b/> <hr/> <hr /> x /> <gallery mode=x>y</gallery> <ref name=a>b</ref> <ref name=c/>
<http://a b> <Ref x> <mapframe a=b/c /> <mapframe x>y</mapframe> <poem style=x> <poem>a</poem>
<math>x</math> <ref></ref> <div style="a">b</div style> </div> <sup>2</sup> <br> <BR></Br> <del>
<nowiki>[[n]]</nowiki> <NOWIKI></NOWIKI> <onlyinclude> <small>s</small> <noinclude> </references>
<mapframe text="a\\nb" /> c> <mapframe a\\b>
<po<math>em> <<ref>ref> <chem <chem>a</chem> <graph>{ {}</graph> ins</ins> </doc> text
<doc id="3">
äöü [[é|è]] 漢字 [[字]] <br>\u00a0x
"""


def test_markup_rules_agree_with_sed_itself(tmp_path):
    script = build_pipeline()
    if script is None:
        pytest.skip("no GNU sed on this machine: the comparison did not run")
    done = subprocess.run(
        ["bash", "-c", script],
        input=HARD.encode(),
        capture_output=True,
        check=True,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    assert mlperf.strip_markup(HARD).encode() == done.stdout


def build_pipeline() -> str | None:
    """The rules as sed expressions, made from the table (classes need no line end there)."""
    version = subprocess.run(["sed", "--version"], capture_output=True, check=False)
    if b"GNU" not in version.stdout:
        return None
    parts = ["cat", "grep -v '^<doc [^>]*>$'", r"grep -vE '\[\[Category:[^][]*\]\]'"]
    groups = [
        mlperf._LINKS,
        mlperf._ELEMENTS,
        mlperf._TAGS_BEFORE,
        mlperf._DIVISIONS,
        mlperf._TAGS_AFTER,
        mlperf._POEM,
    ]
    for rule in (rule for group in groups for rule in group):
        pattern, replacement = (rule, "") if isinstance(rule, str) else rule[1:]
        pattern = pattern.replace("/", r"\/") if isinstance(rule, str) else basic(pattern)
        parts.append(f"sed 's/{pattern}/{replacement.replace(chr(13), chr(92) + 'r')}/g'")
    return " | ".join(parts)


def basic(pattern: str) -> str:
    r"""A Python pattern of the table as a POSIX basic one: groups, classes, bars."""
    for python, posix in [
        (r"[^\]|\[\n]", "[^]|[]"),
        (r"[^\]\[\n]", "[^][]"),
        (r"[^\\\n]", "[^\\]"),
        (r"[^<\n]", "[^<]"),
        (r"[^>\n]", "[^>]"),
        (r"[^\\/\n]", "[^\x00]"),
        ("(", r"\("),
        (")", r"\)"),
        (r"\|", "|"),
        ("/", r"\/"),
        ("\x00", r"\/"),
    ]:
        pattern = pattern.replace(python, posix)
    return pattern


def test_more_articles_than_there_are():
    with pytest.raises(DataError, match="7 test articles requested, but there are only 3"):
        mlperf.hold_out("a\n\nb\n\n", 7, 1)


def test_quotas_add_up():
    assert sum(mlperf.quota(i, 7, 100) for i in range(7)) == 100


def test_limit_does_not_go_with_the_chain():
    from bertkit.configuration.config import Layer, resolve

    with pytest.raises(ConfigError, match="whole files"):
        resolve(ExtractConfig, [Layer("test", {"chain": "mlperf", "limit": 3})])


def test_missing_punkt_is_told_before_anything_is_written(monkeypatch, tmp_path):
    nltk = pytest.importorskip("nltk")
    monkeypatch.setattr(nltk.data, "path", [])
    mlperf.punkt_of_2019.cache_clear()
    (tmp_path / "wiki_00").write_text('<doc id="1">\nT\n\nx\n</doc>\n')
    with pytest.raises(MissingDependencyError):
        extract([str(tmp_path / "wiki_00")], str(tmp_path / "o"), ExtractConfig(chain="mlperf"))
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    "tag", ["<div", "</div", "<section", "<ref", "<http", "<mapframe ", "<poem "]
)
def test_a_long_line_of_tags_without_end_takes_no_longer_than_its_length(tag):
    """From each tag to the end of its line would take hours."""
    line = f"{tag * 400_000}\n"
    assert mlperf.strip_markup(f"{line}a <div b> c\n") == f"{line}a  c\n"
