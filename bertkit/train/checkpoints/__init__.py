"""A run's checkpoints: written, found, resumed from."""
