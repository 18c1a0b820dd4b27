"""The readable form of what kernels do, step for step; tests compare the two."""
