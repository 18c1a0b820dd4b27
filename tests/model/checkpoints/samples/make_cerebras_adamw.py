"""How checkpoint_8.mdl was made: cerebras_pytorch 2.10's own AdamW over the model zoo's groups.

Run: python make_cerebras_adamw.py checkpoint_8.mdl && xz -9e checkpoint_8.mdl
The model has the names and the order of `make_cerebras.py`. The moments are numbers that
`test_moments.py` computes again from the parameters' names.
"""

from __future__ import annotations

import math
import sys

from make_cerebras import shapes

NORMS = ("embed_ln_f", ".norm1", ".norm2", ".ln.")
HEAD = "bert_mlm_head.classifier.ffn.0.linear_layer"
WORDS = "bert_encoder.embedding_layer.word_embeddings"


def counted(name, shape):
    import torch

    values = torch.arange(math.prod(shape)) * 37 + sum(name.encode())
    return ((values % 101) / 101 - 0.5).reshape(shape)


def model():
    from torch import nn

    made = nn.Module()
    for name, shape in shapes().items():
        *path, last = name.split(".")
        place = made
        for part in path:
            if part not in place._modules:
                place.add_module(part, nn.Module())
            place = place._modules[part]
        place.register_parameter(last, nn.Parameter(counted(name, shape)))
    made.get_submodule(HEAD).weight = made.get_submodule(WORDS).weight
    return made


def main(path: str) -> None:
    import cerebras.pytorch as cstorch

    cstorch.backend("CPU")
    made = model()
    groups = [{"params": [], "weight_decay": 0.01}, {"params": [], "weight_decay": 0.0}]
    for name, parameter in made.named_parameters():
        plain = "bias" in name or any(part in name for part in NORMS)
        groups[plain]["params"].append(parameter)
    optimizer = cstorch.optim.AdamW(groups, lr=1e-3)
    for name, parameter in made.named_parameters():
        for moment in ("exp_avg", "exp_avg_sq"):
            optimizer.state[parameter][moment] = counted(f"{name} {moment}", parameter.shape)
    tree = {"model": made.state_dict(), "optimizer": optimizer.state_dict(), "global_step": 8}
    cstorch.save(tree, path)


if __name__ == "__main__":
    main(sys.argv[1])
