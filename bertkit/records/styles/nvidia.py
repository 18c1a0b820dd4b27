"""Implements the style of NVIDIA's and Habana's create_pretraining_data.py, in HDF5 files."""

from __future__ import annotations

from bertkit.records.files.formats import HDF5
from bertkit.records.styles.google import GoogleStyle


class NvidiaStyle(GoogleStyle):
    """Google's algorithm on lines of Python's text files, with NVIDIA's tokenizer and label."""

    name = "nvidia"
    help = "also Habana's, HDF5"
    default_format = HDF5
    default_tokenizer = "nvidia"
    in_memory = False
    universal_newlines = True
    own_segment_is_random = False


NVIDIA = NvidiaStyle()
