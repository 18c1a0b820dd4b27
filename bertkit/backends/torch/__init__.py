"""The backends for CPUs and NVIDIA GPUs, through PyTorch."""
