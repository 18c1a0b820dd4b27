"""HDF5 files of NVIDIA's and Habana's BERT."""
