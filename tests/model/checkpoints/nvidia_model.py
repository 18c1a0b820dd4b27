"""BERT for pretraining with the modules of NVIDIA's and Habana's `modeling.py`, in their order.

Only what decides names and order: parameters, their parents, and where each is defined.
"""

from __future__ import annotations

import torch
from torch import nn


class LinearActivation(nn.Module):
    """A linear layer with its activation: `weight`, then `bias`, held by the module itself."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))


def parts(**modules: nn.Module) -> nn.Module:
    """A module of these parts, in this order."""
    made = nn.Module()
    for name, module in modules.items():
        setattr(made, name, module)
    return made


def encoder_layer(width: int, inner: int) -> nn.Module:
    attention = parts(
        self=parts(
            query=nn.Linear(width, width),
            key=nn.Linear(width, width),
            value=nn.Linear(width, width),
        ),
        output=parts(dense=nn.Linear(width, width), LayerNorm=nn.LayerNorm(width)),
    )
    return parts(
        attention=attention,
        intermediate=parts(dense_act=LinearActivation(width, inner)),
        output=parts(dense=nn.Linear(inner, width), LayerNorm=nn.LayerNorm(width)),
    )


def bert_for_pretraining(config) -> nn.Module:
    """Their model; the decoder's matrix is the word embedding."""
    width = config.hidden_size
    layers = [
        encoder_layer(width, config.intermediate_size) for _ in range(config.num_hidden_layers)
    ]
    bert = parts(
        embeddings=parts(
            word_embeddings=nn.Embedding(config.vocab_size, width),
            position_embeddings=nn.Embedding(config.max_position_embeddings, width),
            token_type_embeddings=nn.Embedding(config.type_vocab_size, width),
            LayerNorm=nn.LayerNorm(width),
        ),
        encoder=parts(layer=nn.ModuleList(layers)),
        pooler=parts(dense_act=LinearActivation(width, width)),
    )
    predictions = parts(
        transform=parts(dense_act=LinearActivation(width, width), LayerNorm=nn.LayerNorm(width)),
        decoder=nn.Linear(width, config.vocab_size, bias=False),
    )
    predictions.decoder.weight = bert.embeddings.word_embeddings.weight
    predictions.bias = nn.Parameter(torch.zeros(config.vocab_size))
    cls = parts(predictions=predictions, seq_relationship=nn.Linear(width, 2))
    return parts(bert=bert, cls=cls)


def parameter_groups(model: nn.Module) -> list[dict]:
    """As their run_pretraining.py makes them."""
    no_decay = ["bias", "gamma", "beta", "LayerNorm"]
    named = list(model.named_parameters())
    decay = [p for n, p in named if not any(part in n for part in no_decay)]
    plain = [p for n, p in named if any(part in n for part in no_decay)]
    return [{"params": decay, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]


class TheirLamb(torch.optim.Optimizer):
    """Takes a step as LAMB does: with everything that it reads from its groups and its state."""

    def __init__(self, params, lr: float = 1e-3) -> None:
        known = {"lr": lr, "bias_correction": True, "betas": (0.9, 0.999), "eps": 1e-6}
        known |= {"weight_decay": 0.01, "grad_averaging": True, "max_grad_norm": 1.0}
        super().__init__(params, known)

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            group["step"] = group.get("step", 0) + 1
            (beta1, beta2), step = group["betas"], group["step"]
            assert group["bias_correction"] and group["grad_averaging"]
            for value in group["params"]:
                state = self.state[value]
                if not state:
                    state["exp_avg"] = torch.zeros_like(value)
                    state["exp_avg_sq"] = torch.zeros_like(value)
                state["exp_avg"].mul_(beta1).add_(value.grad, alpha=1 - beta1)
                state["exp_avg_sq"].mul_(beta2).addcmul_(value.grad, value.grad, value=1 - beta2)
                mean, square = state["exp_avg"] / (1 - beta1**step), state["exp_avg_sq"]
                update = mean / ((square / (1 - beta2**step)).sqrt() + group["eps"])
                value.add_(update + group["weight_decay"] * value, alpha=-group["lr"])
