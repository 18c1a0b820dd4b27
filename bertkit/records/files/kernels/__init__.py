"""Kernels that read and write the bytes of TFRecord files; conventions: `bertkit.kernels`.

    planned pairs ──> serialise (with crc_tables) ──┐
    rows of numbers ──> frame_examples ─────────────┴──> TFRecord file ──> parse ──> arrays

    serialise        planned pairs → framed tf.train.Examples of the seven features
    crc_tables       checksums of the parts of such a record that few numbers decide
    frame_examples   rows of numbers → framed tf.train.Examples of any features
    parse            frames of a file, and named features of many records → arrays

The readable code for the same bytes is `records/files/tfrecord/frames.py`.
"""
