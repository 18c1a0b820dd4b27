"""CPUs and NVIDIA GPUs, through PyTorch."""
