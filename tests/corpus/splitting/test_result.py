from bertkit.corpus.splitting.result import result_of
from bertkit.manifests.manifest import Manifest, read_manifest


def test_totals_are_sums_over_the_files_of_each_side(tmp_path):
    facts = {"documents": 2, "sentences": 5, "bytes": 40}
    outputs = {"train/a.txt": facts, "train/b.txt": facts, "test.txt": facts, "eval.md5": {}}
    manifest = Manifest("split", {}, outputs=outputs, stats={"duplicates": 1, "across": 0})
    found = result_of(manifest, str(tmp_path), 1.5)
    assert (found.documents, found.sentences, found.bytes) == (6, 15, 120)
    assert found.splits["train"]["files"] == 2 and list(found.splits) == ["train", "test"]
    assert not found.up_to_date and found.seconds == 1.5
    again = result_of(read_manifest(tmp_path), str(tmp_path), 9.0)
    assert again.up_to_date and again.seconds == 0.0 and again.splits == found.splits
