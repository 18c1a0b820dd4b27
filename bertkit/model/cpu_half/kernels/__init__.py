"""Machine-code kernels between the matrix products of a bf16 model on a CPU.

    numbers     bf16 and float32, exponentials, random numbers by their place
    transposed  columns of bf16 as rows, which products of gradients want
    norm        bias, dropout, residual and layer norm, and back
    activation  bias and activation, and back
    softmax     the heads' parts of rows, probabilities and their dropout, and back
    words       the exponentials of a cross entropy over many words
    shared      each of them on all threads of PyTorch's team

bf16 numbers are uint16 here, the upper halves of float32. Kernels take a range of rows first,
so that threads can share the rows.
"""
