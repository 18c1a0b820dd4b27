"""Kernels of a layer and of the loss for GPUs, in Triton: what PyTorch has slowly or in pieces."""
