"""Reads configuration files of other systems."""
