from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertkit.corpus.forms.mediawiki import FORM as MEDIAWIKI
from bertkit.corpus.forms.mediawiki import spans_of
from bertkit.corpus.forms.xml.elements import elements, elements_within
from corpus.forms.reading import read, write

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


@pytest.mark.parametrize("size", [1, 7, 50, 10_000])
@pytest.mark.parametrize(
    ("end", "said"),
    [(b"</x:set >\n<!-- end -->\n", False), (b"", True), (b"  </se", True), (b"<page>cut", False)],
)
def test_a_file_that_is_cut_off_between_two_elements_is_told(caplog, size, end, said):
    text = b"<set>" + b"<page>one of some length</page>\n" * 10 + end
    blocks = [text[start : start + size] for start in range(0, len(text), size)]
    place = f"{size} {end!r}"  # what was told of a file is not told again
    found = list(elements_within(place, "set", blocks, ("page",), 1000))
    assert found == list(elements([text], ("page",), 1000))
    warned = [record.getMessage().partition(": there")[0] for record in caplog.records]
    assert warned == ([f"{place}: cut off"] if said else [])


def test_the_end_of_a_large_dump_is_read_by_its_last_span(caplog, tmp_path):
    pages = b"<page><ns>0</ns><revision><text>A text.</text></revision></page>\n" * 100
    path = write(tmp_path, "a.xml", b"<mediawiki>" + pages + b"</mediawiki>\n")
    for size in (500, 1000, 1024, 6500):
        spans = spans_of(path, size)
        assert len([found for span in spans for found in read(MEDIAWIKI, path, span=span)]) == 100
    assert not caplog.records
    path = write(tmp_path, "b.xml", b"<mediawiki>" + pages)
    for span in spans_of(path, 1000):
        read(MEDIAWIKI, path, span=span)
    assert caplog.records
