"""Brings README.md and other pages of the repository into the site, and makes links fit there.

mkdocs calls these functions (`hooks` in mkdocs.yml). A page is written once, for readers of the
repository: its links are paths of files. On the site, links to files that have no page become
the plain text of the link.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
# Path in the repository → path on the site, of pages that do not lie in docs/.
OUTSIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "benchmarks/RESULTS.md": "benchmarks/RESULTS.md",
}
_INSIDE = {place: name for name, place in OUTSIDE.items()}
_LINK = re.compile(r"\[([^\]\[]*)\]\(([^)\s#:]+)(#[\w.-]+)?\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that do not lie in docs/."""
    for name, place in OUTSIDE.items():
        if (ROOT / name).is_file():
            text = (ROOT / name).read_text(encoding="utf-8")
            files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """The text of a page with its links as paths of the site."""
    here = page.file.src_uri
    name = _INSIDE.get(here, f"docs/{here}")

    def link(found: re.Match[str]) -> str:
        text, target, anchor = found.groups()
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        place = OUTSIDE.get(path, path.removeprefix("docs/"))
        if files.get_file_from_path(place) is None and (ROOT / path).exists():
            return text
        return f"[{text}]({posixpath.relpath(place, posixpath.dirname(here))}{anchor or ''})"

    return _LINK.sub(link, markdown)
