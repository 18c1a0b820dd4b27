"""Machine-code building blocks that the kernels of several packages share."""
