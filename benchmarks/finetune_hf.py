"""The arm of Hugging Face's Trainer for benchmarks/finetune.py: one run, its numbers as JSON.

Written after transformers' run_glue.py and run_ner.py: AutoModel, fast tokenizer, Trainer, AdamW,
linear schedule. `--pad longest` pads each batch to its longest row (DataCollatorWithPadding);
`--pad max` pads all rows to the maximum, as run_glue.py does by default.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path
from typing import Any


def table(path: str, text: int, pair: int | None, label: int, header: bool) -> list[dict[str, Any]]:
    """Rows of a TSV file as texts and labels."""
    with open(path, encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))[int(header) :]
    return [
        {"texts": [row[text], *([row[pair]] if pair is not None else [])], "label": row[label]}
        for row in rows
    ]


def conll(path: str) -> list[dict[str, Any]]:
    """Sentences of a CoNLL file: words, and tags in the last column."""
    sentences, words, tags = [], [], []
    for line in [*Path(path).read_text("utf-8").split("\n"), ""]:
        parts = line.rstrip("\r").split("\t")
        if len(parts) > 1 and parts[0]:
            words.append(parts[0])
            tags.append(parts[-1].strip())
        elif words:
            sentences.append({"words": words, "tags": tags})
            words, tags = [], []
    return sentences


def classification(given: argparse.Namespace, tokenizer: Any) -> tuple[Any, ...]:
    """(model class, labels, training rows, evaluation rows, collator, score of outputs)."""
    import numpy as np
    import transformers
    from sklearn.metrics import accuracy_score, matthews_corrcoef

    columns = {"cola": (3, None, 1, False), "qnli": (1, 2, 3, True)}[given.task]
    train, evaluation = (table(path, *columns) for path in (given.train, given.eval))
    labels = sorted({row["label"] for row in train})

    def encode(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        texts = [[row["texts"][n] for row in rows] for n in range(len(rows[0]["texts"]))]
        padding = "max_length" if given.pad == "max" else False
        found = tokenizer(*texts, truncation=True, max_length=given.length, padding=padding)
        return [
            {**{name: found[name][n] for name in found}, "labels": labels.index(row["label"])}
            for n, row in enumerate(rows)
        ]

    def score(outputs: Any) -> dict[str, float]:
        wanted = [labels.index(row["label"]) for row in evaluation]
        chosen = np.argmax(outputs, -1)
        return {
            "matthews": float(matthews_corrcoef(wanted, chosen)),
            "accuracy": float(accuracy_score(wanted, chosen)),
        }

    collator = transformers.DataCollatorWithPadding(tokenizer)
    kind = transformers.AutoModelForSequenceClassification
    return kind, labels, encode(train), encode(evaluation), collator, score


def tagging(given: argparse.Namespace, tokenizer: Any) -> tuple[Any, ...]:
    """The same for words with tags: the first piece of a word carries its tag."""
    import numpy as np
    import transformers
    from seqeval.metrics import f1_score

    train, evaluation = conll(given.train), conll(given.eval)
    labels = sorted({tag for row in [*train, *evaluation] for tag in row["tags"]})

    def encode(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found = tokenizer(
            [row["words"] for row in rows],
            is_split_into_words=True,
            truncation=True,
            max_length=given.length,
        )
        encoded = []
        for n, row in enumerate(rows):
            words = found.word_ids(n)
            firsts = [w is not None and (not i or words[i - 1] != w) for i, w in enumerate(words)]
            tags = [
                labels.index(row["tags"][w]) if first else -100
                for w, first in zip(words, firsts, strict=True)
            ]
            encoded.append({**{name: found[name][n] for name in found}, "labels": tags})
        return encoded

    rows = encode(evaluation)

    def score(outputs: Any) -> dict[str, float]:
        chosen = np.argmax(outputs, -1)
        guesses = []
        for n, row in enumerate(evaluation):
            own = [labels[chosen[n][i]] for i, tag in enumerate(rows[n]["labels"]) if tag != -100]
            guesses.append(own + ["O"] * (len(row["tags"]) - len(own)))  # cut off: no entity
        return {"f1": float(f1_score([row["tags"] for row in evaluation], guesses))}

    collator = transformers.DataCollatorForTokenClassification(tokenizer)
    kind = transformers.AutoModelForTokenClassification
    return kind, labels, encode(train), rows, collator, score


def run(given: argparse.Namespace) -> dict[str, Any]:
    """Train and score once."""
    import torch
    import transformers

    torch.set_num_threads(given.threads)
    transformers.set_seed(given.seed)
    transformers.logging.set_verbosity_error()
    tokenizer = transformers.AutoTokenizer.from_pretrained(given.encoder)
    make = tagging if given.task == "wnut17" else classification
    begin = time.perf_counter()
    kind, labels, train, evaluation, collator, score = make(given, tokenizer)
    encoding = time.perf_counter() - begin
    model = kind.from_pretrained(given.encoder, num_labels=len(labels))
    arguments = transformers.TrainingArguments(
        output_dir=given.output,
        per_device_train_batch_size=given.batch,
        per_device_eval_batch_size=64,
        num_train_epochs=given.epochs,
        max_steps=given.steps or -1,
        learning_rate=given.rate,
        warmup_steps=given.warmup,
        weight_decay=0.01,
        adam_epsilon=1e-6,
        seed=given.seed,
        use_cpu=True,
        disable_tqdm=True,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        remove_unused_columns=False,
    )
    trainer = transformers.Trainer(model, arguments, train_dataset=train, data_collator=collator)
    processor, begin = time.process_time(), time.perf_counter()
    done = trainer.train()
    seconds, processor = time.perf_counter() - begin, time.process_time() - processor
    examples = done.global_step * given.batch
    scores = {} if given.steps else score(trainer.predict(evaluation).predictions)
    return {
        "examples": examples, "seconds": seconds, "processor": processor,
        "encoding": encoding, "scores": scores,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=("cola", "wnut17", "qnli"))
    for name in ("encoder", "train", "eval", "output"):
        parser.add_argument(f"--{name}", required=True)
    for name, default in (("seed", 1), ("batch", 32), ("length", 128), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name in ("steps", "warmup"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--rate", type=float, default=5e-5)
    parser.add_argument("--pad", choices=("longest", "max"), default="longest")
    print(json.dumps(run(parser.parse_args())))


if __name__ == "__main__":
    main()
