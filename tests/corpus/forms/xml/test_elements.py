from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bertkit.corpus.forms.xml.elements import elements

TEXT = b"<r>head<page>one</page> <page>two</page>\n<page>cut<page>three</page><page>end"


@given(st.integers(1, 40))
def test_elements_do_not_depend_on_the_blocks(size):
    blocks = [TEXT[i : i + size] for i in range(0, len(TEXT), size)]
    assert list(elements(blocks, ("page",), 1000)) == [
        b"<page>one</page>",
        b"<page>two</page>",
        None,
        b"<page>three</page>",
        None,
    ]


def test_too_large_is_not_kept():
    blocks = [b"<page>", *[b"x" * 100] * 50, b"</page><page>y</page>"]
    assert list(elements(blocks, ("page",), 1000)) == [None, b"<page>y</page>"]


@given(st.integers(0, len(TEXT)))
def test_spans_share_the_elements_without_loss(cut):
    whole = [found for found in elements([TEXT], ("page",), 1000) if found]
    first = elements([TEXT], ("page",), 1000, stop=lambda: cut)
    second = elements([TEXT[cut:]], ("page",), 1000)
    assert [found for part in (first, second) for found in part if found] == whole


@given(st.integers(1, 30))
def test_tags_with_attributes_and_spaces(size):
    text = b'<s><a x="1">one</a ><ab>no</ab><a/><a >two</a\n><a  /><aa/></s>'
    blocks = [text[i : i + size] for i in range(0, len(text), size)]
    assert list(elements(blocks, ("a",), 1000)) == [b'<a x="1">one</a >', b"<a >two</a\n>"]
