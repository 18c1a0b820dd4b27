"""Record files: TFRecord, HDF5 and JSON lines, read and written."""
