"""Whether a run uses kernels of bertkit's own, and its updates by one of them."""
