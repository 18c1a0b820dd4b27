"""The backend for Graphcore IPUs, through PopTorch."""
