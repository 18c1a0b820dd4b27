"""Kernels of a transformer layer for GPUs, in Triton: what PyTorch has slowly or in many pieces."""
