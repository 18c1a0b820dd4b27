import hashlib

from bertkit.corpus.extraction.input_groups import Group, described
from bertkit.workers.engine import Engine


def test_groups_are_described_in_their_order_whoever_hashes_them(tmp_path):
    paths = [tmp_path / f"{number}.txt" for number in range(7)]
    for number, path in enumerate(paths):
        path.write_bytes(b"x" * 100 * number)
    names = list(map(str, paths))
    groups = [Group(tuple(names[:3])), *(Group((name,)) for name in names[3:])]
    groups.append(Group((names[6],), span=(100, 350)))
    alone = described(groups, Engine(workers=1))
    assert described(groups, Engine(workers=3)) == alone
    assert [facts["path"] for facts in alone] == [names[0], *names[3:], names[6]]
    assert [facts["bytes"] for facts in alone] == [300, 300, 400, 500, 600, 250]
    size = (300).to_bytes(8, "big")
    assert alone[1]["sha256"] == hashlib.sha256(b"x" * 300 + size).hexdigest()
    assert alone[0]["files"] == 3 and alone[-1]["from_byte"] == 100


def test_on_a_cluster_paths_are_sent_whole_and_stated_as_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("a")
    sent = []

    def in_order(self, work, tasks, name=""):
        sent.extend(path for task in tasks for group in task for path in group.paths)
        return map(work, tasks)

    monkeypatch.setattr(Engine, "in_order", in_order)
    (facts,) = described([Group(("a.txt",))], Engine(executor="dask", scheduler="tcp://x:1"))
    assert sent == [str(tmp_path / "a.txt")] and facts["path"] == "a.txt"
