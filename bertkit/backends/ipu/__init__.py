"""Graphcore IPUs, through PopTorch."""
