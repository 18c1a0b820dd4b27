"""The training loop and everything it needs, on any backend."""
