"""Reads and writes record files: TFRecord, HDF5 and JSON lines."""
