"""Tells how a run differs from the one whose output a folder holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bertkit.codecs.strict_json import json_text
from bertkit.configuration.config import flatten
from bertkit.errors import DataError
from bertkit.manifests import inputs as manifest_inputs

if TYPE_CHECKING:
    from pathlib import Path

    from bertkit.manifests.manifest import Manifest

# Commands whose output depends on the categories of characters.
_BY_CHARACTERS = ("extract", "clean", "make-records")


def compare(found: Manifest, planned: Manifest) -> list[str]:
    """Differences between two runs that change their output, each as text."""
    differences = of_settings(found, planned)
    if changed := manifest_inputs.difference(found.inputs, planned.inputs):
        differences.append(changed)
    return differences


def of_settings(found: Manifest, planned: Manifest) -> list[str]:
    """Differences between the commands and settings of two runs, whatever their inputs.

    Of work that goes on, also between the tables by which Python tells characters apart.
    """
    differences = []
    if found.command != planned.command:
        differences.append(f"command {found.command}, now {planned.command}")
    before, after = flatten(found.config), flatten(planned.config)
    differences += [
        f"{key} {_short(before[key]) if key in before else 'not recorded'}, "
        f"now {_short(after.get(key))}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    if found.state != "complete" and found.outputs and found.command in _BY_CHARACTERS:
        # What is there and what is to come would treat characters differently.
        tables = [manifest.versions.get("unicode") for manifest in (found, planned)]
        if tables[0] and tables[0] != tables[1]:
            differences.append("Python's Unicode {}, now {}".format(*tables))
    return differences


def made_by_another(
    place: Path, found: Manifest, planned: Manifest, differences: list[str]
) -> DataError:
    """The error for a folder that holds what another run made.

    Settings of two commands are not comparable: between those only the commands are named.
    """
    version = found.versions.get("bertkit")
    other = version and version != planned.versions.get("bertkit")
    earlier = f" of bertkit {version}" if other else ""
    what = f"run{earlier}: {'; '.join(differences)}"
    if found.command != planned.command:
        what = f"command: bertkit {found.command}, now bertkit {planned.command}"
    return DataError(
        f"{place} was made by another {what}",
        "give --overwrite to replace it, or another --output",
    )


def _short(value: Any) -> str:
    text = json_text(value, readable=True)
    return text if len(text) <= 60 else text[:57] + "..."
