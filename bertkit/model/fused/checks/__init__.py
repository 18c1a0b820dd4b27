"""Checks on a device that kernels of fused layers, embeddings and the loss are right."""
