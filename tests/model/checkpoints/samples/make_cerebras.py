"""How checkpoint_60.mdl was made: with cerebras_pytorch 2.10 (Python 3.11), on its CPU backend.

Run: python make_cerebras.py checkpoint_60.mdl && xz -9e checkpoint_60.mdl
The names are those of the PyTorch BERT in Cerebras' model zoo; `test_cerebras.py` computes the
same numbers again.
"""

from __future__ import annotations

import math
import sys

HIDDEN, INNER, VOCAB, POSITIONS, LAYERS = 8, 16, 40, 12, 2


def shapes() -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}

    def linear(name: str, outputs: int, inputs: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = (outputs, inputs), (outputs,)

    def norm(name: str) -> None:
        found[f"{name}.weight"] = found[f"{name}.bias"] = (HIDDEN,)

    sizes = {"word": VOCAB, "position": POSITIONS, "segment": 2}
    for kind, rows in sizes.items():
        found[f"bert_encoder.embedding_layer.{kind}_embeddings.weight"] = (rows, HIDDEN)
    norm("bert_encoder.embed_ln_f")
    for number in range(LAYERS):
        layer = f"bert_encoder.transformer_encoder.layers.{number}"
        for part in ("q", "k", "v", "output"):
            linear(f"{layer}.self_attn.proj_{part}_dense_layer", HIDDEN, HIDDEN)
        linear(f"{layer}.ffn.ffn.0.linear_layer", INNER, HIDDEN)
        linear(f"{layer}.ffn.ffn.1.linear_layer", HIDDEN, INNER)
        norm(f"{layer}.norm1")
        norm(f"{layer}.norm2")
    linear("bert_encoder.pooler.pooler.ffn.0.linear_layer", HIDDEN, HIDDEN)
    linear("bert_mlm_head.mlm_transform.ffn.ffn.0.linear_layer", HIDDEN, HIDDEN)
    norm("bert_mlm_head.mlm_transform.ln")
    found["bert_mlm_head.classifier.ffn.0.linear_layer.bias"] = (VOCAB,)
    linear("bert_cls_head.classifier.ffn.0.linear_layer", 2, HIDDEN)
    return found


def main(path: str) -> None:
    import cerebras.pytorch as cstorch
    import torch

    model = {}
    for name, shape in shapes().items():
        counted = torch.arange(math.prod(shape)) * 37 + sum(name.encode())
        model[name] = ((counted % 101) / 101 - 0.5).reshape(shape)
    bias = "bert_encoder.embed_ln_f.bias"
    model[bias] = model[bias].bfloat16()
    words = model["bert_encoder.embedding_layer.word_embeddings.weight"]
    model["bert_mlm_head.classifier.ffn.0.linear_layer.weight"] = words
    optimizer = {"state": {"exp_avg": torch.zeros(4, 4)}}
    cstorch.save({"model": model, "optimizer": optimizer, "global_step": 60}, path)


if __name__ == "__main__":
    main(sys.argv[1])
