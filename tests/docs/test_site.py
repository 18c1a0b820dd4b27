"""The site of the documentation: built as `make site` does, its links followed."""

from __future__ import annotations

import runpy
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("material", reason="the extra `docs` is not installed: no site is built")


class Page(HTMLParser):
    """The anchors of a page, and the addresses that it names or loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag in ("script", "img", "link"):
            self.loaded += [given[key] for key in ("src", "href") if given.get(key)]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    place = tmp_path_factory.mktemp("site")
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(place), strict=True)
    config.plugins.run_event("startup", command="build", dirty=False)
    build(config)
    return place


@pytest.mark.slow
def test_every_link_leads_to_a_page_and_an_anchor(site):
    pages = {path: Page(path) for path in site.rglob("*.html")}
    assert len(pages) > 25
    dead = []
    for path, page in pages.items():
        for address in page.links + page.loaded:
            target, anchor = urldefrag(address)
            if urlsplit(target).scheme:
                continue
            place = (path.parent / unquote(target)).resolve() if target else path
            if not place.exists() or (anchor and place in pages and anchor not in pages[place].ids):
                dead.append(f"{path.relative_to(site)}: {address}")
    assert [link for link in dead if not link.startswith("404.html")] == []


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(site):
    for path in site.rglob("*.html"):
        assert [name for name in Page(path).loaded if urlsplit(name).netloc] == [], path


@pytest.mark.slow
def test_every_page_of_the_documentation_is_there(site):
    for source in (ROOT / "docs").rglob("*.md"):
        page = site / source.relative_to(ROOT / "docs").with_suffix(".html")
        assert page.is_file(), f"{source} has no page"
    assert "From nothing" in (site / "how-to/biomedical.html").read_text(encoding="utf-8")
    assert "bertkit takes a BERT encoder" in (site / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("here", "text", "expected"),
    [
        ("index.md", "[a](docs/cli.md#x) [b](LICENSE)", "[a](cli.md#x) b"),
        ("how-to/own.md", "[a](../../README.md) [b](../cli.md)", "[a](../index.md) [b](../cli.md)"),
        ("large.md", "[r](../benchmarks/RESULTS.md)", "[r](benchmarks/RESULTS.md)"),
        ("large.md", "[gone](nowhere.md)", "[gone](nowhere.md)"),
        ("large.md", "[t](../Makefile) `a[b](c)`", "t `a[b](c)`"),
    ],
)
def test_links_are_made_for_the_site(here, text, expected):
    hooks = runpy.run_path(str(ROOT / "docs/site_hooks.py"))
    known = {"index.md", "cli.md", "large.md", "benchmarks/RESULTS.md"}
    files = SimpleNamespace(get_file_from_path=lambda name: name if name in known else None)
    page = SimpleNamespace(file=SimpleNamespace(src_uri=here))
    assert hooks["on_page_markdown"](text, page, None, files) == expected
