"""Checkpoints of Cerebras, Graphcore, NVIDIA and Habana."""
