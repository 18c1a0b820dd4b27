"""Checkpoints as HDF5 files: one data set per tensor, named by the path to it."""

from __future__ import annotations

import os

import h5py
import torch

from ._engine import current_backend


def save(tree, path):
    owner = current_backend(raise_exception=False)
    if owner is not None and owner.is_csx and owner.state != "closure":
        raise RuntimeError('New output detected outside of "@cstorch.trace": save')
    if os.path.exists(path):
        raise FileExistsError(f"Checkpoint at '{path}' already exists.")
    if owner is not None and owner.is_csx and not owner.context.saves(owner.context.iteration):
        raise RuntimeError("weights are there at checkpoint steps only")
    with h5py.File(path, "w") as file:
        if owner is None:
            _write(file, (), tree)
        else:
            with owner.during("save"):
                _write(file, (), tree)


def _write(file, place, tree):
    for name, value in tree.items():
        path = (*place, name)
        if isinstance(value, dict):
            _write(file, path, value)
        else:
            data = file.create_dataset(".".join(path), data=torch.as_tensor(value).detach().numpy())
            data.attrs["path"] = list(path)


def load(path):
    tree = {}
    with h5py.File(path) as file:
        for data in file.values():
            *place, name = [str(part) for part in data.attrs["path"]]
            node = tree
            for part in place:
                node = node.setdefault(part, {})
            node[name] = torch.as_tensor(data[()])
    return tree
