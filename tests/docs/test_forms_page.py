"""docs/forms.md names every form, key and package that the program has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bertkit.corpus import forms
from bertkit.tables.text_column import OTHERS

PAGE = (Path(__file__).resolve().parents[2] / "docs/forms.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (`.*?) \| (.*?) \| (.*?) \|", PAGE, re.M)


@pytest.mark.parametrize("form", forms.TABLE, ids=lambda form: form.name)
def test_every_form_has_a_row(form):
    (row,) = [row for row in ROWS if f"`{form.name}`" in row[0]]
    for ending in form.endings:
        assert f"`{ending}`" in row[1] or form.signature


def test_no_row_is_of_a_form_that_is_gone():
    named = {name for row in ROWS for name in re.findall(r"`([\w-]+)`", row[0])}
    assert named == {form.name for form in forms.TABLE}


def test_the_other_names_of_the_text_are_listed():
    assert all(re.search(rf"\b{name}\b", PAGE) for name in OTHERS)
