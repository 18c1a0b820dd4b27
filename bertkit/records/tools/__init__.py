"""Inspects, compares and samples finished record files."""
