"""Computes BERT's layers in bf16 on a CPU: matrix products by PyTorch, the rest by kernels.

Units for bf16 matrices make products five times as fast as in float32. What stands between
the products then costs more than they do, most of it conversions. Here it is one pass each,
in float32 inside, from bf16 rows to bf16 rows:

    layers      the stack of layers
    blocks      what a layer is made of, with gradients
    attention   attention within each sequence
    loss        cross entropy over the vocabulary
    rows        PyTorch's tensors as the kernels see them, and rows divided among threads

The results depend on the numbers alone, not on how many threads there are.
"""
