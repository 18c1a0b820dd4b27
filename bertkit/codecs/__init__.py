"""Checksums, protobuf fields and decompression, independent of the rest of bertkit."""
