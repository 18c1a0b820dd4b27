from __future__ import annotations

from bertkit.tasks.finetuning.answer_text import answer_text


def test_answers_of_every_task_are_shown_for_people():
    labels = {"label": "good", "probabilities": {"bad": 0.25, "good": 0.75}}
    assert answer_text(labels).splitlines()[0] == "good"
    assert answer_text(labels).splitlines()[-1].split() == ["0.2500", "bad"]
    several = {"labels": [], "probabilities": {"a": 0.25}}
    assert answer_text(several).splitlines()[0] == "(no label)"
    assert answer_text({"score": 4.25}) == "4.2500"
    assert answer_text({"selected": [2, 0], "summary": ["C.", "A."], "scores": [1]}) == "C.\nA."
    tags = {"words": ["Otto", "left"], "tags": ["B-PER", "O"], "tag_probabilities": [0.5, 1.0]}
    entity = {"type": "PER", "text": "Otto", "start": 0, "end": 1, "probability": 0.5}
    assert answer_text({**tags, "entities": [entity]}).splitlines()[2].split() == [
        "PER", "Otto", "0.5000",
    ]  # fmt: skip
    assert answer_text({**tags, "entities": []}).startswith("(nothing found)\n\nword")
    assert answer_text(tags).startswith("word")
    assert answer_text({"mine": "é"}) == '{"mine": "é"}'
