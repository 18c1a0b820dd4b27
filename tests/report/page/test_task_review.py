"""The review of predictions as a section of an HTML page."""

from __future__ import annotations

from bertkit.report.page.task_review import task_section

ROWS = [{"text": "a <script>", "probability": 0.987, "words": 1200, "wanted": ""}]


def test_mistakes_stand_in_tables_and_are_escaped():
    files = {"dev<1>.tsv": {"Wrong & sure": ROWS, "Labels": []}, "b.tsv": {"Wrong & sure": []}}
    text = task_section("runs/a&b", {"files": files})
    assert "<h2>Predictions of runs/a&amp;b</h2>" in text
    assert "dev&lt;1&gt;.tsv" in text and "<h3>Wrong &amp; sure</h3>" in text
    cells = [cell.partition(">")[2].partition("<")[0] for cell in text.split("<td")[1:]]
    assert cells == ["a &lt;script&gt;", "0.99", "1,200", "(nothing)"]
    assert "Labels" not in text and text.endswith("<p>Nothing was wrong.</p>")
