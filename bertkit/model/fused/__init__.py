"""Kernels of embeddings, layers and the loss for GPUs, in Triton: what PyTorch has slowly or in
pieces."""
