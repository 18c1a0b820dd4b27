"""What a machine does for a training step, one adapter per kind of machine."""
