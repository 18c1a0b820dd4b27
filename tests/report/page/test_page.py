"""One page for several runs: complete in itself, with what differs between them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bertkit.backends import registry
from bertkit.errors import DataError
from bertkit.report.curves import draw_report
from bertkit.report.run_numbers import read_run
from bertkit.tasks.pretraining.pretrain import pretrain


class Reader(HTMLParser):
    """Checks that elements close, and collects addresses and table cells."""

    def __init__(self):
        super().__init__()
        self.open, self.rows, self.addresses = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "br", "input"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1].append(data)


@pytest.fixture
def page(settings, records, tmp_path):
    eval_input = [str(records / "eval.tfrecord")]
    runs = [
        pretrain(
            settings(
                output=str(tmp_path / name),
                learning_rate=rate,
                eval_input=eval_input,
                measure_peak=name == "b<c",
            ),
            registry.get("cpu"),
        ).output
        for name, rate in (("a", 1e-2), ("b<c", 1e-3))
    ]
    output = tmp_path / "report.html"
    report = draw_report(runs, str(output))
    assert report.output == str(output) and len(report.runs) == 2
    return output


def test_the_page_is_whole_and_needs_nothing_beside_it(page):
    text = Path(page).read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert all(address.startswith("#") for address in reader.addresses)
    # Five panels over each of steps, tokens and time; no two things of one name.
    assert text.count("<svg") == 15 and "b&lt;c" in text and "b<c" not in text
    names = re.findall(r' id="([^"]+)"', text)
    assert len(names) == len(set(names))
    used = re.findall(r"url\(#([^)]+)\)", text) + re.findall(r'href="#([^"]+)"', text)
    assert used and set(used) <= set(names)
    # Two runs in five panels: as many coloured curves, and no empty picture.
    assert len(re.findall(r'<path d="M [^"]+"[^>]*stroke: #1f77b4', text)) >= 5
    assert "#000000" not in text and "prefers-color-scheme: dark" in text
    legend = text[text.index('class="legend"') : text.index("</ul>")]
    assert legend.count("<li>") == 2
    check_tables(page, text, reader)


def check_tables(page: Path, text: str, reader: Reader) -> None:
    """The tables tell numbers, differences and machines."""
    assert text.count("<h2>Records of") == 2 and "Record 0:" in text and "[MASK:" in text
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", text)
    assert not {"None", "True", "False", "[]", "{}"} & set(cells)
    assert not [cell for cell in cells if cell.startswith(("[&#x27;", "{&#x27;", "[/"))]
    rows = {row[0]: row[1:] for row in reversed(reader.rows) if row}
    assert rows["learning_rate"] == ["0.01", "0.001"]
    assert rows["backend"] == ["cpu", "cpu"]
    last = [read_run(run).last for run in (page.parent / "a", page.parent / "b<c")]
    for kind, prefix in (("train", ""), ("eval", "evaluation: ")):
        shares = [f"{100 * numbers[kind]['mlm_accuracy']:.2f}" for numbers in last]
        assert rows[f"{prefix}masked LM accuracy (%)"] == shares
    shares = rows["share of measured peak"]
    assert shares[0] == "-" and 0 < float(shares[1].rstrip("%")) < 100
    tokens = [int(text.replace(",", "")) for text in rows["real tokens"]]
    assert tokens[0] > 0 and abs(tokens[0] - tokens[1]) <= 0.2 * tokens[0]


def test_numbers_stand_right_with_their_headings():
    from bertkit.report.page.html_parts import html_table

    text = html_table(("run", "F1", "note"), [("a", "1,234", "x"), ("b", "-", "5")])
    assert "<th class=number>F1</th>" in text and "<td class=number>1,234</td>" in text
    assert "<td class=number>-</td>" in text and "<th>note</th>" in text and "<td>5</td>" in text


def test_facts_of_the_machine_that_no_run_has_take_no_row(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"kind": "train", "step": 1, "loss": 2}\n')
    (tmp_path / "machine.json").write_text('{"cores": 2, "driver": null}')
    draw_report([str(tmp_path)], str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text()
    assert "<td>cores</td>" in page and "driver" not in page


@pytest.mark.parametrize("content", ["{", "[1]", "3", '{"a": 1' + "0" * 5000 + "}", "\0"])
def test_a_damaged_record_of_the_machine_is_named(tmp_path, content):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.jsonl").write_text('{"kind": "train", "step": 1, "loss": 2}\n')
    (tmp_path / "run" / "machine.json").write_text(content)
    with pytest.raises(DataError, match=r"machine\.json"):
        draw_report([str(tmp_path / "run")], str(tmp_path / "page.html"))
