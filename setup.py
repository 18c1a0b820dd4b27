"""Gives the package's page in an index the README, with links that lead somewhere from there."""

import configparser
import re
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent


def long_description() -> str:
    """README.md, its links to files of the repository as addresses of this version's files."""
    metadata = configparser.ConfigParser()
    metadata.read(HERE / "setup.cfg", encoding="utf-8")
    text = (HERE / "bertkit/__init__.py").read_text("utf-8")
    version = re.search(r'^__version__ = "(.+)"', text, re.MULTILINE)[1]
    files = f"{metadata['metadata']['url']}/blob/v{version}/"
    pictures = f"{metadata['metadata']['url']}/raw/v{version}/"
    readme = (HERE / "README.md").read_text("utf-8")
    # Not what has a scheme already, nor what is on the page itself.
    link = re.compile(r"(?P<picture>!?)(?P<text>\[[^\]]*\])\((?P<path>(?!\w+:|#)[^)\s]+)\)")
    return link.sub(
        lambda match: (
            f"{match['picture']}{match['text']}"
            f"({pictures if match['picture'] else files}{match['path']})"
        ),
        readme,
    )


if __name__ == "__main__":
    setup(long_description=long_description())
